"""Blocks of whole rows: cut where a row ends, however small the pieces, and no row longer than it may be."""

import gzip
import resource
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from chartune.errors import SchemaError
from chartune.sources import whole_rows as module
from chartune.sources.dialect import Dialect
from chartune.sources.reading import read
from chartune.sources.tables import Column, Table, Tally
from chartune.sources.whole_rows import first_rows, last_row_end, letters, stray_quotes, whole_rows

ROWS = b'a,b\n1,"x ""y"", z\n\nw"\r\n2,\n3,"""q"""\n'


@pytest.mark.parametrize(
    ("data", "end"),
    [(b"abc", 0), (b"a\nb", 2), (b'a,"b\n\nc', 0), (b'x\na,"b\n\nc"\nq', 11), (b'"\n"\n', 4), (b'x\n"a\n""\n', 2)],
)
def test_a_row_ends_at_a_line_break_outside_of_quotes(data: bytes, end: int) -> None:
    assert last_row_end(data) == end


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_blocks_are_the_file_and_each_ends_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(module, "PIECE", chunk)
    monkeypatch.setattr(module, "BLOCK", chunk)
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf"[: 3 * (chunk > 2)] + ROWS)
    blocks = list(whole_rows(tmp_path / "t.csv", Dialect()))
    assert b"".join(blocks) == ROWS
    assert all(block.count(b'"') % 2 == 0 and block.endswith(b"\n") for block in blocks)


@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
def test_a_quote_behind_a_backslash_is_doubled_wherever_the_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "PIECE", chunk)
    monkeypatch.setattr(module, "BLOCK", chunk)
    (tmp_path / "t.csv").write_bytes(b'a\n"say \\"no\\", c:\\\\"\n"x"\n')
    assert b"".join(whole_rows(tmp_path / "t.csv", Dialect(escape="backslash"))) == b'a\n"say ""no"", c:\\"\n"x"\n'


@pytest.mark.parametrize(
    ("row", "count"),
    [(b'a,"x ""y"" z",b', 0), (b'"a""",b', 0), (b'"""a""",b', 0), (b'"","x"\r', 0), (b'a,"x \\"y\\" z"', 2),
     (b'5" tube,x', 1), (b'"abc"x,1', 1), (b'"a"""b"', 1)],
)  # fmt: skip
def test_quotes_in_the_middle_of_a_cell_are_seen(row: bytes, count: int) -> None:
    assert len(stray_quotes(row + b"\n", ",")) == count


def odd_runs(row: bytes) -> list[int]:
    """Where an odd run of quotes begins that has letters of one cell on both sides: looked at sign by sign."""
    places = []
    for place in range(1, len(row)):
        behind = row[place:].lstrip(b'"')
        run = len(row) - place - len(behind)
        if run % 2 and row[place - 1] not in b'"\n,' and behind and behind[0] not in b"\r\n,":
            places.append(place)
    return places


def test_all_quotes_at_once_show_what_each_shows() -> None:
    for length in range(1, 6):
        for signs in product(b'a",\n\r', repeat=length):
            assert stray_quotes(bytes(signs), ",") == odd_runs(bytes(signs)), bytes(signs)


