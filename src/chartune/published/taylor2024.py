"""What Taylor et al. (2024) measured, as their public repository has it: scores, parameters, time, price, efficiency.

The paper prints other roundings and chooses among runs; these numbers are those of the notebooks and of
`trainable_params.yaml` in the authors' repository, at the commits that each table names. Few-shot scores were read off
a plot. They come from other data than a run of ours: marks to look at, not opponents to beat.
"""

from dataclasses import dataclass
from typing import Final

from chartune.published import rows_of

CITATION: Final = (
    "Taylor N., Ghose U., Rohanian O., Nouriborji M., Kormilitzin A., Clifton D. A., Nevado-Holgado A. Efficiency at "
    "Scale: Investigating the Performance of Diminutive Language Models in Clinical Tasks. Artificial Intelligence in "
    "Medicine 157, 103002 (2024), arXiv:2402.10597"
)
"""The paper whose repository all of these tables come from."""
LABEL: Final = "authors' repository"
"""What stands over every number of this module: it is not typeset in the paper."""
REPOSITORY: Final = "github.com/nlpie-research/efficient-ml"
COMMITS: Final = {
    "p2_scores.csv": "e12859b, 267e138, 239e91b, 35c7df0, fcab64b (notebooks)",
    "p2_tasks.csv": "267e138 (notebook)",
    "p2_parameters.csv": "fcab64b and 2f71b99 (trainable_params.yaml), b5f004f (model_type_trainable_model_size.yaml)",
    "p2_compute.csv": "e12859b, 267e138, 239e91b (notebooks)",
    "p2_price.csv": "35c7df0, fcab64b (notebooks)",
    "p2_efficiency.csv": "35c7df0, fcab64b (notebooks)",
    "p2_few_shot.csv": "e12859b (notebook; read off its plot)",
}
"""Table → the commits of that repository where its numbers stand."""
SEEDS: Final = (12, 34, 56)
"""Of the rows of four models; all others are single runs, of duplicates the highest."""

HOURLY: Final = (2.0396, 1.9851, "GBP")
"""Of training (AWS g5.16xlarge) and of inference (g4dn.16xlarge), the mean of on-demand and spot: least squares on the
eleven prices that the repository gives with their hours. It does not state them."""

BASES: Final = {
    "TinyBERT": "tinybert", "TinyBioBERT": "tiny-biobert", "TinyClinicalBERT": "tiny-clinicalbert",
    "MobileBERT": "mobilebert", "BioMobileBERT": "bio-mobilebert", "ClinicalMobileBERT": "clinical-mobilebert",
    "DistilBERT-base": "distilbert", "BioDistilBERT": "bio-distilbert", "ClinicalDistilBERT": "clinical-distilbert",
    "BERT-base": "bert-base", "BioBERT": "biobert", "BioClinicalBERT": "bio-clinicalbert",
    "distil-biobert": "distil-biobert", "BERT-tiny": "bert-tiny", "RoBERTa-base": "roberta-base",
    "Clinical-Longformer": "clinical-longformer", "Llama-2-7B": "llama-2-7b",
}  # fmt: skip
"""Model as the paper calls it → the row of chartune's catalog."""
COLUMNS: Final = {"mortality": "MP", "length_of_stay": "LoS", "icd9_triage": "Triage"}
"""Our task of a chart → its name here."""
ANNOTATED: Final = {
    ("i2b2_2010", "relations"): "RE", ("i2b2_2010", "concepts"): "NER 2010", ("i2b2_2012", "concepts"): "NER 2012",
    ("i2b2_2014", "deidentification"): "NER 2014",
}  # fmt: skip
"""Kind of an annotated corpus, and our task of it → its name here."""


@dataclass(frozen=True)
class Score:
    """One score on a test split."""

    group: str
    """`seeds`: the main comparison; `seeds-mean`: means beside it; `prefix`, `ner`; `domains`: general, biomedical and
    clinical pretraining."""
    model: str
    method: str
    """`Full`, `LoRA`, `IA3` or `Prefix tuning`."""
    task: str
    """A value of `COLUMNS` or `ANNOTATED`."""
    metric: str
    """Of the multi-class tasks AUROC is one-vs-rest; micro F1 of relations is accuracy, "no relation" included."""
    value: float
    """From 0 to 1."""
    std: float | None
    """Over the seeds; None: one run, or not kept."""
    runs: str
    """What the value is of the runs there were."""


