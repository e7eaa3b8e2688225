"""The dialect of a table of one's own: as its owner says, else detected by rules that are reported with their findings.

delimiter   the sign that parts the header line into most of the names that are read, else into most names
encoding    UTF-8; where nine of ten letters beyond ASCII are none of UTF-8: cp1252, as Windows writes it
escape      quotes doubled; where quotes stand in the middle of cells, and each behind a backslash: backslash; so too
            where each of those ends what looks like a cell, and the text goes on behind it
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from chartune.sources import formats
from chartune.sources.dialect import Bounds, Delimiter, Dialect, Encoding, Escape
from chartune.sources.reading import sanitised
from chartune.sources.spellings import Spellings
from chartune.sources.whole_rows import (
    behind_backslash,
    count_quotes,
    delimiter_of,
    doubled,
    letters,
    misplaced_quotes,
    refuse_long,
    stray_quotes,
    unpacked,
)

Filled = Annotated[str, Field(min_length=1)]
"""A name of a column, or a sign; not empty."""
LOOK: Final = 64 * 2**20
"""Bytes that are looked at in passing, as by `chartune check`."""
_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NOT_CP1252: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that are no letter of Windows."""


@dataclass(frozen=True)
class Detected:
    """A dialect, and what is said of it."""

    dialect: Dialect
    notices: tuple[str, ...] = ()
    """What the rules detected with certainty."""
    warnings: tuple[str, ...] = ()
    """What they detected and somebody should confirm."""

    def of(self, table: str, file: Path) -> "Detected":
        """The same said of a table, not of its file: equal bytes under another name are the same data."""
        warnings, notices = ((_of(table, file, line) for line in each) for each in (self.warnings, self.notices))
        return Detected(self.dialect, tuple(notices), tuple(warnings))


class OwnDialect(Bounds):
    """How a table of one's own is written; what is not stated is detected by rules."""

    delimiter: Delimiter | None = None
    """What stands between cells of CSV: `,`, `;`, `|` or a tab; null: as the header line shows."""
    encoding: Encoding | None = None
    """How bytes are letters; null: UTF-8, or cp1252 where most letters beyond ASCII are none of UTF-8."""
    escape: Escape | None = None
    """How a quote stands in a quoted cell of CSV: `doubled`, or behind a `backslash`; null: as the file shows."""
    null_marks: tuple[str, ...] | None = None
    """What means nothing, beside an empty cell, such as `NA`; empty: nothing does. Null: the usual marks of other
    programs are refused in what is read, because one may be a class."""
    spellings: Spellings = None
    """Labels that differ only in case, in blanks, in how a letter is coded, or as TRUE, true and 1 do: one class or
    several; null: refused."""

    @property
    def marks(self) -> Literal["refused", "counted", "kept"]:
        """What becomes of marks for nothing that are not among `null_marks`."""
        return "refused" if self.null_marks is None else "counted" if self.null_marks else "kept"

    @field_validator("null_marks", mode="before")
    @classmethod
    def _null_is_a_mark(cls, marks: Any) -> Any:
        # YAML reads [NULL] as a list of nothing.
        return ["NULL" if mark is None else mark for mark in marks] if isinstance(marks, list | tuple) else marks

    def detected(self, file: Path, names: Sequence[str], most: int | None = None) -> Detected:
        """How a file is written.

        Args:
            file: of the table.
            names: of the columns that are read.
            most: bytes that are looked at; None: all.

        Raises:
            SchemaError: it cannot be read, or a row is longer than a row may be.
        """
        stated = Dialect(
            self.delimiter, self.encoding or "utf-8", self.escape or "doubled", self.longest_row, self.longest_cell,
            self.null_marks or (),
        )  # fmt: skip
        if formats.ending(file) == ".parquet" or (self.delimiter and self.encoding and self.escape):
            return Detected(stated)
        sanitised(file, lambda: formats.check(file, stated, any_mark=self.encoding is None))
        return sanitised(file, lambda: self._looked_at(file, stated, names, most))

    def _looked_at(self, file: Path, stated: Dialect, names: Sequence[str], most: int | None) -> Detected:
        detected = _with_mark(file, Detected(stated)) if self.encoding is None else Detected(stated)
        if self.encoding or detected.dialect.encoding == "utf-16":
            return self._parted(file, detected, names, most)
        letters = _Letters()
        parted = self._parted(file, detected, names, most, letters)
        return self._parted(file, letters.applied(file, detected), names, most) if letters.of_windows else parted

    def _parted(
        self, file: Path, detected: Detected, names: Sequence[str], most: int | None, letters: "_Letters | None" = None
    ) -> Detected:
        """With delimiter and escape, where the file has them; `letters` are counted in the same pass."""
        rows = formats.ending(file) in (".csv", ".tsv")
        if rows and self.delimiter is None:
            detected = _with_delimiter(file, detected, names)
        quotes = _Quotes(delimiter_of(file, detected.dialect)) if rows and self.escape is None else None
        for lines in _lines(file, detected.dialect, most) if letters or quotes else ():
            if letters:
                letters.see(lines)
            if quotes:
                quotes.see(lines)
        return quotes.applied(file, detected) if quotes else detected