@pytest.mark.parametrize("quotes", [0, 1])
def test_quotes_before_a_piece_say_whether_its_line_breaks_end_rows(quotes: int) -> None:
    piece = b'a\n"b\n'
    assert last_row_end(piece, quotes + 1) == (2 if quotes == 0 else len(piece))


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_the_line_of_a_stray_quote_is_counted_from_the_beginning_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "PIECE", chunk)
    monkeypatch.setattr(module, "BLOCK", chunk)
    (tmp_path / "t.csv").write_bytes(b'a,b\n1,"x\ny"\n2,z\n3,5" tube\n4,"\n')
    with pytest.raises(SchemaError, match="first in line 5 "):
        list(whole_rows(tmp_path / "t.csv", Dialect()))
    (tmp_path / "u.csv").write_bytes(b'a,b\n1,x\n2,"q \\",r \\",t"\n')
    with pytest.raises(SchemaError, match="before or in line 3,"):
        list(whole_rows(tmp_path / "u.csv", Dialect()))


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_gzip_is_taken_off_as_gzip_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(module, "PIECE", piece)
    monkeypatch.setattr(module, "_PACKED", piece)
    members = [gzip.compress(ROWS), gzip.compress(b""), gzip.compress(ROWS * 9)]
    for between in (b"", b"\0" * 5):
        (tmp_path / "t.csv.gz").write_bytes(between.join(members) + between)
        with gzip.open(tmp_path / "t.csv.gz") as file:
            assert b"".join(letters(tmp_path / "t.csv.gz", "utf-8")) == file.read() == ROWS * 10


def test_a_gzip_file_that_is_cut_off_or_changed_anywhere_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(ROWS)
    for end in range(1, len(whole)):
        (tmp_path / "t.csv.gz").write_bytes(whole[:end])
        with pytest.raises(EOFError):
            list(letters(tmp_path / "t.csv.gz", "utf-8"))
    for place in range(len(whole) - 8, len(whole)):  # the sum and the length
        (tmp_path / "t.csv.gz").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(zlib.error):
            list(letters(tmp_path / "t.csv.gz", "utf-8"))


def test_the_header_is_read_without_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 64)
    (tmp_path / "t.csv").write_bytes(b'"a\n",b\n' + b"1,2\n" * 1000)
    rows = first_rows(tmp_path / "t.csv", Dialect())
    assert rows.startswith(b'"a\n",b\n1,2\n')
    assert len(rows) <= 64


def test_a_quote_that_is_never_closed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'a,b\n1,"open\n2,x\n')
    with pytest.raises(SchemaError, match=r"t\.csv must be readable as CSV, .* a quote is never closed"):
        list(whole_rows(tmp_path / "t.csv", Dialect()))


TABLE = Table("notes", (Column("text", "text"),), dialect=Dialect(longest_row=100))


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", "text,other\n{},1\n"), ("t.csv", 'text,other\n"{}",1\n'), ("t.csv.gz", "text\n{}"),
     ("t.tsv", "text\tother\n{}\t1\n"), ("t.jsonl", '{{"text": "{}"}}\n'), ("t.jsonl.gz", '{{"text": "{}"}}')],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [16, 4 * 2**20])
def test_a_row_that_is_too_long_is_refused_in_every_format_and_the_limit_is_a_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, chunk: int
) -> None:
    monkeypatch.setattr(module, "PIECE", chunk)
    monkeypatch.setattr(module, "BLOCK", chunk)
    for length, file in ((40, tmp_path / f"short-{name}"), (200, tmp_path / name)):
        raw = content.format("x" * length).encode()
        file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    assert read(tmp_path / f"short-{name}", TABLE, Tally())["text"].to_list() == ["x" * 40]
    if chunk > 200 and not name.startswith("t.json"):
        return  # a block is at most a row and a piece
    with pytest.raises(SchemaError, match=r"a row must have at most 100 bytes, .* raise `longest_row`"):
        read(tmp_path / name, TABLE, Tally())


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_a_cell_has_a_bound_of_its_own(tmp_path: Path, name: str) -> None:
    bounded = replace(TABLE, dialect=Dialect(longest_cell=100))
    content = {"t.csv": "text,other\n{},1\n", "t.tsv": "text\tother\n{}\t1\n", "t.jsonl": '{{"text": "{}"}}\n'}[name]
    (tmp_path / name).write_text(content.format("x" * 100) * 3, encoding="utf-8")
    assert read(tmp_path / name, bounded, Tally()).height >= 2
    (tmp_path / name).write_text(content.format("x" * 101), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"t\.\w+: a cell must have at most 100 bytes, .* raise `longest_cell`"):
        read(tmp_path / name, bounded, Tally())