@dataclass(frozen=True)
class Parameters:
    """How many parameters of a model a method trains."""

    commit: str
    """Where it was counted."""
    model: str
    method: str
    setting: str
    """Rank and matrices, or virtual tokens."""
    total: int
    """The whole classifier: body, pooler or pre-classifier, and a classifier of two labels."""
    trained: int
    """As published; without the classifier where `convention` does not say otherwise."""
    convention: str
    """What is counted besides the adapter's tensors, or how they are counted; empty: these alone."""


@dataclass(frozen=True)
class Compute:
    """Five epochs on in-hospital mortality (33,954 notes of at most 480 tokens)."""

    model: str
    method: str
    train_seconds: float
    flops: float
    """As the Trainer estimates them: 6 × parameters × padded tokens."""
    seconds_to_best: float
    best_validation_auroc: float
    evaluation_seconds: float
    """One pass over the validation split."""


@dataclass(frozen=True)
class Price:
    """Ten epochs on in-hospital mortality, and 100,000 notes read."""

    model: str
    method: str
    train_hours: float
    """On one AWS g5.16xlarge."""
    inference_hours: float
    """On one AWS g4dn.16xlarge."""
    gbp: float


@dataclass(frozen=True)
class Efficiency:
    """One efficiency score; it changes with the models that are compared."""

    version: str
    """`v1`: times the largest sum of min-max FLOPs to the best validation score and min-max trained parameters; `v2`:
    minus the mean of min-max time to the best, trained and all parameters, rescaled to 0 to 1."""
    model: str
    method: str
    score: float


@dataclass(frozen=True)
class FewShot:
    """In-hospital mortality learnt from a few of each class, with LoRA: the middle of three seeds, off a plot."""

    model: str
    method: str
    per_class: int
    """As asked; the training split has some 3,570 positive notes, so that 4,096 is all of them."""
    test_auroc: float


@dataclass(frozen=True)
class Asked:
    """A task as it was asked."""

    task: str
    title: str
    metric: str
    classes: int | None
    """None: spans."""
    examples: tuple[int, int, int]
    """Of train, validation and test; of spans sentences. The test split of relations moves with the seed."""


def column_of(task: str, source: str) -> str | None:
    """What a task of ours is called here; None: the paper has not asked it.

    Args:
        task: its name.
        source: the kind of the source that it is asked of.
    """
    return COLUMNS.get(task) or ANNOTATED.get((source, task))


def scores(column: str | None = None) -> list[Score]:
    """All scores, or those of one task by its name here."""
    return [
        Score(row["group"], row["model"], row["method"], row["task"], row["metric"], float(row["score"]),
              float(row["std"]) if row["std"] else None, row["runs"])
        for row in rows_of("p2_scores.csv") if column in (None, row["task"])
    ]  # fmt: skip


def parameters() -> list[Parameters]:
    """How many parameters each method trains of each model."""
    return [
        Parameters(row["commit"], row["model"], row["method"], row["setting"], int(row["total"]), int(row["trained"]),
                   row["convention"])
        for row in rows_of("p2_parameters.csv")
    ]  # fmt: skip


def compute() -> list[Compute]:
    """Time and floating-point operations on in-hospital mortality."""
    return [
        Compute(row["model"], row["method"], float(row["train_seconds"]), float(row["flops"]),
                float(row["seconds_to_best"]), float(row["best_validation_auroc"]), float(row["evaluation_seconds"]))
        for row in rows_of("p2_compute.csv")
    ]  # fmt: skip


def prices() -> list[Price]:
    """What ten epochs and 100,000 notes cost."""
    return [
        Price(row["model"], row["method"], float(row["train_hours"]), float(row["inference_hours"]), float(row["gbp"]))
        for row in rows_of("p2_price.csv")
    ]  # fmt: skip


def efficiency() -> list[Efficiency]:
    """Both scores; which of them the journal prints is not known."""
    return [
        Efficiency(row["version"], row["model"], row["method"], float(row["score"]))
        for row in rows_of("p2_efficiency.csv")
    ]  # fmt: skip


def few_shot() -> list[FewShot]:
    """The curves of few-shot learning."""
    return [
        FewShot(row["model"], row["method"], int(row["per_class"]), float(row["test_auroc"]))
        for row in rows_of("p2_few_shot.csv")
    ]  # fmt: skip


def tasks() -> list[Asked]:
    """The seven tasks with their sizes."""
    return [
        Asked(row["task"], row["title"], row["metric"], int(row["classes"]) if row["classes"] else None,
              (int(row["train"]), int(row["validation"]), int(row["test"])))
        for row in rows_of("p2_tasks.csv")
    ]  # fmt: skip
