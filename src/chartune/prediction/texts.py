"""Texts to be scored, read in chunks of 4,096 rows that the input alone determines, in its order.

CSV, TSV, JSON Lines, Parquet ─┐
one text on standard input ────┼─ chunks ─▶ Chunk: data rows, ids, texts     memory holds one chunk
folder of MIMIC (`charts`) ────┘
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final, Literal, TypeAlias

import polars as pl

from chartune.errors import DataError, SchemaError
from chartune.hashing import Stamp, stamp_of
from chartune.notes.line_breaks import Breaks, repaired, written_out
from chartune.notes.text_pair import paired
from chartune.sources.facts import changed_meanwhile, file_facts
from chartune.sources.formats import sized
from chartune.sources.ids import WHOLE, refuse_rounded, trimmed
from chartune.sources.own_dialect import Detected
from chartune.sources.reading import batches, sanitised
from chartune.sources.tables import Column, Tally
from chartune.sources.tabular import NOTES, Tabular
from chartune.store import Store

AsRead: TypeAlias = Breaks | Literal["to-the-character"]
"""What becomes of a text before it is read: line breaks that are written out are repaired or stay, and blanks at the
ends are taken off; or, where offsets in it are asked for, nothing."""
EXACT: Final = "to-the-character"
CHUNK: Final = 4096
"""Rows that are batched together: what a text's last digits depend on is a function of the input."""
_SHOWN: Final = 5
"""Row numbers that a message names."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of the input."""

    first: int
    """Data row of the first, counted from 1."""
    ids: pl.Series
    """Their ids: str, or i64 row numbers, [n]."""
    texts: pl.Series
    """str?, as `as_read` has them, or structs of both texts of a pair; null: there is none, or one of two, [n]."""


class Texts(ABC):
    """Texts to be scored. What is read of them is the same each time they are asked for."""

    notices: tuple[str, ...] = ()
    """How they are read, where a rule decided."""
    needs: str = "a text"
    """What every row must have."""
    otherwise: ClassVar[str] = "give texts to be scored"
    """The remedy where there are none."""

    @abstractmethod
    def digest(self, store: Store) -> str:
        """What determines them, hashed; `store` remembers hashes of files."""

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """All of them in order, `CHUNK` rows in each chunk but the last.

        Raises:
            SchemaError: the input is damaged, or breaks its contract.
        """

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Have what is kept for the sake of reading them twice for oneself. Raises StoreError: another process has."""
        yield

    def must_be_unchanged(self) -> None:  # noqa: B027 - most cannot change
        """Refuse an input that changed since it was first looked at. Raises SchemaError."""

    def forget(self) -> None:  # noqa: B027 - most keep nothing
        """Remove what was kept for the sake of reading them twice."""


@dataclass(frozen=True)
class OneText(Texts):
    """A single text, such as that of standard input."""

    text: str
    breaks: AsRead = "repaired"

    def digest(self, store: Store) -> str:
        """Of its UTF-8 bytes."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()

    def chunks(self) -> Iterator[Chunk]:
        """One row, whose id is 1."""
        yield Chunk(1, pl.Series("id", [1]), as_read(pl.Series([self.text]), self.breaks))


