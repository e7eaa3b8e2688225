"""The validation split of a corpus that ships none: some of its training patients, by a salted hash of their ids."""

from typing import Any, Literal

import polars as pl

from chartune.config import Config
from chartune.quantities import Fraction
from chartune.sources.annotated.corpus import TRAIN, VALIDATION
from chartune.sources.ids import numbered, trimmed
from chartune.sources.splits import HashSplit


class DevSplit(Config):
    """Published splits stay as they are; where there is no validation split, training patients are taken for it.

    A patient's documents stay together (i2b2 2014); elsewhere a document is a patient of its own. Published code draws
    a tenth at random, unseeded or from an unordered set, so that nobody has the same split twice.
    """

    kind: Literal["dev-hash"] = "dev-hash"
    salt: str = "chartune"
    """Another salt, another split."""
    validation: Fraction = 0.1
    """Share of the training patients."""

    def rule(self) -> dict[str, Any]:
        """All that determines who stands where, as plain JSON."""
        return self.hashable()

    def assign(self, documents: pl.DataFrame) -> pl.DataFrame:
        """Documents (doc_id, patient, split, text) with some of `train` moved to `validation`."""
        if VALIDATION in documents["split"]:
            return documents
        shares = HashSplit(salt=self.salt, train=1 - self.validation, validation=self.validation, test=0.0)
        patients = documents["patient"].unique().sort()
        chosen = [shares.split_of(number) for number in numbered(trimmed(patients))]
        parts = pl.DataFrame({"patient": patients, "part": chosen}, {"patient": pl.String, "part": pl.String})
        joined = documents.join(parts, on="patient", how="left", maintain_order="left")
        split = pl.when(pl.col("split") == TRAIN).then("part").otherwise("split")
        return joined.with_columns(split=split).drop("part")


def drawn_test(salt: str, test: float) -> HashSplit:
    """Who is in the test split of a corpus that names none, by a hash that `DevSplit` does not share.

    With one hash for both, whom it leaves to learn from could never be drawn for the validation split.

    Args:
        salt: another salt, another test split.
        test: its share.
    """
    return HashSplit(salt=f"{salt}, test", train=1 - test, validation=0.0, test=test)
