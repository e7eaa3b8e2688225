"""TF-IDF and logistic regression: the honest baseline that every clinical text model has to beat."""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from chartune.errors import LabelError
from chartune.made_up import oracle_of
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.stages.bases import find_or_make
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.model_length import ModelLength, as_read
from chartune.stages.scoring import calibration, score, write_predictions
from chartune.stages.stage import LearningStage, Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.stages.term_weights import Limit, TermWeights, term_frequencies
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 4


class Tfidf(LearningStage):
    """Term frequencies of words and word pairs, weighed by rarity; L2-penalised logistic regression on them."""

    kind: Literal["tfidf"] = "tfidf"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    longest_ngram: int = Field(2, gt=0)
    """Words of the longest phrase that is counted."""
    least_documents: int = Field(3, gt=0)
    """Phrases in fewer training texts are left out."""
    strengths: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    """Inverse penalties to choose from, by the headline score on the validation split; one for all labels."""
    length: ModelLength | None = None
    """Read only as many words of each text as a base model reads within its token limit; None: whole texts."""


def tfidf(stage: Tfidf, store: Store) -> Run:
    """Fit, or find it done. The vocabulary is made of patients' words: it stays in the run's folder.

    Raises:
        LabelError: a split lacks a class, or no phrase is frequent enough.
    """
    data = prepare(stage.data, store)
    table = read_table(data, stage.task)
    table.must_be_learnable()
    base = find_or_make(stage.length.backbone, store) if stage.length else None
    return perform(
        stage, store, data, kind="tfidf", revision=REVISION, name=stage.name or _title(stage),
        parts=parts_of(table.task, base),
        facts={"source": source_facts(read_dataset(data)), **task_facts(table), "backbone": None, "stack": None,
               "parents": [], "max_seq_len": stage.length and stage.length.max_seq_len, "truncated_fraction": 0.0},
        resolved=None, work=lambda work: _fit(stage, table, work, base),
    )  # fmt: skip


def parts_of(task: str, base: LocalBackbone | None) -> dict[str, Any]:
    """What determines a run beside stage and data; `base`: whose token limit cuts the texts, None: they are whole."""
    return {"task": task} | ({"backbone": base.content_hash} if base else {})


def _title(stage: Tfidf) -> str:
    limit = f", {stage.length.max_seq_len} tokens" if stage.length else ""
    return f"TF-IDF + logistic regression{limit}"


def _read(
    stage: Tfidf, table: TaskTable, base: LocalBackbone | None
) -> tuple[dict[str, list[str]], dict[str, NDArray[np.bool_]]]:
    """By split what is read of each text, and whether that is less than all of it, [n]."""
    texts = {split: table.frame[table.rows(split)].get_column("text").to_list() for split in ("train", *stage.scored)}
    if base is None or stage.length is None:
        return texts, {split: np.zeros(len(part), dtype=np.bool_) for split, part in texts.items()}
    read = {split: as_read(part, base, stage.length.max_seq_len) for split, part in texts.items()}
    return {split: part for split, (part, _) in read.items()}, {split: e.truncated for split, (_, e) in read.items()}


def _fit(stage: Tfidf, table: TaskTable, work: Work, base: LocalBackbone | None = None) -> Outcome:
    texts, cut = _read(stage, table, base)
    vectorizer = term_frequencies(stage.longest_ngram, stage.least_documents)
    try:
        train = vectorizer.fit_transform(texts["train"])
    except ValueError:
        raise LabelError(
            f"TF-IDF needs phrases that stand in {stage.least_documents} training texts, but there are none in "
            f"{len(texts['train'])}; lower least_documents."
        ) from None
    held = {split: vectorizer.transform(texts[split]) for split in stage.scored}
    fitted = [_regression(table, strength).fit(train, table.labels("train")) for strength in stage.strengths]
    form, watched, counted = table.form, table.labels("validation"), table.counted()
    tried = [form.quick(watched, _decided(model, held["validation"], table), counted) for model in fitted]
    model = fitted[int(np.argmax([scores[form.headline.metric] for scores in tried]))]
    limit = Limit(base.name, base.content_hash, stage.length.max_seq_len) if base and stage.length else None
    TermWeights.of(vectorizer, model, table.prior_logits(), limit).write(work.folder)
    decided = {split: _decided(model, held[split], table) for split in stage.scored}
    write_predictions(work.folder, table, decided)
    words = np.asarray([len(text.split()) for text in texts.get("test", ())], dtype=np.int32)
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    scores = score(table, decided, work.folder, words={"test": words}, oracle=oracle)
    parameters = (train.shape[1] + 1) * form.regressions(len(table.space.labels))
    facts = {
        "calibration": calibration(table, decided["validation"]),
        "truncated_fraction": float(cut[stage.scored[-1]].mean()),
    }  # fmt: skip
    return Outcome(scores, parameters, parameters, facts=facts)


def _regression(table: TaskTable, strength: float) -> Any:
    """L2-penalised logistic regression; where several labels apply one for each, by the solver that is fast on many."""
    if not table.form.several:
        return LogisticRegression(C=strength, max_iter=2000)
    return OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear", max_iter=2000))


def _decided(model: Any, features: Any, table: TaskTable) -> NDArray[np.float64]:
    """What is scored of each text."""
    odds = np.asarray(model.decision_function(features), dtype=np.float64)
    return table.form.from_odds(odds, model.classes_, table.prior_logits())
