"""Splits: which patient is learnt from and which is asked about. Made once per source, always by patient."""

from chartune.sources.splits.folds import KFoldSplit
from chartune.sources.splits.hashed import HashSplit
from chartune.sources.splits.lists import ImportedSplit
from chartune.sources.splits.split import (
    CORPUS_ONLY,
    HELD_OUT,
    OUT_OF_YEARS,
    SCHEMA,
    SPLITS,
    STRAYS,
    Assignment,
    Split,
)
from chartune.sources.splits.stratum import carevue_only
from chartune.sources.splits.temporal import TemporalSplit

__all__ = [
    "CORPUS_ONLY", "HELD_OUT", "OUT_OF_YEARS", "SCHEMA", "SPLITS", "STRAYS", "Assignment", "HashSplit", "ImportedSplit",
    "KFoldSplit", "Split", "TemporalSplit", "carevue_only",
]  # fmt: skip
