"""Decontamination: documents of a corpus that hold what another dataset asks about are left out.

MIMIC-III and MIMIC-IV hold the same admissions of 2008 to 2012 under unlinked ids, so that a model that is adapted on
one has read the test notes of the other. What is compared are fingerprints of texts, five words each. Only counts are
kept: no file, message or frame that outlives the comparison links a document of one dataset to a patient of another.

    held-out texts of other data ─sketch─▶ rare shingles ◀─ documents, shard by shard ─▶ which of them to leave out

A control of the same size leaves out as many documents that nobody asks about, so that a score that falls tells the
loss of the answers from the loss of text.
"""

from collections.abc import Iterable
from typing import Annotated, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from chartune.config import Config
from chartune.tasks.leakage.shingles import Masks, Sketches, joined, sketch

COMMON: Final = 16
"""Shingles that more held-out texts share are phrases of the house and prove nothing."""
LEAST: Final = 8
"""Rare shingles that a held-out text needs to be recognised by them."""
BLOCK: Final = 512
"""Documents that are compared at once."""


class Decontamination(Config):
    """Which data must not be learnt from before they are asked about."""

    against: tuple[str, ...] = Field(min_length=1)
    """Fingerprints of prepared data in the same store: their held-out texts are looked for."""
    containment: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a held-out text's rare shingles from which on a document holds it."""
    control: bool = False
    """Leave out as many other documents in their place: the control of the same size."""


class Fingerprints:
    """The rare shingles of held-out texts."""

    def __init__(self, texts: Iterable[pl.Series], masks: Masks) -> None:
        """Sketch held-out texts, given in blocks."""
        every = joined([sketch(block, masks) for block in texts])
        owner = np.repeat(np.arange(len(every)), every.sizes)
        order = np.argsort(every.shingles, kind="stable")
        shingles, owner = every.shingles[order], owner[order]
        _, place, count = np.unique(shingles, return_inverse=True, return_counts=True)
        rare = count[place] <= COMMON
        self._shingles, self._owner = shingles[rare], owner[rare]
        self._needed = np.bincount(self._owner, minlength=len(every))
        self._masks = masks

    def held(self, documents: pl.Series, containment: float) -> NDArray[np.bool_]:
        """Which documents hold that share of a held-out text: [n]."""
        parts = [self._held(sketch(part, self._masks), containment) for part in _blocks(documents)]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *parts])

    def _held(self, block: Sketches, containment: float) -> NDArray[np.bool_]:
        low = np.searchsorted(self._shingles, block.shingles, "left")
        count = np.searchsorted(self._shingles, block.shingles, "right") - low
        hit = np.flatnonzero(count)
        ends = np.cumsum(count[hit])
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(low[hit] - (ends - count[hit]), count[hit])
        whose = np.searchsorted(block.offsets, np.repeat(hit, count[hit]), "right") - 1
        pairs, shared = np.unique(np.stack([whose, self._owner[places]], axis=1), axis=0, return_counts=True)
        needed = self._needed[pairs[:, 1]]
        found = np.zeros(len(block), dtype=np.bool_)
        found[pairs[(needed >= LEAST) & (shared >= containment * needed), 0]] = True
        return found


def left_out(documents: pl.DataFrame, held: pl.Series, control: bool) -> pl.DataFrame:
    """note_id of the documents to leave out.

    Args:
        documents: note_id, of all documents that are learnt from.
        held: note_id of those that hold a held-out text.
        control: whether as many others are left out in their place.
    """
    holds = documents.filter(pl.col("note_id").is_in(held.implode()))
    if not control:
        return holds.select("note_id")
    others = documents.filter(~pl.col("note_id").is_in(held.implode()))
    drawn = others.sort(pl.col("note_id").hash(seed=0), "note_id")
    return drawn.head(holds.height).select("note_id")


def _blocks(texts: pl.Series) -> Iterable[pl.Series]:
    return (texts.slice(start, BLOCK) for start in range(0, len(texts), BLOCK))
