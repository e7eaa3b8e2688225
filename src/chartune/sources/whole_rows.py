"""Bytes of a CSV file in blocks that end where a row ends, so that a parser may take them one by one.

    gzip ─▶ pieces ─▶ letters in UTF-8 ─▶ quotes doubled ─▶ cut ─▶ ┃ rows 1 … 900 ┃ rows 901 … 1,700 ┃ …
    ╰────── a thread of its own ──────────────────────────────╯    ╰── another ──╯  while the caller parses

A row ends at a line break outside of quotes. Memory holds one block: a row above the limit is refused while it is
read. A quote in the middle of a cell that is neither doubled nor at the cell's end is refused, because parsers then
take two rows for one.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from chartune.errors import SchemaError
from chartune.sources.dialect import Dialect

BLOCK: Final = 4 * 2**20
"""Bytes that are parsed at once, or somewhat more."""
PIECE: Final = 256 * 2**10
"""Bytes that are unpacked and looked at at once: a processor keeps them near."""
_PACKED: Final = 64 * 2**10
"""Bytes of a gzip file that are read at once."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_QUOTE, _BACKSLASH = b'"\\'
_BOM: Final = b"\xef\xbb\xbf"
_BEHIND_BACKSLASH: Final = re.compile(rb'\\(["\\])')


def whole_rows(file: Path, dialect: Dialect, *, strict: bool = True) -> Iterator[bytes]:
    """Blocks of whole rows in UTF-8, quotes doubled, the header line among them; the next is made ahead.

    Args:
        file: CSV, or the like with another delimiter; packed or not.
        dialect: how it is written.
        strict: whether quotes in the middle of a cell are looked for.

    Raises:
        SchemaError: a row is longer than `dialect.longest_row`, a quote is never closed, or one stands in the middle of
            a cell.
        OSError, EOFError, zlib.error: the file is damaged.
    """
    return _ahead(_blocks(file, dialect, strict))


def first_rows(file: Path, dialect: Dialect) -> bytes:
    """The rows that a file begins with, the header line among them. Raises as `whole_rows`, not strictly."""
    return next(_cut(file, dialect, 1), b"")


def _blocks(file: Path, dialect: Dialect, strict: bool) -> Generator[bytes]:
    before = 0
    for rows in _ahead(_cut(file, dialect, BLOCK)):
        if strict:
            _refuse_stray_quotes(file, rows, dialect, before)
        yield rows
        before += len(rows)


def _cut(file: Path, dialect: Dialect, size: int) -> Generator[bytes]:
    """The table in blocks of whole rows, each of at least `size` bytes but the last."""
    held, length, row, quotes, before = list[bytes](), 0, 0, 0, 0
    for piece in _pieces(file, dialect):
        quotes += count_quotes(piece)
        end = last_row_end(piece, quotes)
        length += len(piece)
        row = len(piece) - end if end else row + len(piece)
        if end and length >= size:
            before += length - row
            yield b"".join((*held, memoryview(piece)[:end]))
            held, length = [piece[end:]], row
        else:
            held.append(piece)
        refuse_long(file, row, dialect.longest_row)
    if quotes % 2:
        _refuse_stray_quotes(file, b"".join(held), dialect, before)  # where it is, rather than that there is one
        raise SchemaError(
            f"{file.name} must be readable as CSV, but it is not a well-formed table: a quote is never closed; use the "
            f"file as released, or export it again with every text in double quotes and each quote within doubled."
        )
    if length:
        yield b"".join(held)


def refuse_long(file: Path, length: int, longest: int, what: Literal["row", "cell"] = "row") -> None:
    """See to it that a row or cell is one. Raises SchemaError: it has more than `longest` bytes."""
    if length > longest:
        raise SchemaError(
            f"{file.name}: a {what} must have at most {longest:,} bytes, but one is longer, as in a file that is "
            f"damaged or made to fill the memory; get the file again, or raise `longest_{what}` of the source (--set "
            f"data.source.longest_{what}=…, for prepare source.longest_{what}=…)."
        )


