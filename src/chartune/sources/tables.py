"""Raw tables: a contract per table, and where its file is.

folder ─locate─▶ NOTEEVENTS.csv.gz ─reading.batches─▶ typed frames, cast as the contract says
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import polars as pl

from chartune.errors import SchemaError
from chartune.sources.coverage import OF_TABLES, Coverage, Rule
from chartune.sources.dialect import PLAIN, Dialect

EXCEL_CELL: Final = 32_767
"""Characters that a cell of a spreadsheet holds at most (Microsoft, Excel specifications and limits)."""
Kind = Literal["integer", "text", "time", "date"]
DTYPES: Final[dict[Kind, pl.DataType]] = {
    "integer": pl.Int64(),
    "text": pl.String(),
    "time": pl.Datetime("us"),
    "date": pl.Date(),
}


@dataclass(frozen=True)
class Column:
    """The contract of one column."""

    raw: str
    """Its name in the file; case does not matter."""
    kind: Kind
    """What its cells hold."""
    name: str = ""
    """Its canonical name; empty: the raw name in lower case."""
    may_be_empty: bool = True
    """Whether a cell may be empty."""
    may_be_absent: bool = False
    """Whether the file may lack the column; it is then all null."""

    @property
    def canonical(self) -> str:
        """The name that the rest of the package uses."""
        return self.name or self.raw.lower()


@dataclass(frozen=True)
class Rows:
    """The rows that are read of a table which is mostly about something else."""

    column: str
    """Raw name of the column that decides."""
    cells: frozenset[str]
    """What its cells hold in the rows that are read."""


@dataclass(frozen=True)
class Table:
    """The contract of one table: what its file is called and which of its columns are read."""

    name: str
    """Such as `NOTEEVENTS`; the file is `NAME.csv` or `NAME.csv.gz`, in any case."""
    columns: tuple[Column, ...]
    """Columns that are read; others are passed over."""
    required: bool = True
    """Whether a source without this table is refused."""
    folder: str = ""
    """The folder of the source that holds it, such as `hosp`; empty: it stands in the source itself."""
    otherwise: str = "use the file as released"
    """What helps whoever has a broken one."""
    renamed: str = ""
    """What helps where a column is missing; empty: `otherwise`, with its header line."""
    rows: Rows | None = None
    """Which rows are read, of CSV files only: the others are counted and their cells not looked at; None: all."""
    dialect: Dialect = PLAIN
    """How the file is written."""
    marks: Literal["refused", "counted", "kept"] = "counted"
    """What becomes of the marks of other programs for nothing in columns of text: all are refused
    (`chartune.sources.dialect.NULL_MARKS`), those that are never a value are counted, or they are values."""

    def bounded(self, longest_row: int, longest_cell: int) -> "Table":
        """The same contract with other bounds on the bytes of a row and of a cell."""
        return replace(self, dialect=replace(self.dialect, longest_row=longest_row, longest_cell=longest_cell))

    def schema(self) -> dict[str, pl.DataType]:
        """Canonical column → type, in order."""
        return {column.canonical: DTYPES[column.kind] for column in self.columns}


@dataclass
class Tally:
    """What has been counted while a table was read; complete once it is read to the end."""

    rows: int = 0
    """Data rows, blank lines left out."""
    blank_lines: int = 0
    """Rows without a single cell."""
    replaced: int = 0
    """Cells in which bytes were not UTF-8; each such byte sequence became U+FFFD."""
    first_replaced: int = 0
    """Data row of the first of them, counted from 1; 0: there is none."""
    damaged_rows: int = 0
    """Rows with such cells."""
    strangers: int = 0
    """Rows that name an admission of another patient (`chartune.sources.links`)."""
    cut: int = 0
    """Texts of as many characters as a cell of Excel holds, which has cut them."""
    marks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Column → mark of another program for nothing, such as `NULL` → cells."""
    passed_over: dict[str, int] = field(default_factory=dict)
    """Why rows that were read do not count → how many, such as `marked as errors`."""
    reached: dict[str, list[int]] = field(default_factory=dict)
    """Rule (`chartune.sources.coverage.OF_TABLES`) → how many rows it could have reached, and how many it did."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Of a table of notes: category → rows, where the category is one that the release knows."""

    def restart(self) -> None:
        """Count from nothing: the table is read again."""
        vars(self).update(vars(Tally()))

    def pass_over(self, counts: Mapping[str, int]) -> None:
        """Add rows that do not count, by reason."""
        self.passed_over = _added(self.passed_over, counts)

    def reach(self, rule: Rule, reachable: int, reached: int) -> None:
        """Add rows that a rule could have reached, and did."""
        before = self.reached.get(rule.rule, [0, 0])
        self.reached[rule.rule] = [before[0] + reachable, before[1] + reached]

    def coverage(self) -> list[Coverage]:
        """What each rule reached."""
        return [OF_TABLES[rule].of(*counts) for rule, counts in sorted(self.reached.items())]

    def add_kinds(self, counts: Mapping[str, int]) -> None:
        """Add rows by category."""
        self.kinds = _added(self.kinds, counts)

    def warnings(self, table: str) -> list[str]:
        """What a reader of the data card should know: counts, no cells."""
        messages = []
        if self.replaced:
            messages.append(
                f"{table}: {self.replaced} cells hold bytes that are not UTF-8, first in data row "
                f"{self.first_replaced}; these became U+FFFD."
            )
        if self.cut:
            messages.append(
                f"{table}: {self.cut} texts end at {EXCEL_CELL:,} characters, the most that a cell of Excel holds, so "
                f"that what followed is lost; export them again without a spreadsheet."
            )
        messages += [
            f"{table}: {marked(counts)} of {column} hold what a program writes where nothing is known, and are read as "
            f"that word; export them as empty cells."
            for column, counts in self.marks.items()
        ]
        messages += strangers(table, self.strangers)
        if self.blank_lines:
            messages.append(f"{table}: {self.blank_lines} blank lines were passed over.")
        messages += [
            f"{table}: {count} rows {why} were passed over." for why, count in self.passed_over.items() if count
        ]
        return messages


