"""Predicting: a finished run, or an export of one, scores new texts, of a file or in memory.

RUN ─load─▶ Scorer ┐
INPUT ─checked─────┴─ chunk by chunk ─▶ rows: id, probabilities, tokens read and cut, model, adapter
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from chartune.errors import DataError
from chartune.notes.text_pair import paired
from chartune.prediction.rows import Choices, prediction_rows
from chartune.prediction.texts import CHUNK, as_read, rows_named
from chartune.prediction.thresholds import threshold_for
from chartune.runs.ledger import store_of
from chartune.runs.run import Run
from chartune.stages.chosen import Chosen, chosen_at
from chartune.store import Store


def predict(
    run: Run | str, texts: Sequence[str] | Sequence[tuple[str, str]], *, store: Store | Path | str | None = None,
    ids: Sequence[str | int] | None = None, recalibrated: bool | None = None, threshold: float | str | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Score texts with a finished run.

    Args:
        run: a run, or its fingerprint, the beginning of it, its name or its folder; or the folder of an export.
        texts: [n]; of a run on pairs both texts of each.
        store: where the run and its base model are; None: as of `chartune.load`.
        ids: of the texts, [n]; None: their numbers, counted from 1.
        recalibrated: False: raw, as the model gives them; None: recalibrated where something was fitted.
        threshold: from where on a label is said to apply: a probability, or a rule on the run's validation split
            (`chartune.prediction.thresholds`), such as `youden`.

    Returns:
        A row per text, in order: id, probabilities, tokens, tokens_read, truncated, model, adapter
        (`chartune.prediction.rows`).

    Raises:
        DataError: a text is empty, or there is an id too few; a rule has too few validation rows.
        ConfigError: there is no such run, its base model is missing, or the threshold is none.
        RunError: the run scores no texts, or keeps no recalibration.
    """
    opened = store_of(run, store)
    names = pl.Series("id", list(ids) if ids is not None else range(1, len(texts) + 1))
    if names.len() != len(texts):
        raise DataError(f"every text must have an id, but there are {names.len()} ids of {len(texts)} texts.")
    chosen = Chosen(run) if isinstance(run, Run) else chosen_at(opened, run)
    read = _read(texts, chosen)
    if read.has_nulls():
        raise DataError(f"every text must have words, but {rows_named(read.is_null())} have none; leave them out.")
    scorer = chosen.scorer(opened)
    choices = Choices(recalibrated, threshold_for(threshold, scorer, chosen.run, recalibrated=recalibrated))
    choices.must_suit(scorer)
    starts = range(0, max(1, len(texts)), CHUNK)
    return pl.concat([
        prediction_rows(scorer, names.slice(start, CHUNK), read.slice(start, CHUNK), choices) for start in starts
    ])  # fmt: skip


def _read(texts: Sequence[str] | Sequence[tuple[str, str]], chosen: Chosen) -> pl.Series:
    """As they are read, [n]: str?, or structs of pairs. Raises DataError: these are no pairs, or should be none."""
    pairs = [not isinstance(text, str) for text in texts]
    if any(pair != chosen.of_pairs for pair in pairs):
        asked = "pairs of texts" if chosen.of_pairs else "single texts"
        raise DataError(f"this run has learnt from {asked}, but is given something else; give it such.")
    sides = list(zip(*texts, strict=True)) if chosen.of_pairs and pairs else [texts, texts]
    first, second = (as_read(pl.Series(list(side), dtype=pl.String), chosen.breaks) for side in sides)
    return paired(first, second) if chosen.of_pairs else first
