"""Labels that somebody else has made for the patients of a chart: a table of one's own, or labels in the MEDS format.

hadm_id,label,split              subject_id · prediction_time · boolean_value
100001,1,train                   labels/readmission/train/0.parquet, as ACES writes a cohort
"""

from typing import Final, Literal, Self

import polars as pl
from pydantic import model_validator

from chartune.errors import SchemaError
from chartune.sources.answers import ANSWERS, LabelFile, split_of
from chartune.sources.labels import as_labels
from chartune.sources.own_dialect import LOOK, Detected, Filled, OwnDialect
from chartune.sources.reading import header, read
from chartune.sources.tables import Column, Table, Tally

_KEY: Final = ["subject_id", "hadm_id", "prediction_time"]


class TableLabels(OwnDialect, LabelFile):
    """A CSV, TSV, JSON Lines or Parquet file: a row per admission, or per patient and time."""

    kind: Literal["table"] = "table"
    admission: Filled | None = "hadm_id"
    """The column that names the admission; null: `subject` and `time` do."""
    subject: Filled | None = None
    """The column that names the patient; beside `admission` it is compared with the source's."""
    time: Filled | None = None
    """The column that says when the prediction is made, such as 2150-01-31 13:05:00; null: `reads` says when."""
    label: Filled = "label"
    """The column of labels; an empty cell: not labelled."""
    split: Filled = "split"
    """The column that places each row in a split, read where the task follows it (`split: labels`)."""
    separator: Filled | None = None
    """What stands between the labels of a cell, such as `;`; null: it is one label at most."""

    @model_validator(mode="after")
    def _rows_can_be_found(self) -> Self:
        if self.admission is None and (self.subject is None or self.time is None):
            raise ValueError("rows must name an `admission`, or a `subject` and a `time`")
        return self

    @property
    def timed(self) -> bool:
        """Whether each label has a time of prediction of its own."""
        return self.time is not None

    def has_splits(self) -> bool:
        """Whether the file has the column of splits. Raises SchemaError: it is missing or damaged."""
        dialect = self._contract(False, most=LOOK).dialect
        return self.split.lower() in (name.strip().lower() for name in header(self.existing_file(), dialect))

    def written(self) -> Detected:
        """How the file is written: as said, else by rule. Raises SchemaError: it is missing or damaged."""
        return self.detected(self.existing_file(), self._names())

    def answers(self, *, with_split: bool) -> pl.DataFrame:
        """The labels (`chartune.sources.answers.ANSWERS`), a row per admission, or per patient and time.

        Raises:
            SchemaError: the file is missing, damaged or breaks its contract, or two rows are of one key.
        """
        table = read(self.existing_file(), self._contract(with_split), Tally())
        lacking = [name for name in ANSWERS if name not in (*table.columns, "asked")]
        full = table.with_columns(pl.lit(None, ANSWERS[name]).alias(name) for name in lacking)
        if with_split:
            full = full.with_columns(split_of(full["split"], self.file))
        twice = int(full.select(_KEY).is_duplicated().sum())
        if twice:
            raise SchemaError(
                f"{self.file.name}: every {self.admission or 'patient and time'} must occur once, but {twice} rows "
                f"share theirs with another row; keep one, or put all labels into one cell and name a `separator`."
            )
        return full.with_columns(asked=self._asked(full["label"])).select(*ANSWERS).cast(ANSWERS)  # type: ignore[arg-type]

    def _names(self) -> list[str]:
        return [name for name in (self.admission, self.subject, self.time, self.label) if name]

    def _contract(self, with_split: bool, most: int | None = None) -> Table:
        named = {"hadm_id": self.admission, "subject_id": self.subject}
        columns = [Column(raw, "integer", name, may_be_empty=False) for name, raw in named.items() if raw]
        columns += [Column(self.time, "time", "prediction_time", may_be_empty=False)] if self.time else []
        columns += [Column(self.label, "text", "label")]
        columns += [Column(self.split, "text", "split")] if with_split else []
        renamed = (
            "say what its columns are called with `admission`, `subject`, `time`, `label` and `split` of these labels "
            "(admission=null: patient and time name a row)"
        )
        dialect = self.detected(self.existing_file(), self._names(), most).dialect
        return Table(
            "labels", tuple(columns), otherwise="export it again", renamed=renamed, dialect=dialect, marks=self.marks
        )  # fmt: skip

    def _asked(self, label: pl.Series) -> pl.Series:
        row = pl.Series(range(label.len()), dtype=pl.Int64)
        cells = pl.DataFrame({"subject_id": row, "hadm_id": row, "label": label})
        each = as_labels(cells, self.file, self.label, self.separator, self.spellings).drop_nulls("label")
        listed = each.group_by("hadm_id").agg(pl.col("label").unique().sort())
        return pl.DataFrame({"hadm_id": row}).join(listed, on="hadm_id", how="left", maintain_order="left")["label"]