def _added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """The sums by name, in an order that does not depend on that of the rows."""
    return {name: first.get(name, 0) + second.get(name, 0) for name in sorted({*first, *second})}


def strangers(table: str, count: int) -> list[str]:
    """The warning that rows name an admission of another patient; none of 0."""
    message = f"{table}: {count} rows name an admission of another patient; that they belong to it is not used."
    return [message] if count else []


def marked(counts: Mapping[str, int]) -> str:
    """Such as `52 cells (NA) and 3 cells (NULL)`."""
    return " and ".join(f"{count} cells ({mark})" for mark, count in sorted(counts.items()))


def find(folder: Path, name: str, inner: str = "") -> Path | None:
    """The file of a table, directly in the folder or in the nested layout in which `wget -r` leaves a download.

    Args:
        folder: the source.
        name: of the table.
        inner: `Table.folder`.

    Raises:
        SchemaError: the folder is none, or two files could be the table.
    """
    if not folder.is_dir():
        raise SchemaError(
            f"a source must be a folder of tables, but {folder} is none; give the folder that holds them."
        )
    wanted = {f"{name}.csv".lower(), f"{name}.csv.gz".lower()}
    matching = [file for file in _files(folder, inner) if file.name.lower() in wanted]
    if len(matching) > 1:
        names = ", ".join(str(file.relative_to(folder)) for file in matching)
        raise SchemaError(
            f"one file must hold {name}, but {folder} has {len(matching)}: {names}; move all but one away."
        )
    return matching[0] if matching else None


def nested(folder: Path) -> Path:
    """Where `wget -r` of PhysioNet leaves its files in a folder."""
    return folder / "physionet.org" / "files"


def _files(folder: Path, inner: str = "") -> list[Path]:
    """Files directly in the folder (or in its inner folder), and those below its `physionet.org/files`."""
    place = folder / inner
    try:
        direct = [path for path in (place.iterdir() if place.is_dir() else ()) if path.is_file()]
    except PermissionError:
        raise SchemaError(
            f"a folder of tables must be readable, but {place} is not; ask its owner for access."
        ) from None
    below = nested(folder).rglob("*.csv*") if nested(folder).is_dir() else ()
    return sorted([*direct, *(file for file in below if not inner or file.parent.name == inner)])


def locate(folder: Path, tables: tuple[Table, ...]) -> dict[str, Path]:
    """Table name → file, for all that are there.

    Raises:
        SchemaError: a required table is missing, or two files could be one table.
    """
    located = {table.name: file for table in tables if (file := find(folder, table.name, table.folder))}
    missing = [str(Path(table.folder, table.name)) for table in tables if table.required and table.name not in located]
    if missing:
        files = {file for inner in {"", *(table.folder for table in tables)} for file in _files(folder, inner)}
        near = sorted(str(file.relative_to(folder)) for file in files if ".csv" in file.name.lower())[:12]
        raise SchemaError(
            f"{folder} must hold {', '.join(f'{name}.csv.gz (or .csv)' for name in missing)}, but has "
            f"{', '.join(near) or 'no CSV file'}; give the folder that holds the tables, or add the missing file."
        )
    return located


def has_tables(folder: Path, tables: tuple[Table, ...]) -> bool:
    """Whether a source has files for all of these tables, whatever is in them."""
    try:
        return all(find(folder, table.name, table.folder) for table in tables)
    except SchemaError:  # the folder is none, or has two: `locate` says so to whoever needs them
        return False


def holds(folder: Path, table: str, inner: str = "") -> bool:
    """Whether a path is a folder with a file that is this table; two that could be it count, and its reader refuses."""
    try:
        return folder.is_dir() and find(folder, table, inner) is not None
    except SchemaError:
        return True
