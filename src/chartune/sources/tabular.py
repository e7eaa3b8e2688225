"""A table of one's own: a text per row, whose it is, and what is known of it. One file, any of the usual formats.

    text                   subject_id  label          id        label
    "Chief complaint: ..." 17          died           d-1       I10;E11.9
    "Admitted with ..."    P-0044      survived       d-2
          labels beside the notes                     or in a file of their own

A row is a document, an admission and a note at once. Patients may have any id: whole numbers stay as they are, all
others become a number by their hash, so that new rows never change the number, or the split, of anybody.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

import polars as pl
from pydantic import model_validator

from chartune.config import Unhashed
from chartune.errors import SchemaError
from chartune.names import MaybeTitle
from chartune.notes.note import PLAIN, SCHEMA
from chartune.sources.dialect import PLAIN as PLAIN_DIALECT
from chartune.sources.dialect import Dialect
from chartune.sources.facts import TableFacts, file_facts
from chartune.sources.formats import has_keys
from chartune.sources.ids import all_whole, filled, numbered, unused_id
from chartune.sources.labels import LABELS, as_labels, beside, labels_table
from chartune.sources.own_dialect import Detected, Filled, OwnDialect
from chartune.sources.reading import batches, header
from chartune.sources.source import About, RawPath, Records, Source
from chartune.sources.tables import Column, Table, Tally
from chartune.store import Store

NOTES: Final = "notes"
"""Name of the table; that of labels is `chartune.sources.labels.LABELS`."""
_OTHERWISE: Final = "export it again, as UTF-8 with every text in double quotes"
_RENAMED: Final = (
    "say what its columns are called with --set data.source.text=…, and so `subject`, `label`, `id` and `time` "
    "(a table without labels, for pretraining: --set data.source.label=null; for prepare it is --set source.text=…)"
)
_UNKNOWN: Final = {
    "dischtime": pl.Datetime("us"), "deathtime": pl.Datetime("us"), "admission_type": pl.String(),
    "admission_location": pl.String(), "discharge_location": pl.String(), "hospital_expire_flag": pl.Int64(),
    "insurance": pl.String(), "language": pl.String(), "race": pl.String(), "age": pl.Float64(),
}  # fmt: skip
"""What a table of one's own does not say of an admission."""
ENOUGH_ROWS: Final = 10
"""Rows below which a table may be of one patient."""
_NOBODY: Final = (
    "notes: no column names the patients, so each row counts as a patient of its own; if some have several rows, texts "
    "of one person stand in training and in test."
)


