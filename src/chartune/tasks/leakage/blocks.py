"""Blocks: prepared files read piece by piece, so that memory does not grow with them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from chartune.store import opened
from chartune.tasks.frames import BLOCK, ROW_GROUP, guarded


@dataclass(frozen=True)
class Rows:
    """Some rows of a prepared file."""

    file: Path
    """Parquet, with a column `split`."""
    splits: Collection[str] = ()
    """Whose rows; empty: all."""

    def columns(self, *names: str) -> pl.DataFrame:
        """A few narrow columns of all rows at once. Raises StoreError: the file is gone or damaged."""
        return guarded(self.file, lambda: self._wanted().select(*names).collect())

    def blocks(self, *names: str) -> Iterator[pl.DataFrame]:
        """The rows in order, at most `BLOCK` at once; no names: all columns. Raises StoreError as `columns`."""
        for start in range(0, self._height(), ROW_GROUP):
            some = self._wanted(start).select(*names or ["*"])
            yield from guarded(self.file, some.collect).iter_slices(BLOCK)

    def schema(self) -> pl.Schema:
        """The columns of the file. Raises StoreError as `columns`."""
        return guarded(self.file, lambda: self._all().collect_schema())

    def _height(self) -> int:
        return int(guarded(self.file, lambda: self._all().select(pl.len()).collect()).item())

    def _all(self) -> pl.LazyFrame:
        return pl.scan_parquet(opened(self.file))

    def _wanted(self, start: int | None = None) -> pl.LazyFrame:
        rows = self._all()
        some = rows if start is None else rows.slice(start, ROW_GROUP)
        return some.filter(pl.col("split").is_in(list(self.splits))) if self.splits else some
