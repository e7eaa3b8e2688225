"""Bytes of a CSV file in blocks that end where a row ends, so that a parser may take them one by one.

    gzip ─▶ chunks ─▶ letters in UTF-8 ─▶ quotes doubled ─▶ ┃ rows 1 … 900 ┃ rows 901 … 1,700 ┃ …
    ╰────── a thread of its own ────────────────────────╯   ╰── another ──╯  while the caller parses the block before

A row ends at a line break outside of quotes. Memory holds one block: a row above the limit is refused while it is
read. A quote in the middle of a cell that is neither doubled nor at the cell's end is refused, because parsers then
take two rows for one.
"""

import codecs
import gzip
import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from chartune.errors import SchemaError
from chartune.sources.dialect import Dialect

CHUNK: Final = 4 * 2**20
"""Bytes that are read at once."""
_BOM: Final = b"\xef\xbb\xbf"
_BEHIND_BACKSLASH: Final = re.compile(rb'\\(["\\])')


def whole_rows(file: Path, dialect: Dialect, *, strict: bool = True) -> Iterator[bytes]:
    """Blocks of whole rows in UTF-8, quotes doubled, the header line among them; the next is made ahead.

    Args:
        file: CSV, or the like with another delimiter; packed or not.
        dialect: how it is written.
        strict: whether quotes in the middle of a cell are looked for; a tenth of the time of a table without texts.

    Raises:
        SchemaError: a row is longer than `dialect.longest_row`, a quote is never closed, or one stands in the middle of
            a cell.
        OSError, EOFError, zlib.error: the file is damaged.
    """
    return _ahead(_blocks(file, dialect, strict))


def _blocks(file: Path, dialect: Dialect, strict: bool) -> Generator[bytes]:
    rest, row = b"", 0
    for chunk in _ahead(_chunks(file, dialect)) if file.name.lower().endswith(".gz") else _chunks(file, dialect):
        data = rest + chunk if rest else chunk
        end = last_row_end(data)
        if end:
            rows = data[:end]
            if strict:
                _refuse_stray_quotes(file, rows, dialect, row)
            yield rows
            row += rows.count(b"\n") if strict else 0
        rest = data[end:]
        refuse_long(file, len(rest), dialect.longest_row)
    if rest.count(b'"') % 2:
        raise SchemaError(
            f"{file.name} must be readable as CSV, but it is not a well-formed table: a quote is never closed; use the "
            f"file as released, or export it again with every text in double quotes and each quote within doubled."
        )
    if rest and strict:
        _refuse_stray_quotes(file, rest, dialect, row)
    if rest:
        yield rest


def refuse_long(file: Path, length: int, longest: int, what: Literal["row", "cell"] = "row") -> None:
    """See to it that a row or cell is one. Raises SchemaError: it has more than `longest` bytes."""
    if length > longest:
        raise SchemaError(
            f"{file.name}: a {what} must have at most {longest:,} bytes, but one is longer, as in a file that is "
            f"damaged or made to fill the memory; get the file again, or raise `longest_{what}` of the source (--set "
            f"data.source.longest_{what}=…, for prepare source.longest_{what}=…)."
        )


def last_row_end(data: bytes) -> int:
    """Bytes of the whole rows that `data` begins with; 0: not one is whole. It begins where a row begins."""
    quotes, end = data.count(b'"'), len(data)
    while (line := data.rfind(b"\n", 0, end)) >= 0:
        quotes -= data.count(b'"', line + 1, end)
        if quotes % 2 == 0:
            return line + 1
        end = data.rfind(b'"', 0, line)  # every line break behind it stands within the same quotes
        if end < 0:
            return 0
        quotes -= 1
    return 0


def stray_quotes(data: bytes, delimiter: str) -> Iterator[re.Match[bytes]]:
    """Quotes in the middle of a cell that are neither doubled nor at its beginning or end."""
    return _stray(delimiter).finditer(data)


def misplaced_quotes(data: bytes, delimiter: str, before: int = 0) -> list[int]:
    """Where a quote opens a cell in its middle, as if the one before it had not closed any.

    Args:
        data: part of a table.
        delimiter: between its cells.
        before: quotes that stand before this part.
    """
    opening = [quote.start() for quote in re.finditer(b'"', data)][before % 2 :: 2]
    edges = (*b'\n"', *delimiter.encode())
    return [place for place in opening if place and data[place - 1] not in edges]


def unpacked(file: Path) -> BinaryIO:
    """The file, its gzip taken off."""
    return cast(BinaryIO, gzip.open(file, "rb")) if file.name.lower().endswith(".gz") else file.open("rb")


def delimiter_of(file: Path, dialect: Dialect) -> str:
    """What stands between cells: as the dialect says, or by the ending of the file."""
    return dialect.delimiter or ("\t" if ".tsv" in file.name.lower()[-7:] else ",")


def letters(handle: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The bytes of an open file as UTF-8, chunk by chunk, without a byte order mark.

    Bytes that are no letter stay as they are, or become U+FFFD where another encoding is read.
    """
    decode = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    while chunk := handle.read(CHUNK):
        text = decode.decode(chunk).encode("utf-8", "replace") if decode else chunk
        yield text.removeprefix(_BOM) if first else text
        first = False
    if decode and (last := decode.decode(b"", final=True)):
        yield last.encode("utf-8", "replace")


def _chunks(file: Path, dialect: Dialect) -> Generator[bytes]:
    with unpacked(file) as handle:
        if dialect.escape == "doubled":
            yield from letters(handle, dialect.encoding)
            return
        held = b""
        for chunk in letters(handle, dialect.encoding):
            data = held + chunk
            behind = len(data) - len(data.rstrip(b"\\"))  # an odd last backslash belongs to what comes next
            held = b"\\" if behind % 2 else b""
            yield doubled(data[: len(data) - len(held)])
        yield held


def _ahead(chunks: Generator[bytes]) -> Iterator[bytes]:
    """The same chunks; the next is unpacked while one is worked on."""
    try:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, chunks, None)
            while (chunk := coming.result()) is not None:
                coming = pool.submit(next, chunks, None)
                yield chunk
    finally:
        chunks.close()


def doubled(data: bytes) -> bytes:
    r"""Quotes behind a backslash as RFC 4180 writes them: `\"` becomes `""`, and `\\` one backslash."""
    return _BEHIND_BACKSLASH.sub(lambda found: b'""' if found[1] == b'"' else b"\\", data)


def _refuse_stray_quotes(file: Path, rows: bytes, dialect: Dialect, before: int) -> None:
    delimiter = delimiter_of(file, dialect)
    stray = next(stray_quotes(rows, delimiter), None)
    if stray is None:
        if b'\\"' in rows and (places := misplaced_quotes(rows, delimiter)):
            raise _behind_backslash(file, before + rows.count(b"\n", 0, places[0]) + 1)
        return
    line = before + rows.count(b"\n", 0, stray.start()) + 1
    count = sum(1 for _ in stray_quotes(rows, delimiter_of(file, dialect)))
    behind = rows[stray.start() - 1 : stray.start()] == b"\\"
    told = "behind a backslash, as Spark and MySQL write it" if behind else "neither doubled nor at the end of its cell"
    raise SchemaError(
        f"{file.name} must be readable as CSV, but a quote within a cell is {told}, first in line {line} ({count} in "
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