class Tabular(OwnDialect, Source):
    """One file with a text per row, and labels beside them or in a file of their own, both written alike."""

    place: ClassVar[str] = "file"
    beside: ClassVar[tuple[str, ...]] = ("labels",)
    kind: Literal["tabular"] = "tabular"
    file: RawPath
    """CSV, TSV, JSON Lines (each also as .gz) or Parquet."""
    text: Filled = "text"
    """The column that holds the text."""
    subject: Filled | None = "subject_id"
    """The column that names the patient; null: every row is a patient of its own."""
    label: Filled | None = "label"
    """The column of labels, in `labels` if that is given; null: there are none."""
    id: Filled | None = None
    """The column that names the document, in `labels` too; null: the row's number, counted from 1."""
    time: Filled | None = None
    """The column that says when the text was written; null: nobody knows."""
    labels: Annotated[RawPath | None, Unhashed()] = None
    """A file of labels, with the columns `id` (if that is null: one called id) and `label`; null: labels stand beside
    the texts."""
    separator: Filled | None = None
    """What stands between the labels of a document, such as `;`; null: it has one label at most."""
    title: Annotated[MaybeTitle, Unhashed()] = ""
    """What to call it in reports; empty: the name of the file."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: unknown."""

    @model_validator(mode="after")
    def _columns_fit_together(self) -> Self:
        if self.labels is not None and self.label is None:
            raise ValueError("a file of `labels` needs the name of its column `label`, but that is null")
        beside = self.label if self.labels is None else None
        read = [name.lower() for name in (self.text, self.subject, beside, self.time) if name]
        read += [self.id.lower()] if self.id and self.id != self.subject else []
        if len(set(read)) < len(read):
            raise ValueError(
                "text, subject, label, id and time must be columns of their own (id and subject may be one)"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self.file.parent

    def contract(self, dialect: Dialect = PLAIN_DIALECT) -> Table:
        """The columns of the file that are read, each once, under its own name."""
        keys = dict.fromkeys(name for name in (self.subject, self.id) if name)
        beside = self.label if self.labels is None else None
        columns = [
            *(Column(name, "text", name, may_be_empty=False) for name in keys),
            *(Column(name, "text", name) for name in (self.text, beside) if name),
            *(Column(name, "time", name) for name in (self.time,) if name),
        ]
        renamed = _RENAMED if has_keys(self.file) else f"{_RENAMED}, or give it a header line"
        return Table(
            NOTES, tuple(columns), otherwise=_OTHERWISE, renamed=renamed, dialect=dialect, marks=self.marks
        )  # fmt: skip

    def written(self, most: int | None = None) -> Detected:
        """How the file is written: as said, else by rule, of which `most` bytes are looked at (None: all).

        Raises:
            SchemaError: the file cannot be read.
        """
        return self.detected(self.file, [column.raw for column in self.contract().columns], most)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Any file."""
        return path.is_file()

    def files(self, events: bool = False) -> dict[str, Path]:
        """Table → raw file. Raises SchemaError: a file is missing, or `events` are wanted, which no table has."""
        if events:
            raise SchemaError(
                f"tasks about ventilation read the bedside chart, but {self.file.name} is one table of notes; leave "
                f"these tasks out with --tasks."
            )
        files = {NOTES: self.file} | ({LABELS: self.labels} if self.labels else {})
        for table, file in files.items():
            if not file.is_file():
                raise SchemaError(f"the table of {table} must be a file, but {file} is none; correct its path.")
        return files

    def facts(self, store: Store, events: bool = False) -> dict[str, TableFacts]:
        """Table → size and hash of its file. Raises SchemaError: bytes are not those that `SHA256SUMS.txt` lists."""
        return {table: file_facts(file, store) for table, file in self.files(events).items()}

    def load(self, events: bool = False) -> Records:
        """The canonical frames.

        Raises:
            SchemaError: a file is missing, damaged or breaks its contract, or an id occurs twice; `events` are wanted.
            DataError: labels name documents that the notes lack.
        """
        files = self.files(events)
        tallies = {table: Tally() for table in files}
        written = self.written().of(NOTES, self.file)
        contract = self.contract(written.dialect)
        keys = self._keys(contract, tallies[NOTES])
        taken = (self.text, self.subject, self.label, self.time)

        def notes() -> Iterator[pl.DataFrame]:
            tallies[NOTES].restart()
            start = 0
            for batch in batches(self.file, contract, tallies[NOTES]):
                yield _notes(batch[self.text], keys.slice(start, batch.height))
                start += batch.height

        return Records(
            about=About(self.kind, "one table", self.title or self.file.name, self.licence or "unknown"),
            subjects=_subjects(keys),
            admissions=keys.select(
                "subject_id",
                "hadm_id",
                pl.col("time").alias("admittime"),
                *(pl.lit(None, dtype).alias(name) for name, dtype in _UNKNOWN.items()),
            ),
            notes=notes,
            labels=self._labels(keys, tallies),
            tallies=tallies,
            warnings=(*written.warnings, *_bare(self.file, keys), *(() if self.subject else (_NOBODY,))),
            notices=(*written.notices, *(() if self.id else unused_id(header(self.file, written.dialect), taken))),
        )

    def own_ids(self) -> pl.DataFrame:
        """As they are written in the file; of rows that no column names, their numbers."""
        files, tally = self.files(), Tally()
        rows = self._rows(self.contract(self.written().of(NOTES, files[NOTES]).dialect), tally)
        number = pl.Series("row", range(1, rows.height + 1), dtype=pl.Int64)
        ids = self._ids(rows, number)
        patients = filled(rows["subject"], self.file, self.subject) if self.subject else ids
        own = {"id": ids, "subject_id": patients}
        whole = {name: each.cast(pl.Int64) if all_whole(each) else each for name, each in own.items()}
        return pl.DataFrame({"hadm_id": ids.cast(pl.Int64) if all_whole(ids) else number, **whole})

    def _keys(self, contract: Table, tally: Tally) -> pl.DataFrame:
        """What is known of each row but its text: row · note_id · subject_id · hadm_id · time · empty · label?."""
        rows = self._rows(contract, tally)
        number = pl.Series("row", range(1, rows.height + 1), dtype=pl.Int64)
        ids = self._ids(rows, number)
        known = pl.DataFrame(
            {
                "row": number,
                "note_id": ids,
                "subject_id": self._subjects(rows, ids),
                "hadm_id": ids.cast(pl.Int64) if all_whole(ids) else number,
            }
        )
        time = pl.col("time") if self.time else pl.lit(None, pl.Datetime("us")).alias("time")
        label = [pl.col("label")] if "label" in rows.columns else []
        return known.hstack(rows.select(time, "empty", *label))

    def _rows(self, contract: Table, tally: Tally) -> pl.DataFrame:
        """The file without its texts: empty (it has none) and, if a column tells, subject · note_id · label · time."""
        beside = self.label if self.labels is None else None
        names = {"subject": self.subject, "note_id": self.id, "label": beside, "time": self.time}
        roles = [pl.col(name).alias(role) for role, name in names.items() if name]
        wanted = [pl.col(self.text).is_null().alias("empty"), *roles]
        none = pl.DataFrame(schema=contract.schema())
        rows = pl.concat([part.select(wanted) for part in chain([none], batches(self.file, contract, tally))])
        if rows.is_empty():
            raise SchemaError(f"{self.file.name} must have rows, but it has none; {_OTHERWISE}.")
        return rows

    def _ids(self, rows: pl.DataFrame, number: pl.Series) -> pl.Series:
        """The name of each document, str [n]; where no column names it the row's number."""
        if self.id is None:
            return number.cast(pl.String)
        ids = filled(rows["note_id"], self.file, self.id)
        _unique(ids, self.file, self.id)
        return ids

    def _subjects(self, rows: pl.DataFrame, ids: pl.Series) -> pl.Series:
        """The number of each row's patient, i64 [n]; where no column names patients each row has its own."""
        if self.subject is None:
            return numbered(ids)
        subject = numbered(filled(rows["subject"], self.file, self.subject))
        _several_patients(subject, self.file, self.subject)
        return subject

    def _labels(self, keys: pl.DataFrame, tallies: dict[str, Tally]) -> pl.DataFrame | None:
        if self.label is None:
            return None
        columns = ("subject_id", "hadm_id", "label")
        if self.labels is None:
            return as_labels(keys.select(columns), self.file, self.label, self.separator, self.spellings)
        table = labels_table(self.id or "id", self.label, self, self.labels)
        cells = beside(keys, self.labels, table, self.separator is not None, tallies[LABELS])
        return as_labels(cells, self.labels, self.label, self.separator, self.spellings)


def _subjects(keys: pl.DataFrame) -> pl.DataFrame:
    """Each patient once; a table of one's own says nothing more."""
    unknown = {"gender": pl.lit(None, pl.String), "dod": pl.lit(None, pl.Date)}
    return keys.select("subject_id", **unknown).unique("subject_id").sort("subject_id")


def _bare(file: Path, keys: pl.DataFrame) -> tuple[str, ...]:
    """The warning that rows hold neither text nor label; none: all hold one of them, or nobody reads labels there."""
    bare = keys.filter(pl.col("empty") & pl.col("label").is_null()).height if "label" in keys.columns else 0
    if not bare:
        return ()
    why = ", as lines below a table leave, or rows whose cells stand between other signs than those of the header"
    why = "" if has_keys(file) else why
    return (f"{NOTES}: {bare:,} rows hold neither text nor label{why}; remove or correct them.",)


def _several_patients(subject: pl.Series, file: Path, column: str) -> None:
    """Raises SchemaError: a table of some rows is of one patient, as where a column holds something else."""
    if subject.len() >= ENOUGH_ROWS and subject.n_unique() == 1:
        raise SchemaError(
            f"{file.name}: {column} must name the patients, but all of its cells are alike, so that every row is of "
            f"one patient and nobody is left to test on; name another column (--set data.source.subject=…, for prepare "
            f"source.subject=…; null: every row is a patient of its own)."
        )


def _unique(ids: pl.Series, file: Path, column: str) -> None:
    twice = int(ids.is_duplicated().sum())
    if twice:
        raise SchemaError(
            f"{file.name}: every {column} must occur once, but {twice} rows share theirs with another row; correct "
            f"them, or leave `id` out and the row's number counts."
        )


def _notes(text: pl.Series, keys: pl.DataFrame) -> pl.DataFrame:
    """A batch of texts under canonical names."""
    return keys.with_columns(
        text.alias("text"),
        note_seq=pl.col("row"),
        chartdate=pl.col("time").dt.date(),
        charttime=pl.col("time"),
        storetime=pl.lit(None),
        category=pl.lit(PLAIN),
        category_padded=pl.lit(False),
        description=pl.lit("Report"),
        is_error=pl.lit(False),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
