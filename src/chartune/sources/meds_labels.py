"""Labels in the MEDS format: whom, when, what. So a cohort that ACES has extracted becomes a task without any code.

labels/readmission/train/0.parquet    subject_id · prediction_time · boolean_value

The schema is LabelSchema of MEDS 0.4 (medical-event-data-standard). Older files have all four columns of values, three
of them empty.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl

from chartune.config import Config, Unhashed
from chartune.errors import SchemaError
from chartune.sources.answers import ANSWERS
from chartune.sources.facts import content_hash
from chartune.sources.reading import sanitised
from chartune.sources.source import RawPath
from chartune.sources.splits.lists import split_named

VALUES: Final[dict[str, pl.DataType]] = {
    "boolean_value": pl.Boolean(),
    "integer_value": pl.Int64(),
    "float_value": pl.Float64(),
    "categorical_value": pl.String(),
}
"""Columns that may hold the label."""


class MedsLabels(Config):
    """Labels in the MEDS format: a Parquet file, or a folder of shards, such as a cohort that ACES has extracted."""

    kind: Literal["meds"] = "meds"
    path: RawPath
    """The file, or a folder; all Parquet files below it count. Their bytes, not their paths, determine the data."""
    value: Literal["auto", "boolean", "integer", "float", "categorical"] = "auto"
    """Which column holds the label; `auto`: the one that is not empty."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms they may be used; empty: nobody says."""

    @property
    def timed(self) -> bool:
        """Whether each label has a time of prediction of its own: always."""
        return True

    def place(self) -> Path:
        """Where they are."""
        return self.path

    def files(self) -> tuple[Path, ...]:
        """The shards. Raises SchemaError: there are none."""
        shards = tuple(sorted(self.path.rglob("*.parquet"))) if self.path.is_dir() else (self.path,)
        if not shards or not shards[0].is_file():
            raise SchemaError(
                f"MEDS labels must be a Parquet file or a folder of such files, but {self.path} is neither; give the "
                f"folder of one task."
            )
        return shards

    def hashable(self) -> dict[str, Any]:
        """The kind of value, and a hash over the bytes of each shard and the split that its place names."""
        each = sorted(f"{content_hash(file)} {self._split_of(file)}" for file in self.files())
        return super().hashable() | {"sha256": hashlib.sha256("\n".join(each).encode()).hexdigest()}

    def answers(self, *, with_split: bool) -> pl.DataFrame:
        """The labels (`chartune.sources.answers.ANSWERS`), a row per patient and time.

        The split of a row, if asked for, is the one that the shard's folder or name tells, such as `train/0.parquet`.

        Raises:
            SchemaError: a file is no Parquet file of MEDS labels, several columns hold labels, labels contradict each
                other, or a shard's place names no split.
        """
        shards = pl.concat([self._placed(file, with_split) for file in self.files()], how="diagonal")
        column = self._column(shards)
        cells = shards.select("subject_id", "prediction_time", "split", label=_plain(pl.col(column)))
        grouped = cells.group_by("subject_id", "prediction_time").agg(
            pl.col("split").unique().sort(), asked=pl.col("label").drop_nulls().unique().sort()
        )
        self._refuse_contradictions(grouped, column)
        known = grouped.with_columns(
            pl.when(pl.col("asked").list.len() > 0).then("asked"),
            pl.col("split").list.first(),
            hadm_id=pl.lit(None, pl.Int64),
        )
        return known.select(*ANSWERS).cast(ANSWERS).sort("subject_id", "prediction_time")  # type: ignore[arg-type]

    def _placed(self, file: Path, with_split: bool) -> pl.DataFrame:
        split = self._split_of(file) if with_split else None
        if with_split and split is None:
            raise SchemaError(
                f"a shard of MEDS labels must say by its folder or name in which split it stands (train/0.parquet), "
                f"but {file.name} does not; leave split=source, and give the subject_splits.parquet of the MEDS data "
                f"with --splits."
            )
        return _shard(file).with_columns(split=pl.lit(split, pl.String))

    def _split_of(self, file: Path) -> str | None:
        inner = file.relative_to(self.path).with_suffix("") if self.path.is_dir() else Path(file.stem)
        return next((split for part in inner.parts if (split := split_named(part))), None)

    def _refuse_contradictions(self, grouped: pl.DataFrame, column: str) -> None:
        several = grouped.filter(pl.col("asked").list.len() > 1).height if column != "categorical_value" else 0
        apart = grouped.filter(pl.col("split").list.len() > 1).height
        if several or apart:
            raise SchemaError(
                f"MEDS labels must be one per patient and time, and in one split, but {several} patients and times "
                f"have several of the kind {column}, and {apart} stand in several splits; remove all but one."
            )

    def _column(self, shards: pl.DataFrame) -> str:
        filled = [name for name in VALUES if name in shards.columns and shards[name].null_count() < shards.height]
        if self.value != "auto":
            return f"{self.value}_value" if f"{self.value}_value" in filled else self._refuse(filled)
        return filled[0] if len(filled) == 1 else self._refuse(filled)

    def _refuse(self, filled: Sequence[str]) -> str:
        wanted = "one column of values" if self.value == "auto" else f"the column {self.value}_value"
        raise SchemaError(
            f"MEDS labels must hold {wanted}, but {self.path.name} has values in {', '.join(filled) or 'none'}; say "
            f"which with `value`, or give the folder of one task."
        )


def _shard(file: Path) -> pl.DataFrame:
    """One file of MEDS labels. Raises SchemaError: it is none."""
    frame = sanitised(file, lambda: pl.read_parquet(file, glob=False, hive_partitioning=False))
    types = {name: frame.schema.get(name) for name in ("subject_id", "prediction_time")}
    subject, time = types["subject_id"], types["prediction_time"]
    if subject is None or not subject.is_integer() or not isinstance(time, pl.Datetime) or time.time_zone is not None:
        raise SchemaError(
            f"{file.name}: MEDS labels must have subject_id (whole numbers) and prediction_time (times without a "
            f"zone), but these are {subject or 'missing'} and {time or 'missing'}; give the folder of one task, as "
            f"labels/mortality, or see the LabelSchema of MEDS."
        )
    nulls = frame["subject_id"].null_count() + frame["prediction_time"].null_count()
    if nulls:
        raise SchemaError(
            f"{file.name}: every row of MEDS labels must name a patient and a time, but {nulls} cells are empty; "
            f"remove those rows."
        )
    values = [pl.col(name).cast(dtype) for name, dtype in VALUES.items() if name in frame.columns]
    keys = (pl.col("subject_id").cast(pl.Int64), pl.col("prediction_time").cast(pl.Datetime("us")))
    return sanitised(file, lambda: frame.select(*keys, *values))


def _plain(value: pl.Expr) -> pl.Expr:
    """A value as text: `true`, `false`, whole numbers without a point; blank is null."""
    text = value.cast(pl.String).str.strip_chars().str.replace(r"^(-?\d+)\.0$", "$1")
    return pl.when(text != "").then(text)
