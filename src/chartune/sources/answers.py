"""Answers: labels that somebody else has made, as every file of them is handed on.

hadm_id 1042 · asked [1]                                        of an admission, or
subject_id 7 · prediction_time 2150-01-31 13:00 · asked [true]  of a patient at a time
"""

from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl

from chartune.config import Config, Unhashed
from chartune.errors import SchemaError
from chartune.sources.facts import content_hash
from chartune.sources.reading import sanitised
from chartune.sources.source import RawPath
from chartune.sources.splits.lists import splits_named

ANSWERS: Final[dict[str, pl.DataType]] = {
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "prediction_time": pl.Datetime("us"),
    "asked": pl.List(pl.String()),
    "split": pl.String(),
}
"""Columns of answers. Either hadm_id is known, or subject_id and prediction_time are. `asked`: names of what applies,
null: not labelled; `split`: where the file places it, null: nowhere, or nobody asked."""


class LabelFile(Config):
    """Base of labels that stand in one file."""

    kind: str
    file: RawPath
    """Its bytes, not its path, determine the data."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms it may be used; empty: nobody says."""

    def hashable(self) -> dict[str, Any]:
        """The fields and the hash of the file's bytes. Raises SchemaError: it is not there, or cannot be read."""
        return super().hashable() | {"sha256": content_hash(self.existing_file())}

    def place(self) -> Path:
        """Where it is."""
        return self.file

    def existing_file(self) -> Path:
        """The file. Raises SchemaError: it is not there."""
        if not sanitised(self.file, self.file.is_file):
            raise SchemaError(
                f"labels must stand in a file, but there is none at {self.file}; correct `file` of these labels, or "
                f"put it there."
            )
        return self.file


def split_of(cells: pl.Series, file: Path) -> pl.Series:
    """The splits that cells name, in chartune's words; null or blank is null.

    Raises:
        SchemaError: a cell names none.
    """
    filled = pl.select(pl.when(cells.str.strip_chars() != "").then(cells)).to_series()
    return splits_named(filled, file, "leave it out with split=source")
