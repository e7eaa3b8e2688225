"""TF-IDF and logistic regression: the honest baseline that every clinical text model has to beat."""

from typing import Final, Literal

import numpy as np
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from chartune.errors import LabelError
from chartune.metrics.auroc import auroc
from chartune.runs.run import Run
from chartune.stages.scoring import SCORED, TaskTable, read_table, score, write_predictions
from chartune.stages.stage import Outcome, Stage, Work, perform, source_facts
from chartune.store import Store
from chartune.tasks.prepare import prepare, read_dataset

REVISION: Final = 1


class Tfidf(Stage):
    """Term frequencies of words and word pairs, weighed by rarity; L2-penalised logistic regression on them."""

    kind: Literal["tfidf"] = "tfidf"
    task: str = "mortality"
    """Which of the prepared tasks."""
    longest_ngram: int = Field(2, gt=0)
    """Words of the longest phrase that is counted."""
    least_documents: int = Field(3, gt=0)
    """Phrases in fewer training texts are left out."""
    strengths: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    """Inverse penalties to choose from, by AUROC on the validation part."""


def tfidf(stage: Tfidf, store: Store) -> Run:
    """Fit, or find it done. The vocabulary is made of patients' words: it is not kept.

    Raises:
        LabelError: a split lacks a class, or no phrase is frequent enough.
    """
    data = prepare(stage.data, store)
    table = read_table(data, stage.task)
    table.must_be_learnable()
    return perform(
        stage, store, data, kind="tfidf", revision=REVISION,
        name=stage.name or "TF-IDF + logistic regression", parts={},
        facts={"source": source_facts(read_dataset(data)), "task": stage.task, "backbone": None, "stack": None,
               "parents": [], "max_seq_len": None, "truncated_fraction": 0.0},
        resolved=None, work=lambda work: _fit(stage, table, work),
    )  # fmt: skip


def _fit(stage: Tfidf, table: TaskTable, work: Work) -> Outcome:
    texts = {split: table.frame[table.rows(split)].get_column("text").to_list() for split in ("train", *SCORED)}
    vectorizer = TfidfVectorizer(ngram_range=(1, stage.longest_ngram), min_df=stage.least_documents, sublinear_tf=True)
    try:
        train = vectorizer.fit_transform(texts["train"])
    except ValueError:
        raise LabelError(
            f"TF-IDF needs phrases that stand in {stage.least_documents} training texts, but there are none in "
            f"{len(texts['train'])}; lower least_documents."
        ) from None
    held = {split: vectorizer.transform(texts[split]) for split in SCORED}
    fitted = [LogisticRegression(C=c, max_iter=2000).fit(train, table.labels("train")) for c in stage.strengths]
    reached = [auroc(table.labels("validation"), model.decision_function(held["validation"])) for model in fitted]
    model = fitted[int(np.argmax(reached))]
    logits = {split: model.decision_function(held[split]).astype(np.float64) for split in SCORED}
    write_predictions(work.folder, table, logits)
    words = np.asarray([len(text.split()) for text in texts["test"]], dtype=np.int32)
    scores = score(table, logits, words={"test": words}, source=stage.data.source)
    return Outcome(scores, int(model.coef_.size + 1), int(model.coef_.size + 1))
