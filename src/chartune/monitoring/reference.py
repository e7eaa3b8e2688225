"""Reference: what is watched of a run, on its own test split.

data of the run ─ texts ─▶ lengths, cuts, words that no training text has      predictions.parquet ─▶ scores
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.errors import ChartuneError, StoreError
from chartune.metrics.drifting import Baseline
from chartune.monitoring.measures import made_of, scores, unknown_shares
from chartune.monitoring.vocabulary import Vocabulary
from chartune.notes.text_pair import Text, joined, read_texts
from chartune.prediction.scorer import Reading
from chartune.report.hidden import scored_on
from chartune.runs.monitored import LENGTH, SCORE, TRUNCATED, UNKNOWN
from chartune.stages.loading import LoadedRun
from chartune.stages.table import read_table
from chartune.store import Store

T = TypeVar("T", Sequence[Text], pl.DataFrame)
OWN_TEXTS: Final = 5000
"""Texts of the split whose lengths and words are taken, evenly over it."""
LEARNT_TEXTS: Final = 20000
"""Training texts whose words are known, evenly over them."""


@dataclass(frozen=True)
class Reference:
    """Measures of a run on its own rows."""

    split: str
    """test, or validation where that alone was scored."""
    rows: int
    baselines: Mapping[str, Baseline]
    """By measure."""
    vocabulary: Vocabulary
    """Words of training texts. Empty: these are gone."""
    missing: tuple[str, ...]
    """What cannot be measured, and why."""

    def values(self, scorer: LoadedRun, texts: Sequence[Text], reading: Reading) -> dict[str, NDArray[np.float64]]:
        """What is watched of rows that were scored: measure → [n].

        Args:
            scorer: the run, as it has scored them.
            texts: [n].
            reading: what was made of them.
        """
        made = {SCORE: scores(scorer, made_of(scorer, reading.decided)), **_of_inputs(reading)}
        if len(self.vocabulary):
            made[UNKNOWN] = unknown_shares(texts, self.vocabulary)
        return {name: made[name] for name in self.baselines if name in made}


def reference(scorer: LoadedRun, store: Store, *, recalibrated: bool | None = None) -> Reference:
    """Measures of a run on its test split, or on its validation split where that alone was scored.

    Args:
        scorer: the run.
        store: where its data are.
        recalibrated: whether scores are; None: where something was fitted.
    """
    run = scorer.run
    split = scored_on(run)
    rows = run.predictions(split) if run.has_predictions() else pl.DataFrame()
    baselines, missing, vocabulary = dict[str, Baseline](), list[str](), Vocabulary.of(())
    if rows.is_empty():
        missing.append("scores: it has scored no rows of its own")
    else:
        decided = scorer.form.read(rows)[1]
        baselines[SCORE] = Baseline.of(scores(scorer, made_of(scorer, decided, recalibrated=recalibrated)))
    try:
        of_inputs, vocabulary = _of_data(scorer, store, split)
        baselines |= of_inputs
    except ChartuneError as error:
        missing.append(f"lengths and words: {error}")
    return Reference(split, rows.height, baselines, vocabulary, tuple(missing))


def _of_data(scorer: LoadedRun, store: Store, split: str) -> tuple[dict[str, Baseline], Vocabulary]:
    """Measures of texts of a split, and the words of training texts. Raises StoreError: the data are gone."""
    data = store.find("data", scorer.run.data or "")
    if data is None:
        raise StoreError("the run's own data are no longer in the store; prepare them again.")
    table = read_table(data, scorer.run.task or "", for_model=True)
    texts = read_texts(_evenly(table.frame[table.rows(split)], OWN_TEXTS))
    learnt = read_texts(_evenly(table.frame[table.rows("train")], LEARNT_TEXTS))
    vocabulary = Vocabulary.of(joined(learnt))
    values = {**_of_inputs(scorer.lengths(texts)), UNKNOWN: unknown_shares(texts, vocabulary)}
    finite = {name: each[np.isfinite(each)] for name, each in values.items()}
    return {name: Baseline.of(each) for name, each in finite.items() if len(each)}, vocabulary


def _of_inputs(reading: Reading) -> dict[str, NDArray[np.float64]]:
    return {LENGTH: reading.tokens.astype(np.float64), TRUNCATED: reading.truncated.astype(np.float64)}


def _evenly(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """So many rows at most, evenly over all of them."""
    if rows.height <= most:
        return rows
    return rows[np.linspace(0, rows.height - 1, most).astype(np.int64)]
