"""Rows of Parquet: some at a time of any row group, all of them or none, and letters only."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chartune.errors import SchemaError
from chartune.sources.parquet_rows import parquet_rows
from chartune.sources.reading import read
from chartune.sources.tables import Column, Table, Tally

TABLE = Table("t", (Column("text", "text"),))
COUNTED = b"\x16\xd8\x04"
"""300 rows, as the footer has it: field 3 of a row group, an i64 in compact Thrift."""


def written(folder: Path, cells: Any, **options: Any) -> Path:
    pq.write_table(pa.table({"text": cells}), folder / "t.parquet", **options)
    return folder / "t.parquet"


def test_of_one_large_row_group_little_is_held(tmp_path: Path) -> None:
    cells = [f"{n:04096}" for n in range(4096)]
    file = written(tmp_path, cells, compression="none", use_dictionary=False, write_batch_size=64)
    before, rows = pa.total_allocated_bytes(), parquet_rows(file, ["text"], 256)
    assert next(rows)["text"].to_list() == cells[:256]
    assert pa.total_allocated_bytes() - before < 6 << 20  # of 16 MiB
    assert [part.height for part in rows] == [256] * 15


def test_a_batch_goes_on_over_the_edge_of_a_row_group(tmp_path: Path) -> None:
    file = written(tmp_path, [str(n) for n in range(10)], row_group_size=3)
    assert [part["text"].to_list() for part in parquet_rows(file, ["text"], 4)] == [
        ["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]
    ]  # fmt: skip


def test_a_row_group_with_fewer_rows_than_the_footer_counts_is_damaged(tmp_path: Path) -> None:
    file = written(tmp_path, [f"septic {n}" for n in range(300)])
    before, _, after = (raw := file.read_bytes()).rpartition(COUNTED)
    assert raw.count(COUNTED) == 3
    file.write_bytes(before + b"\x16\xd8\x02" + after)
    with pytest.raises(SchemaError, match="it is damaged") as refused:
        read(file, TABLE, Tally())
    assert "septic" not in str(refused.value)


def test_bytes_that_are_no_letters_are_damage_and_not_quoted(tmp_path: Path) -> None:
    file = written(tmp_path, pa.array([b"septic \xe5"]).view(pa.string()))
    with pytest.raises(SchemaError, match="it is damaged"):
        read(file, TABLE, Tally())
    file.write_bytes(written(tmp_path, ["septic"]).read_bytes().replace(b"text", b"te\xe5\xe5"))
    with pytest.raises(SchemaError):
        read(file, TABLE, Tally())


@pytest.mark.skipif(not hasattr(pa, "json_"), reason="this pyarrow knows no JSON")
def test_a_column_that_is_said_to_be_json_is_text(tmp_path: Path) -> None:
    file = written(tmp_path, pa.array(['{"a": 1}'], pa.json_()))
    assert read(file, TABLE, Tally())["text"].to_list() == ['{"a": 1}']