def _of(table: str, file: Path, message: str) -> str:
    return f"{table}: {message.removeprefix(f'{file.name}: ')}"


@dataclass
class _Letters:
    """Letters beyond ASCII."""

    right: int = 0
    """Of UTF-8."""
    wrong: int = 0
    """Not of UTF-8."""
    strange: int = 0
    """Bytes that are none of Windows', in lines with wrong ones."""

    def see(self, lines: bytes) -> None:
        if lines.isascii():
            return
        text = lines.decode("utf-8", errors="replace")
        replaced = text.count("\N{REPLACEMENT CHARACTER}") - lines.count("\N{REPLACEMENT CHARACTER}".encode())
        self.wrong += replaced
        self.right += len(text) - len(text.encode("ascii", errors="ignore")) - replaced
        self.strange += len(_NOT_CP1252.findall(lines)) if replaced else 0

    @property
    def of_windows(self) -> bool:
        """Whether nine of ten are none of UTF-8, and all may be of cp1252."""
        return self.wrong > 9 * self.right and not self.strange

    def applied(self, file: Path, detected: Detected) -> Detected:
        message = (
            f"{file.name}: read as cp1252, as Windows writes it, because {self.wrong:,} of its "
            f"{self.wrong + self.right:,} letters beyond ASCII are none of UTF-8; say which `encoding` it has (--set "
            f"data.source.encoding=cp1252, for prepare source.encoding=…)."
        )
        return replace(
            detected, dialect=replace(detected.dialect, encoding="cp1252"), warnings=(*detected.warnings, message)
        )


@dataclass
class _Quotes:
    """Quotes that stand where RFC 4180 has none."""

    delimiter: str
    stray: int = 0
    """In the middle of a cell."""
    behind: int = 0
    """Those of them behind a backslash."""
    misplaced: int = 0
    """Opening a cell in its middle."""
    still: int = 0
    """The same, if quotes behind a backslash were doubled."""
    before: int = 0
    """Quotes that were seen."""
    as_doubled: int = 0
    """The same, if those behind a backslash were doubled."""

    def see(self, lines: bytes) -> None:
        for place in stray_quotes(lines, self.delimiter):
            self.stray += 1
            self.behind += lines[place - 1 : place] == b"\\"
        # Where each escaped quote ends what looks like a cell, the next opens none.
        rewritten = doubled(lines) if behind_backslash(lines) else lines
        if rewritten is not lines:
            self.misplaced += len(misplaced_quotes(lines, self.delimiter, self.before))
            self.still += len(misplaced_quotes(rewritten, self.delimiter, self.as_doubled))
        self.before += count_quotes(lines)
        self.as_doubled += count_quotes(rewritten)

    def applied(self, file: Path, detected: Detected) -> Detected:
        if self.behind < self.stray or not (self.stray or self.misplaced > self.still == 0):
            return detected  # others than behind a backslash: whoever reads the rows refuses them, with their place
        count = self.behind or self.misplaced
        message = (
            f"{file.name}: quotes within texts stand behind a backslash ({count:,} of them), as Spark and MySQL write."
        )
        return replace(
            detected, dialect=replace(detected.dialect, escape="backslash"), notices=(*detected.notices, message)
        )


def _with_mark(file: Path, detected: Detected) -> Detected:
    with unpacked(file) as handle:
        if handle.read(2) not in formats.UTF16_MARKS:
            return detected
    message = f"{file.name}: read as UTF-16, by its first bytes."
    return replace(detected, dialect=replace(detected.dialect, encoding="utf-16"), notices=(*detected.notices, message))


def _with_delimiter(file: Path, detected: Detected, names: Sequence[str]) -> Detected:
    first = next(_lines(file, detected.dialect, 1), b"").partition(b"\n")[0].decode("utf-8", errors="replace")
    usual = delimiter_of(file, detected.dialect)
    wanted = {name.lower() for name in names}

    def parted(sign: str) -> tuple[int, int]:
        parts = [part.strip(' \r"').lower() for part in first.split(sign)]
        return len(wanted & set(parts)), len(parts)

    best: Any = max((usual, *(sign for sign in _NAMES if sign != usual)), key=parted)
    if best == usual:
        return detected
    message = f"{file.name}: cells stand between {_NAMES[best]}, by its header line."
    return replace(detected, dialect=replace(detected.dialect, delimiter=best), notices=(*detected.notices, message))


def _lines(file: Path, dialect: Dialect, most: int | None) -> Iterator[bytes]:
    """Whole lines, many at once, as UTF-8 where the encoding is known.

    Raises:
        SchemaError: a line is longer than a row may be.
    """
    rest, seen = b"", 0
    for chunk in letters(file, dialect.encoding):
        data = rest + chunk
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        refuse_long(file, len(rest), dialect.longest_row)
        yield data[:end]
        seen += end
        if most is not None and seen >= most:
            return
    yield rest
