"""A split by hash: where a patient stands depends on a salt and the id, and on nobody else.

0 ───────── train ─────────── 0.7 ─ validation ─ 0.8 ─── test ─── 1
        hash of `chartune:10006`, read as a number from 0 to 1, falls here ↑
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import polars as pl
from pydantic import model_validator

from chartune.config import Config
from chartune.quantities import Fraction
from chartune.sources.splits.split import Assignment, assigned

BITS: Final = 64


class SaltedSplit(Config, ABC):
    """Base of the splits in which a salted hash of the subject_id decides: nobody is moved by rows that are added."""

    kind: str
    salt: str = "chartune"
    """Another salt, another split."""

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        total = sum(self.shares().values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + calibration + test must be 1, but are {total:g}")
        return self

    @abstractmethod
    def shares(self) -> dict[str, float]:
        """Split → its share of the patients whom the hash places."""

    def rule(self) -> dict[str, Any]:
        """The config itself: whatever else it goes by stands in the source's files, which are hashed."""
        return self.hashable()

    def assign(self, subjects: pl.DataFrame) -> Assignment:
        """The split of each of these patients."""
        ids = subjects["subject_id"].unique()
        return Assignment(assigned(ids, [self.split_of(subject_id) for subject_id in ids]))

    def split_of(self, subject_id: int) -> str:
        """The split of one patient, from 64 bits of BLAKE2b over salt and id."""
        return self.drawn(str(subject_id))

    def drawn(self, whom: str) -> str:
        """The split whose share covers the place of a name from 0 to 1, as the hash says."""
        return share_at(self.bits(whom) / 2**BITS, self.shares())

    def bits(self, whom: str) -> int:
        """64 bits of BLAKE2b over salt and name, as a number below 2^64."""
        return int.from_bytes(hashlib.blake2b(f"{self.salt}:{whom}".encode(), digest_size=BITS // 8).digest(), "big")


class HashSplit(SaltedSplit):
    """Shares of all patients."""

    kind: Literal["hash"] = "hash"
    train: Fraction = 0.7
    """Share of patients to learn from."""
    validation: Fraction = 0.1
    """Share to choose settings and the moment to stop by."""
    calibration: Fraction = 0.0
    """Share to fit probabilities on."""
    test: Fraction = 0.2
    """Share that is asked about once, at the end."""

    def shares(self) -> dict[str, float]:
        """Split → its share."""
        return {"train": self.train, "validation": self.validation, "calibration": self.calibration, "test": self.test}


def learnt_from(validation: float, calibration: float) -> dict[str, float]:
    """The shares of a part that is learnt from. Raises ValueError: so much is set aside that nobody is."""
    if validation + calibration >= 1:
        raise ValueError(
            f"validation + calibration must be below 1, so that somebody is learnt from, but are "
            f"{validation + calibration:g}"
        )
    return {"train": 1 - validation - calibration, "validation": validation, "calibration": calibration}


def share_at(place: float, shares: Mapping[str, float]) -> str:
    """The split whose share covers a place from 0 to 1, the shares being laid side by side in their order."""
    reached, chosen = 0.0, next(iter(shares))
    for split, share in shares.items():
        chosen = split if share else chosen
        reached += share
        if place < reached:
            break
    return chosen
