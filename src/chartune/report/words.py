"""The words on the page, each in a sentence: a nurse shall understand the nouns, a statistician the numbers."""

from typing import Final

WORDS: Final = (
    ("Base model", "A language model as it came, trained by somebody else on other text."),
    ("Adapter", "A small set of extra weights that is trained while the base model stays as it is. LoRA is one kind."),
    ("Head only", "The base model is not changed; only the last step, from its numbers to the answer, is learnt."),
    ("TF-IDF", "Counting words and weighing rare ones more, then logistic regression: no language model at all."),
    ("Fresh, frozen, trainable", "An adapter that starts from nothing; one that was trained before and is left as it "
     "was; one that was trained before and learns on."),
    ("Merged", "An adapter that was trained before, added to the base model's own weights, where it stays."),
    ("AUROC", "Take a patient who had the outcome and one who had not: how often does the model give the first the "
     "higher risk? 0.5 is guessing, 1 is always. With several answers (codes, classes) the macro AUROC is the plain "
     "mean over them, and the micro AUROC ranks all pairs of admission and code together."),
    ("Interval", "In which range the score would move if other patients of the same kind had come: the middle 95 % "
     "over a thousand draws of whole patients from the test split."),
    ("Paired difference", "Two variants on the same patients, drawn together. An interval above 0: better. One that "
     "holds 0: this test split cannot tell, which is not the same as equal."),
    ("AUPRC", "Of those whom the model flags, how many have the outcome, over all thresholds. A guess reaches the "
     "prevalence, so the two are read together."),
    ("Prevalence", "The share of admissions that have the outcome."),
    ("Calibration", "Whether of those with a predicted risk of 20 % about 20 % have the outcome. The intercept says "
     "whether risks are too high overall (below 0) or too low; the slope whether they are too extreme (below 1)."),
    ("Brier score, log loss", "Distance of the predicted risks from what happened; lower is better."),
    ("Oracle", "On made-up patients the true risk is known. This is the AUROC of that risk given the words that a "
     "variant could read; on average no model can pass it."),
    ("Perplexity", "How surprised a model is by the next word piece of a note: 1 would be never. It compares "
     "models that cut words alike."),
    ("Masked-LM perplexity", "How surprised an encoder, which reads both ways, is by word pieces that were hidden from "
     "it: another question than perplexity, so that the two never compare."),
    ("Bits per byte", "The same surprise for each byte of text instead of each word piece: it compares any models."),
    ("Seed", "The number that decides all chance in a training. Other seeds show how much of a score is luck."),
    ("Fingerprint", "A name made of everything that determines a run: same fingerprint, same result."),
)  # fmt: skip
"""Term and meaning, in the order in which a reader meets them."""