@pytest.mark.parametrize(("bound", "law"), [(Dialect(longest_row=100), "a row"), (Dialect(longest_cell=100), "a cell")])
@pytest.mark.parametrize("statistics", [True, False])
def test_a_cell_of_parquet_that_is_too_long_is_refused(
    tmp_path: Path, bound: Dialect, law: str, statistics: bool
) -> None:
    for length, name in ((100, "short"), (101, "long")):
        frame = pl.DataFrame({"text": ["a", None, "x" * length]})
        frame.write_parquet(tmp_path / f"{name}.parquet", statistics=statistics)
    bounded = replace(TABLE, dialect=bound)
    assert read(tmp_path / "short.parquet", bounded, Tally()).height == 2
    with pytest.raises(SchemaError, match=rf"long\.parquet: {law} must have at most 100 bytes"):
        read(tmp_path / "long.parquet", bounded, Tally())


@pytest.mark.parametrize(
    ("cells", "statistics"),
    [(["a", "x" * 101], True), (["x" * 6000, "y" * 6000], False), ([["x" * 6000], ["y" * 6000]], False)],
)
def test_the_footer_of_parquet_tells_of_long_cells_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: list[Any], statistics: bool
) -> None:
    table = pl.DataFrame({"text": cells, "other": [1, 2]}).to_arrow()
    pq.write_table(table, tmp_path / "t.parquet", write_statistics=statistics)
    names = pl.scan_parquet(tmp_path / "t.parquet").collect_schema().names()
    monkeypatch.setattr("chartune.sources.formats.names", lambda *_: names)
    monkeypatch.setattr("chartune.sources.formats.parquet_rows", lambda *_: pytest.fail("rows were read"))
    with pytest.raises(SchemaError, match="a cell must have at most 100 bytes"):
        read(tmp_path / "t.parquet", replace(TABLE, dialect=Dialect(longest_cell=100)), Tally())


@pytest.mark.parametrize("length", [1, 100, 100_000])
def test_the_footer_of_parquet_refuses_no_cell_that_is_short_enough(tmp_path: Path, length: int) -> None:
    """One value per column is its own least and greatest, and the heads of a page may be longer than it."""
    bounded = replace(TABLE, dialect=Dialect(longest_cell=length))
    for count in (1, 3):
        cells = pl.DataFrame({"text": [f"{n:0{length}}" for n in range(count)], "other": ["z" * 500] * count})
        pq.write_table(cells.to_arrow(), tmp_path / f"{count}.parquet", compression="none")
        assert read(tmp_path / f"{count}.parquet", bounded, Tally()).height == count


BOMB = """
import sys
from pathlib import Path
from chartune.errors import SchemaError
from chartune.sources.tabular import Tabular
from chartune.testing.peak import peak_bytes
before = peak_bytes()
try:
    Tabular(file=Path(sys.argv[1])).load()
except SchemaError as error:
    assert "longest_row" in str(error), error
    print(peak_bytes() - before)
"""


def zeros(head: bytes, mebibytes: int) -> Iterator[bytes]:
    yield head
    yield from (b"0" * 2**20 for _ in range(mebibytes))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "head"), [("b.csv.gz", b"text,subject_id,label\n"), ("b.jsonl.gz", b'{"text": "')])
def test_a_bomb_of_one_line_does_not_fill_the_memory(tmp_path: Path, name: str, head: bytes) -> None:
    with gzip.open(tmp_path / name, "wb", 1) as file:
        for piece in zeros(head, 400):
            file.write(piece)
    limit = (4 * 2**30, 4 * 2**30)
    ended = subprocess.run(
        [sys.executable, "-c", BOMB, tmp_path / name], capture_output=True, text=True, check=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )  # fmt: skip
    assert int(ended.stdout) < 200 * 2**20  # the limit of a row, a piece, and their copies
