"""The oracle: after so many words of an admission text, the true probability of death given the facts in them.

    oracle.parquet: hadm_id i64 · words i32 · p_death f64     per admission from words = 0, one row per change

No model that reads the same words can rank better on average: its AUROC is the best reachable. Ages, facts and their
negation count, chance does not. It is exact where sections end; inside one, a condition that is not yet written stands
at its prior, though its silence so far already says a little. Probabilities are given that the note does not tell the
death, since tasks drop those that do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from chartune.errors import DataError
from chartune.sources.marker import marker

FOLDER: Final = "made-up"
ORACLE: Final = "oracle.parquet"

ORACLE_SCHEMA: Final = pa.schema([("hadm_id", pa.int64()), ("words", pa.int32()), ("p_death", pa.float64())])


KNOWS: Final = ("mortality", "admission-note")
"""The task whose true probabilities it tells, and what is read: it knows those of each prefix."""


def oracle_of(source: Any, task: str, reads: Mapping[str, Any] | None) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    """The oracle (`oracle_probability`) of the hospital that a task was prepared from.

    Args:
        source: where the data came from.
        task: its name.
        reads: what is read of a chart, as plain data.

    Returns:
        None: the oracle does not know the task, or the very tables that are read are not those of a made-up hospital
        with its own oracle.
    """
    if (task, (reads or {}).get("kind")) != KNOWS:
        return None
    if marker(source.folder, source.files().values(), truths=("oracle",)) is None:
        return None
    return partial(oracle_probability, source.folder)


def oracle_probability(folder: Path, read: pl.DataFrame) -> pl.DataFrame:
    """The true P(death | facts within the first `words` words) of admissions of a made-up hospital.

    Args:
        folder: of the hospital.
        read: hadm_id · words (of the admission text that a model sees, `len(text.split())` at most).

    Returns:
        hadm_id i64 · p_death f64, in the order of `read`.

    Raises:
        DataError: the hospital has no oracle, or none for one of the admissions, such as a newborn's.
    """
    path = Path(folder) / FOLDER / ORACLE
    if not path.is_file():
        raise DataError(
            f"only a made-up hospital knows its truth, but {path} does not exist; make one with make-hospital."
        )
    asked = read.select(pl.col("hadm_id").cast(pl.Int64), pl.col("words").cast(pl.Int32)).with_row_index("place")
    # Not an as-of join by group: sorting admissions apart is cheap and cannot mix them up.
    known = pl.read_parquet(path, memory_map=False).rename({"words": "from"})
    believed = (
        asked.join(known, on="hadm_id", how="inner")
        .filter(pl.col("from") <= pl.col("words"))
        .sort("place", "from")
        .group_by("place", maintain_order=True)
        .agg(pl.col("hadm_id").last(), pl.col("p_death").last())
    )
    if believed.height < asked.height:
        lacking = asked.join(believed, on="place", how="anti")["hadm_id"].unique().sort()
        raise DataError(
            f"every admission asked about must have a written oracle, but {lacking.len()} have none in {path}, "
            f"the first is {lacking[0]}; ask about adult admissions with a discharge summary of this hospital."
        )
    return believed.select("hadm_id", "p_death")