def last_row_end(data: bytes, quotes: int | None = None) -> int:
    """Bytes of `data` up to the end of the last row that ends in it; 0: none does.

    Args:
        data: part of a table.
        quotes: in it and before it; None: it begins where a row begins.
    """
    quotes, end = count_quotes(data) if quotes is None else quotes, len(data)
    while (line := data.rfind(b"\n", 0, end)) >= 0:
        quotes -= data.count(b'"', line + 1, end)
        if quotes % 2 == 0:
            return line + 1
        end = data.rfind(b'"', 0, line)  # every line break behind it stands within the same quotes
        if end < 0:
            return 0
        quotes -= 1
    return 0


def stray_quotes(data: bytes, delimiter: str) -> list[int]:
    """Where quotes in the middle of a cell are neither doubled nor at its beginning or end."""
    return [odd.start() for odd in _stray(delimiter).finditer(data)] if _may_be_stray(data, delimiter) else []


def behind_backslash(data: bytes) -> bool:
    """Whether a quote stands behind a backslash."""
    letters = _letters_of(data)
    return b"\\" in data and bool(((letters[:-1] == _BACKSLASH) & (letters[1:] == _QUOTE)).any())


def count_quotes(data: bytes) -> int:
    """Quotes in a text: three times as fast as `bytes.count` where there are many."""
    return int(np.count_nonzero(_letters_of(data) == _QUOTE))


def misplaced_quotes(data: bytes, delimiter: str, before: int = 0) -> NDArray[np.intp]:
    """Where a quote opens a cell in its middle, as if the one before it had not closed any.

    Args:
        data: part of a table.
        delimiter: between its cells.
        before: quotes that stand before this part.
    """
    letters = _letters_of(data)
    opening = np.flatnonzero(letters == _QUOTE)[before % 2 :: 2]
    opening = opening[opening > 0]
    return opening[~_signs('\n"' + delimiter)[letters[opening - 1]]]


def unpacked(file: Path) -> BinaryIO:
    """The file, its gzip taken off."""
    return cast(BinaryIO, gzip.open(file, "rb")) if is_packed(file) else file.open("rb")


def is_packed(file: Path) -> bool:
    """Whether a file is one of gzip, by its name."""
    return file.name.lower().endswith(".gz")


def delimiter_of(file: Path, dialect: Dialect) -> str:
    """What stands between cells: as the dialect says, or by the ending of the file."""
    return dialect.delimiter or ("\t" if ".tsv" in file.name.lower()[-7:] else ",")


def letters(file: Path, encoding: str) -> Iterator[bytes]:
    """The bytes of a file as UTF-8, its gzip taken off, in pieces, without a byte order mark.

    Bytes that are no letter stay as they are, or become U+FFFD where another encoding is read.

    Raises:
        OSError, EOFError, zlib.error: the file is damaged.
    """
    decode = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    with file.open("rb", buffering=0) as handle:
        for piece in _gunzipped(handle) if is_packed(file) else iter(lambda: handle.read(PIECE), b""):
            text = decode.decode(piece).encode("utf-8", "replace") if decode else piece
            yield text.removeprefix(_BOM) if first else text
            first = False
    if decode and (last := decode.decode(b"", final=True)):
        yield last.encode("utf-8", "replace")


def _gunzipped(handle: RawIOBase) -> Iterator[bytes]:
    """The members of a gzip file, one behind the other; lengths and sums are checked.

    `gzip.open` does the same eight kilobytes at a time, and takes a fifth more processor time.
    """
    member = None
    while packed := handle.read(_PACKED):
        while packed := packed if member else packed.lstrip(b"\0"):  # members may be filled up with zeros
            member = member or zlib.decompressobj(_GZIP)
            yield member.decompress(packed, PIECE)
            packed = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member:
        raise EOFError


