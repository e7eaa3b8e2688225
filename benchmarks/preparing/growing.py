"""A made-up hospital as large as wanted: copies of a small one, each with ids and words of its own.

    base/TABLE.csv.gz ─▶ rows, cut once:  ids │ other cells │ text ◂a name▸ text ◂paragraphs▸ text
                         per copy:        ids + copy · 1,000,000, another name, other paragraphs ─▶ out/TABLE.csv.gz

Generating patients one by one takes minutes for what a large hospital writes in a day; copying does not. No text of a
copy is that of another, because preparation leaves copies out; but nearly all of an admission note is, so that `sound`
leaves out whoever is learnt from while another copy of the same patient is held out. The comparison of rows keeps them
(`paper-code`). Memory holds one copy, whatever the size.
"""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Self

import polars as pl

from preparing.thickening import AGAIN, WARD_NOTES, filler, paragraphs, thickened

IDS: Final = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "ICUSTAY_ID")
"""Columns at the beginning of a table that differ from copy to copy; the first numbers the rows of the file."""
STRIDE: Final = 1_000_000
"""From the ids of a patient to those of the next copy: greater than any id of the base."""
NOTES: Final = "NOTEEVENTS"
"""A source without it is refused; a chart of events alone has one without rows."""
NOTE_TABLES: Final = ("PATIENTS", "ADMISSIONS", "DIAGNOSES_ICD", "PROCEDURES_ICD", "ICUSTAYS", NOTES)
CHART_TABLES: Final = ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "CHARTEVENTS", "PROCEDUREEVENTS_MV")
DICTIONARIES: Final = ("D_ICD_DIAGNOSES", "D_ICD_PROCEDURES", "D_ITEMS")

_ILLNESS: Final = "Present Illness:\n"
_COURSE: Final = "Brief Hospital Course:\n"
_SHORTEST: Final = 20
"""Characters below which a text stays as it is: "NA" is an oddity, and none any more with a name behind it."""
_BARE: Final = r"^-?\d+(\.\d+)?$|^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$"
_QUOTED: Final = frozenset({"ICD9_CODE", "VALUE", "ISERROR"})
"""Columns whose cells are quoted even where they look like numbers."""
_SLICE: Final = 50_000
_SYLLABLES: Final = tuple(a + b for a in "bdfgklmnprstvz" for b in "aeiou")


@dataclass(frozen=True)
class Size:
    """When a hospital is large enough."""

    table: str
    """Which of its tables is looked at."""
    bytes: int = 0
    """Of the gzipped file; 0: no bound."""
    rows: int = 0
    """Of data; 0: no bound."""


def grow(base: Path, out: Path, tables: Sequence[str], size: Size, *, thick: bool = True) -> dict[str, dict[str, int]]:
    """Write a hospital of whole copies of `base` until `size` is reached.

    Args:
        base: a made-up hospital in the layout of MIMIC-III.
        out: the new folder.
        tables: which of its tables; dictionaries are taken over as they are.
        size: how much.
        thick: whether charts are thickened (`preparing.thickening`).

    Returns:
        Table → rows and bytes, and under `copies` how often the base stands there.
    """
    out.mkdir(parents=True)
    for name in DICTIONARIES:
        (out / f"{name}.csv.gz").write_bytes((base / f"{name}.csv.gz").read_bytes())
    if NOTES not in tables:
        (out / f"{NOTES}.csv.gz").write_bytes(gzip.compress(f"{_header(base, NOTES)}\n".encode()))
    with ExitStack() as opened:
        files = {name: opened.enter_context(_File(out, _original(base, name, thick=thick))) for name in tables}
        copies = 0
        while not copies or not files[size.table].reaches(size):
            for file in files.values():
                file.append(copies)
            copies += 1
    about = {name: {"rows": file.rows, "bytes": file.path.stat().st_size} for name, file in files.items()}
    return about | {"copies": {"rows": copies}}


def spelled(number: int) -> str:
    """A number as a name, such as `Babedi`: texts that differ in digits alone would read alike to a person."""
    word = ""
    while number or not word:
        number, place = divmod(number, len(_SYLLABLES))
        word = _SYLLABLES[place] + word
    return word.capitalize()


def apart(text: str) -> tuple[str, str, str, bool]:
    """A text cut where a name and where paragraphs come in, and whether anything may: short oddities stay."""
    if len(text) < _SHORTEST:
        return text, "", "", False
    name = text.find(_ILLNESS)
    name = name + len(_ILLNESS) if name >= 0 else len(text)
    more = text.find(_COURSE, name)
    more = more + len(_COURSE) if more >= 0 else len(text)
    return text[:name], text[name:more], text[more:], True


