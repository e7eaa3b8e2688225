"""Nats by patient: what of a pretraining run is kept so that another can be compared with it, patient by patient.

nll.parquet: split · subject_id · tokens · bytes · before · after · unigram      ids and numbers, never text
"""

from typing import Any, Final, get_args

import polars as pl

from chartune.metrics.perplexity import Reader, Sums

NLL: Final = "nll.parquet"
READERS: Final[tuple[Reader, ...]] = get_args(Reader)
COLUMNS: Final[dict[str, Any]] = {
    "split": pl.String, "subject_id": pl.Int64, "tokens": pl.Int64, "bytes": pl.Int64,
    "before": pl.Float64, "after": pl.Float64, "unigram": pl.Float64,
}  # fmt: skip
"""Null: not counted, or not read."""


def nll_rows(split: str, sums: Sums) -> pl.DataFrame:
    """Sums as rows of `COLUMNS`."""
    columns: dict[str, Any] = {"subject_id": sums.patients, "tokens": sums.tokens, "bytes": sums.bytes}
    columns |= {reader: sums.nats.get(reader) for reader in READERS}
    given = {name: columns[name] for name in COLUMNS if name != "split"}
    return pl.DataFrame({"split": [split] * len(sums.patients), **given}, schema=COLUMNS)


def sums_of(rows: pl.DataFrame, split: str) -> Sums | None:
    """The inverse of `nll_rows`, of one of the splits; None: it was not read."""
    of_split = rows.filter(pl.col("split") == split)
    if of_split.is_empty():
        return None
    nats = {reader: of_split[reader].to_numpy() for reader in READERS if of_split[reader].null_count() == 0}
    counted = None if of_split["bytes"].null_count() else of_split["bytes"].to_numpy()
    return Sums(of_split["subject_id"].to_numpy(), of_split["tokens"].to_numpy(), nats, counted)