def _pieces(file: Path, dialect: Dialect) -> Iterator[bytes]:
    """The table in UTF-8, quotes doubled."""
    if dialect.escape == "doubled":
        yield from letters(file, dialect.encoding)
        return
    held = b""
    for piece in letters(file, dialect.encoding):
        data = held + piece
        behind = len(data) - len(data.rstrip(b"\\"))  # an odd last backslash belongs to what comes next
        held = b"\\" if behind % 2 else b""
        yield doubled(data[: len(data) - len(held)])
    yield held


def _ahead(blocks: Generator[bytes]) -> Iterator[bytes]:
    """The same blocks; the next is made while one is worked on."""
    try:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, blocks, None)
            while (block := coming.result()) is not None:
                coming = pool.submit(next, blocks, None)
                yield block
    finally:
        blocks.close()


def doubled(data: bytes) -> bytes:
    r"""Quotes behind a backslash as RFC 4180 writes them: `\"` becomes `""`, and `\\` one backslash."""
    return _BEHIND_BACKSLASH.sub(lambda match: b'""' if match[1] == b'"' else b"\\", data)


def _refuse_stray_quotes(file: Path, rows: bytes, dialect: Dialect, before: int) -> None:
    """Raises SchemaError: `rows`, which `before` bytes of the table precede, hold a quote that parsers misread."""
    delimiter = delimiter_of(file, dialect)
    if stray := stray_quotes(rows, delimiter):
        behind = rows[stray[0] - 1 : stray[0]] == b"\\"
        raise _stray_quote(file, len(stray), _line(file, dialect, before + stray[0]), behind=behind)
    if behind_backslash(rows) and (places := misplaced_quotes(rows, delimiter)).size:
        raise _behind_backslash(file, _line(file, dialect, before + int(places[0])))


def _may_be_stray(data: bytes, delimiter: str) -> bool:
    """Whether `_stray` may match: all quotes at once are looked at in a third of its time, and it is asked seldom."""
    letters = _letters_of(data)
    quotes = np.flatnonzero(letters == _QUOTE)
    quotes = quotes[(quotes > 0) & (quotes < len(data) - 1)]
    within = ~_signs('\n"' + delimiter)[letters[quotes - 1]]
    alone = within & ~_signs('\r\n"' + delimiter)[letters[quotes + 1]]
    three = within[:-2] & (quotes[2:] - quotes[:-2] == 2)
    return bool(alone.any() or three.any())


def _line(file: Path, dialect: Dialect, place: int) -> int:
    """The line, counted from 1, in which a byte of the table stands; the file is read again."""
    line = 1
    for piece in _pieces(file, dialect):
        line += piece.count(b"\n", 0, place)
        place -= len(piece)
        if place <= 0:
            break
    return line


def _stray_quote(file: Path, count: int, line: int, *, behind: bool) -> SchemaError:
    kind = "behind a backslash, as Spark and MySQL write it" if behind else "neither doubled nor at the end of its cell"
    return SchemaError(
        f"{file.name} must be readable as CSV, but a quote within a cell is {kind}, first in line {line} ({count} in "
        f"this part of the file), and two rows may be taken for one; export it again with every text in double quotes "
        f"and each quote within doubled."
    )


def _behind_backslash(file: Path, line: int) -> SchemaError:
    return SchemaError(
        f"{file.name} must be readable as CSV, but quotes seem to stand behind a backslash at the end of what looks "
        f"like a cell, first before or in line {line}, and two rows may be taken for one; say how quotes stand (--set "
        f"data.source.escape=backslash, for prepare source.escape=backslash, of a table of your own), or export it "
        f"again with each quote within doubled."
    )


@lru_cache
def _stray(delimiter: str) -> re.Pattern[bytes]:
    """An odd run of quotes with letters on both sides: one or three of them, but not two."""
    edge = re.escape(delimiter.encode())
    return re.compile(rb'"(?<=[^"\n' + edge + rb']")(?:"")*+(?=[^"\r\n' + edge + rb"])")


def _letters_of(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


@lru_cache
def _signs(signs: str) -> NDArray[np.bool_]:
    """For each byte whether it is one of these signs."""
    return np.isin(np.arange(256), list(signs.encode()))