@dataclass(frozen=True)
class _Original:
    """A table of the base, taken apart so that a copy is put together without parsing."""

    name: str
    header: str
    ids: tuple[str, ...]
    """Those of `IDS` that it has but for the row's number, in the order of the file."""
    rows: pl.DataFrame
    """The ids as numbers · `cells`: what follows, as it is written; of notes head · middle · tail · varies, too."""
    paragraphs: dict[str, list[str]]
    """Category → what may be put in; empty: nothing is."""

    def copy(self, number: int, first: int) -> Iterator[bytes]:
        """A copy as lines of CSV, its rows numbered from `first`."""
        for rows in self.rows.iter_slices(_SLICE):
            row_id = pl.int_range(first, first + rows.height, eager=True).cast(pl.String)
            moved = [(rows[name] + number * STRIDE).cast(pl.String).fill_null("") for name in self.ids]
            text = [self._texts(rows, number)] if "head" in rows.columns else []
            line = pl.select(pl.concat_str([row_id, *moved, rows["cells"], *text], separator=","))
            first += rows.height
            buffer = BytesIO()
            line.write_csv(buffer, include_header=False, quote_style="never")
            yield buffer.getvalue()

    def _texts(self, rows: pl.DataFrame, number: int) -> pl.Series:
        names = [spelled(number * WARD_NOTES + again) for again in range(WARD_NOTES)]
        name = pl.select("Known to Dr " + pl.Series(names).gather(rows[AGAIN]) + ".\n").to_series()
        more = filler(self.paragraphs, rows, number)
        varies, nothing = rows["varies"], pl.lit("")
        return rows.select(
            pl.concat_str(
                pl.lit('"'), "head", pl.when(varies).then(name).otherwise(nothing), "middle",
                pl.when(varies).then(more).otherwise(nothing), "tail", pl.lit('"'),
            )
        ).to_series()  # fmt: skip


def _original(base: Path, name: str, *, thick: bool) -> _Original:
    file, header = base / f"{name}.csv.gz", _header(base, name)
    cells = pl.read_csv(file, infer_schema=False, encoding="utf8-lossy")
    cells = thickened(cells) if thick else cells.with_columns(pl.lit(0).alias(AGAIN))
    ids = tuple(column for column in cells.columns if column in IDS[1:])
    rest = [column for column in cells.columns if column not in (*IDS, "TEXT", AGAIN)]
    rows = cells.select(
        *(pl.col(column).cast(pl.Int64) for column in ids),
        pl.concat_str([_written(column) for column in rest], separator=",").alias("cells"),
        *(pl.col(column) for column in (AGAIN, "CATEGORY", "TEXT") if column in cells.columns),
    )
    if "TEXT" not in cells.columns:
        return _Original(name, header, ids, rows, {})
    quoted = rows["TEXT"].fill_null("").str.replace_all('"', '""', literal=True)
    parts = pl.DataFrame([apart(text) for text in quoted], schema=["head", "middle", "tail", "varies"], orient="row")
    return _Original(name, header, ids, rows.hstack(parts), paragraphs(cells) if thick else {})


def _header(base: Path, name: str) -> str:
    with gzip.open(base / f"{name}.csv.gz", "rt", encoding="utf-8", errors="replace") as lines:
        return lines.readline().rstrip("\n")


def _written(column: str) -> pl.Expr:
    """Cells as MIMIC-III writes them: numbers and times bare, text quoted, nothing for null."""
    cell = pl.col(column)
    quoted = pl.concat_str(pl.lit('"'), cell.str.replace_all('"', '""', literal=True), pl.lit('"'))
    bare = pl.lit(False) if column in _QUOTED else cell.str.contains(_BARE)
    return pl.when(cell.is_null()).then(pl.lit("")).when(bare).then(cell).otherwise(quoted)


class _File:
    """A table being written, gzipped at the fastest level."""

    def __init__(self, folder: Path, original: _Original) -> None:
        self.path = folder / f"{original.name}.csv.gz"
        self.rows = 0
        self._original = original

    def __enter__(self) -> Self:
        self._file = gzip.open(self.path, "wb", compresslevel=1)
        self._file.write(f"{self._original.header}\n".encode())
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, copy: int) -> None:
        """Write a copy."""
        for lines in self._original.copy(copy, self.rows + 1):
            self._file.write(lines)
        self.rows += self._original.rows.height

    def reaches(self, size: Size) -> bool:
        """Whether what is written is enough."""
        self._file.flush()
        return (bool(size.bytes) and self.path.stat().st_size >= size.bytes) or (
            bool(size.rows) and self.rows >= size.rows
        )
