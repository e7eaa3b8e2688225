"""TF-IDF and logistic regression: the honest baseline that every clinical text model has to beat."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from chartune.errors import LabelError
from chartune.log import Meter, progress
from chartune.made_up import oracle_of
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.stages.bases import find_or_make
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.model_length import ModelLength, as_read
from chartune.stages.recalibrating import Recalibrated, recalibration
from chartune.stages.regressions import Regressions, joined, label_by_label, spread
from chartune.stages.scoring import score, write_predictions
from chartune.stages.stage import Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.stages.term_weights import Limit, keep, term_frequencies, write_terms
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 5
SAMPLE: Final = 100
"""Labels at most on which the penalty of all is chosen."""


class Tfidf(Recalibrated):
    """Term frequencies of words and word pairs, weighed by rarity; L2-penalised logistic regression on them."""

    kind: Literal["tfidf"] = "tfidf"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    longest_ngram: int = Field(2, gt=0)
    """Words of the longest phrase that is counted."""
    least_documents: int = Field(3, gt=0)
    """Phrases in fewer training texts are left out."""
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.1, 1.0, 10.0, 100.0), min_length=1)
    """Inverse penalties to choose from, by the headline score on the validation split: one for all labels, chosen on at
    most a hundred of them, from the most frequent to the rarest."""
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
    splits = ("train", *stage.read_splits(table))
    texts = {split: table.frame[table.rows(split)].get_column("text").to_list() for split in splits}
    if base is None or stage.length is None:
        return texts, {split: np.zeros(len(part), dtype=np.bool_) for split, part in texts.items()}
    read = {split: as_read(part, base, stage.length.max_seq_len) for split, part in texts.items()}
    return {split: part for split, (part, _) in read.items()}, {split: e.truncated for split, (_, e) in read.items()}


def _fit(stage: Tfidf, table: TaskTable, work: Work, base: LocalBackbone | None = None) -> Outcome:
    texts, cut = _read(stage, table, base)
    vectorizer, train = _weighed(stage, texts["train"])
    held = {split: vectorizer.transform(texts[split]) for split in stage.read_splits(table)}
    limit = Limit(base.name, base.content_hash, stage.length.max_seq_len) if base and stage.length else None
    write_terms(work.folder, vectorizer, _classes(table), table.prior_logits(), limit)
    strength, decided = _learnt(stage, table, train, held, work)
    write_predictions(work.folder, table, decided)
    words = np.asarray([len(text.split()) for text in texts.get("test", ())], dtype=np.int32)
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    scored = {split: decided[split] for split in stage.scored}
    scores = score(table, scored, work.folder, words={"test": words}, oracle=oracle)
    parameters = (train.shape[1] + 1) * table.form.regressions(len(table.space.labels))
    facts = {
        **recalibration(stage, table, decided), "strength": strength,
        "truncated_fraction": float(cut[stage.scored[-1]].mean()),
    }  # fmt: skip
    return Outcome(scores, parameters, parameters, facts=facts)


def _weighed(stage: Tfidf, texts: Sequence[str]) -> tuple[TfidfVectorizer, Any]:
    """The vocabulary of the training texts, and their weighed term frequencies, [n, d]."""
    vectorizer = term_frequencies(stage.longest_ngram, stage.least_documents)
    try:
        return vectorizer, vectorizer.fit_transform(texts)
    except ValueError:
        raise LabelError(
            f"TF-IDF needs phrases that stand in {stage.least_documents} training texts, but there are none in "
            f"{len(texts)}; lower least_documents."
        ) from None


def _learnt(
    stage: Tfidf, table: TaskTable, train: Any, held: Mapping[str, Any], work: Work
) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """Choose the penalty, fit with it, write the regressions.

    Returns:
        The inverse penalty, and what is scored of each held-out text, by split.
    """
    every, few, watched = np.arange(table.outputs), _sample(table), {"validation": held["validation"]}
    tried = stage.strengths if len(stage.strengths) > 1 else ()
    with progress("fitting regressions", len(tried) * len(few) + len(every)) as meter:
        scores = [
            _headline(table, few, _decided(table, _regressions(table, train, few, strength, meter), watched))
            for strength in tried
        ]
        best = stage.strengths[int(np.argmax(scores))] if scores else stage.strengths[0]
        return best, _decided(table, keep(work.folder, _regressions(table, train, every, best, meter)), held)


def _sample(table: TaskTable) -> NDArray[np.intp]:
    """The labels on which the penalty is chosen: of very many some of those that can be scored on validation."""
    if not table.form.several or table.outputs <= SAMPLE:
        return np.arange(table.outputs)
    cases, rows = table.cases("validation"), len(table.rows("validation"))
    scored = np.flatnonzero(table.counted() & (cases > 0) & (cases < rows))
    return scored[spread(table.cases("train")[scored], SAMPLE)]


def _regressions(
    table: TaskTable, features: Any, which: NDArray[np.intp], strength: float, meter: Meter
) -> Iterator[Regressions]:
    """Fitted to training features, [n, d]: one of all classes, or one for each label of `which`."""
    labels = table.labels("train")
    if not table.form.several:
        model = LogisticRegression(C=strength, max_iter=2000).fit(features, labels)
        meter.advance(len(which))
        yield Regressions(model.coef_, model.intercept_)
        return
    prior, processes = table.prior_logits()[which], torch.get_num_threads()
    for part in label_by_label(features, labels[:, which] > 0, strength, prior, processes):
        meter.advance(len(part.intercepts))
        yield part


def _decided(table: TaskTable, parts: Iterable[Regressions], held: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """What is scored of each text, by split; features [n, d] by split."""
    odds: dict[str, list[NDArray[np.float64]]] = {split: [] for split in held}
    for part in parts:
        for split, features in held.items():
            odds[split].append(part.odds(features))
    classes, prior = _classes(table), table.prior_logits()
    return {split: table.form.from_odds(joined(each), classes, prior) for split, each in odds.items()}


def _headline(table: TaskTable, which: NDArray[np.intp], decided: Mapping[str, NDArray[np.float64]]) -> float:
    """The headline score of the labels `which` on the validation split."""
    labels, form = table.labels("validation"), table.form
    asked = labels[:, which] if form.several else labels
    return form.quick(asked, decided["validation"], table.counted()[which])[form.headline.metric]


def _classes(table: TaskTable) -> NDArray[np.int64]:
    """Numbers of the labels that have a regression: of classes those that the training split has."""
    return np.arange(table.outputs) if table.form.several else np.unique(table.labels("train")).astype(np.int64)