class TableTexts(Texts):
    """A text per row of a table, read as a table of one's own is when it is prepared."""

    def __init__(
        self, table: Tabular, breaks: AsRead = "repaired", notices: Sequence[str] = (), second: str | None = None
    ) -> None:  # fmt: skip
        """Look how the file is written.

        Args:
            table: the file, the columns of text and id, and its dialect as far as it is stated.
            breaks: what becomes of line breaks that are written out.
            notices: how its columns were chosen.
            second: the column of the second text of a pair; None: each row is a single text.

        Raises:
            SchemaError: it is none, or cannot be read.
        """
        table.files()
        self._table, self._breaks, self._stamp = table, breaks, self._stamped(table.file)
        written: Detected = table.written().of(NOTES, table.file)
        renamed = f"say what its columns are called with --text{', --text-pair' * bool(second)} and --id"
        contract, added = table.contract(written.dialect), (Column(second, "text", second),) if second else ()
        self._contract = replace(contract, renamed=renamed, columns=(*contract.columns, *added))
        self._second, self.needs = second, "both texts of a pair" if second else "a text"
        self.notices = (*notices, *written.notices, *written.warnings)

    @property
    def file(self) -> Path:
        """Where the table is."""
        return self._table.file

    def digest(self, store: Store) -> str:
        """Of the file's bytes and of what is read of them."""
        table, known = self._table, file_facts(self.file, store).sha256
        read = (known, table.text, table.id, self._contract.dialect, table.null_marks, self._breaks,
                *((self._second,) if self._second else ()))  # fmt: skip
        return hashlib.sha256(repr(read).encode()).hexdigest()

    def must_be_unchanged(self) -> None:
        """By size, times and inode of the file."""
        if self._stamped(self.file) != self._stamp:
            raise SchemaError(changed_meanwhile(self.file.name))

    @staticmethod
    def _stamped(file: Path) -> Stamp:
        return sanitised(file, lambda: stamp_of(file))

    def chunks(self) -> Iterator[Chunk]:
        """The rows of the file, blank lines left out."""
        table, first = self._table, 1
        for rows in sized(batches(self.file, self._contract, Tally()), CHUNK):
            numbers = pl.Series("id", range(first, first + rows.height), dtype=pl.Int64)
            ids = numbers if table.id is None else self._ids(rows[table.id], first)
            texts = as_read(rows[table.text], self._breaks)
            if self._second:
                texts = paired(texts, as_read(rows[self._second], self._breaks))
            yield Chunk(first, ids.alias("id"), texts)
            first += rows.height

    def _ids(self, cells: pl.Series, first: int) -> pl.Series:
        where = f"{self.file.name}: every cell of {self._table.id}"
        refuse_rounded(cells, where)
        ids = trimmed(cells)
        if (blank := ids == "").any():
            raise SchemaError(
                f"{where} must name a row, but {rows_named(blank, first)}; correct them, or give --id ''."
            )
        return ids


def as_read(texts: pl.Series, breaks: AsRead) -> pl.Series:
    """Texts as a table's are prepared: line breaks repaired where they are written out, blanks at the ends taken off.

    Or to the character, where offsets are asked for.

    Args:
        texts: str?.
        breaks: what becomes of line breaks that are written out.
    """
    if breaks == EXACT:
        return pl.Series("text", [text if text and text.strip() else None for text in texts], dtype=pl.String)
    out = written_out(texts)
    if breaks == "repaired" and out.any():
        texts = pl.select(pl.when(out).then(repaired(texts)).otherwise(texts)).to_series()
    bare = [None if text is None else text.strip() or None for text in texts]
    return pl.Series("text", bare, dtype=pl.String)


@dataclass(frozen=True)
class Checked:
    """What a first pass has seen of an input."""

    rows: int
    """How many there are."""
    whole: bool
    """Whether each id is a whole number."""


def checked(texts: Texts, *, skip_empty: bool = False) -> Checked:
    """Read an input once, before a model is loaded for it.

    Args:
        texts: the input.
        skip_empty: whether rows without a text may be among them.

    Raises:
        SchemaError: it is damaged; it has no rows; ids occur twice.
        DataError: rows have no text. Messages name rows by number, never by a word.
    """
    rows, whole, empty, hashes = 0, True, [pl.Series(dtype=pl.Boolean)], [pl.Series(dtype=pl.UInt64)]
    for chunk in texts.chunks():
        rows += chunk.ids.len()
        whole = whole and bool(chunk.ids.cast(pl.String).str.contains(WHOLE).all())
        hashes.append(chunk.ids.cast(pl.String).hash(seed=0))
        empty.append(chunk.texts.is_null())
    if not rows:
        raise SchemaError(f"an input must have rows, but it has none; {texts.otherwise}.")
    if (twice := pl.concat(hashes).is_duplicated()).any():
        raise SchemaError(
            f"every id must occur once, but {rows_named(twice)} share theirs with another row; correct them, or give "
            f"--id '' and rows are numbered."
        )
    if not skip_empty and (none := pl.concat(empty)).any():
        raise DataError(
            f"every row must have {texts.needs}, but {rows_named(none)} have none; remove them, or give --skip-empty "
            f"and they get no probability."
        )
    return Checked(rows, whole)


def rows_named(marked: pl.Series, first: int = 1) -> str:
    """Such as `3 data rows (2, 17, 40)`; the numbers of the first few.

    Args:
        marked: whether a row is meant, bool [n].
        first: the number of the first row.
    """
    numbers = marked.arg_true()
    shown = ", ".join(str(number + first) for number in numbers[:_SHOWN])
    more = ", …" if numbers.len() > _SHOWN else ""
    return f"{numbers.len():,} data rows ({shown}{more})"
