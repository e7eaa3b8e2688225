"""Splits: which patient is learnt from and which is asked about. Made once per source, always by patient."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, Self

import polars as pl
from pydantic import model_validator

from chartune.config import Config
from chartune.errors import DataError, LeakageError, SchemaError
from chartune.quantities import Fraction
from chartune.sources.ids import numbered, trimmed
from chartune.sources.reading import read
from chartune.sources.source import RawPath
from chartune.sources.tables import Column, Table, Tally, find

SPLITS: Final = ("train", "validation", "calibration", "test")
"""The splits of a task, in the order in which tables show them."""
CORPUS_ONLY: Final = "corpus"
"""Patients whose text a language model may be adapted on, and who stand in no task."""
HELD_OUT: Final = ("validation", "calibration", "test")
"""Patients whose text must not be learnt from."""
SCHEMA: Final = {"subject_id": pl.Int64(), "split": pl.String()}


@dataclass(frozen=True)
class Assignment:
    """Who stands where."""

    frame: pl.DataFrame
    """subject_id i64 (unique, ascending) · split str; patients in no split are left out."""
    warnings: tuple[str, ...] = ()
    """How lists and patients fail to cover each other; counts only."""


class Split(Protocol):
    """What every member of `sources.catalog.AnySplit` does."""

    def rule(self) -> dict[str, Any]:
        """All that determines who stands where, as plain JSON; part of the data's fingerprint."""

    def assign(self, subjects: pl.Series) -> Assignment:
        """The split of each of these subject_ids."""


class HashSplit(Config):
    """A salted hash of the subject_id decides: adding rows or patients never moves anybody."""

    kind: Literal["hash"] = "hash"
    salt: str = "chartune"
    """Another salt, another split."""
    train: Fraction = 0.7
    """Share of patients to learn from."""
    validation: Fraction = 0.1
    """Share to choose settings and the moment to stop by."""
    calibration: Fraction = 0.0
    """Share to fit probabilities on."""
    test: Fraction = 0.2
    """Share that is asked about once, at the end."""

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        total = sum(self.shares().values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + calibration + test must be 1, but are {total:g}")
        return self

    def shares(self) -> dict[str, float]:
        """Split → its share."""
        return {"train": self.train, "validation": self.validation, "calibration": self.calibration, "test": self.test}

    def rule(self) -> dict[str, Any]:
        """The config itself: it depends on no file."""
        return self.hashable()

    def assign(self, subjects: pl.Series) -> Assignment:
        """The split of each of these subject_ids."""
        ids = subjects.unique().sort()
        return Assignment(pl.DataFrame({"subject_id": ids, "split": map(self.split_of, ids)}, schema=SCHEMA))

    def split_of(self, subject_id: int) -> str:
        """The split of one patient, from 64 bits of BLAKE2b over salt and id."""
        digest = hashlib.blake2b(f"{self.salt}:{subject_id}".encode(), digest_size=8).digest()
        place, reached, chosen = int.from_bytes(digest, "big") / 2**64, 0.0, SPLITS[0]
        for split, share in self.shares().items():
            chosen = split if share else chosen
            reached += share
            if place < reached:
                break
        return chosen


class ImportedSplit(Config):
    """Published lists of patients: `train.csv`, `validation.csv` and `test.csv` with a column `subject_id`.

    Optional: `calibration.csv`, and `background.csv`: patients whose text is for adaptation only. Ids need not be
    numbers (`chartune.sources.ids`).
    """

    kind: Literal["imported"] = "imported"
    folder: RawPath
    """Where the lists are. The ids in them, not the path, determine the data."""

    def lists(self) -> dict[str, pl.Series]:
        """Split → its subject_ids, unique and ascending.

        Raises:
            SchemaError: a list is missing or holds something else than ids.
            LeakageError: a patient stands in two lists.
        """
        found = {split: ids for split in (*SPLITS, CORPUS_ONLY) if (ids := self._list(split)) is not None}
        everybody = pl.concat(list(found.values()))
        twice = everybody.filter(everybody.is_duplicated()).n_unique()
        if twice:
            raise LeakageError(
                f"a patient must stand in one split, but {twice} stand in two or more lists of {self.folder}; "
                f"remove them from all lists but one."
            )
        return found

    def rule(self) -> dict[str, Any]:
        """A hash of the ids in the lists."""
        ids = {split: ids.to_list() for split, ids in self.lists().items()}
        return {"kind": self.kind, "sha256": hashlib.sha256(repr(sorted(ids.items())).encode()).hexdigest()}

    def assign(self, subjects: pl.Series) -> Assignment:
        """The split of each of these subject_ids that a list names; the others stand in none.

        Raises:
            DataError: no list names any of them.
        """
        parts = [
            pl.DataFrame({"subject_id": ids, "split": [split] * len(ids)}, SCHEMA)
            for split, ids in self.lists().items()
        ]
        listed = pl.concat(parts)
        known = listed.filter(pl.col("subject_id").is_in(subjects.implode())).sort("subject_id")
        if known.is_empty() and len(subjects):
            raise DataError(
                f"split lists must name patients of the source, but none of {listed.height} ids in {self.folder} is "
                f"among its {subjects.n_unique()} patients; give the lists that belong to this source."
            )
        return Assignment(known, _coverage(listed.height, known.height, subjects.n_unique()))

    def _list(self, split: str) -> pl.Series | None:
        name = "background" if split == CORPUS_ONLY else split
        file = find(self.folder, name)
        if file is None:
            if split in ("calibration", CORPUS_ONLY):
                return None
            raise SchemaError(
                f"imported splits need {name}.csv, but {self.folder} has none; add it (column subject_id)."
            )
        listed = read(file, Table(name, (Column("SUBJECT_ID", "text", may_be_empty=False),)), Tally())["subject_id"]
        return numbered(trimmed(listed)).unique().sort()


def _coverage(listed: int, known: int, subjects: int) -> tuple[str, ...]:
    said = []
    if listed > known:
        said.append(f"splits: {listed - known} of {listed} listed patients are not in the source.")
    if subjects > known:
        said.append(
            f"splits: {subjects - known} of {subjects} patients of the source stand in no list and are left out."
        )
    return tuple(said)
