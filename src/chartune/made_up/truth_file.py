"""A parquet file of known truth being written row by row, so that memory does not grow with the hospital."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from chartune.store import sha256

_GROUP: Final = 65_536
"""Rows kept in memory before they are written."""


class TruthFile:
    """One file; `rows` counts what it holds."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._pending: list[Sequence[object]] = []

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self.path, self._schema, compression="zstd")
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def write(self, row: Sequence[object]) -> None:
        """Append a row, in the order of the schema."""
        self._pending.append(row)
        self.rows += 1
        if len(self._pending) >= _GROUP:
            self._flush()

    def about(self) -> dict[str, Any]:
        """For the manifest, once closed."""
        return {
            "file": f"{self.path.parent.name}/{self.path.name}", "rows": self.rows,
            "bytes": self.path.stat().st_size, "sha256": sha256(self.path),
        }  # fmt: skip

    def _flush(self) -> None:
        if self._pending:
            columns = [list(column) for column in zip(*self._pending, strict=True)]
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._pending = []
