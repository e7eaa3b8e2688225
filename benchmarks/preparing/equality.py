"""Whether chartune, asked as CORe's code asks, and CORe's steps in pandas find the same: ids, labels, texts.

store/<task>.parquet (label by number)  ─┐
                                         ├─ by hadm_id ─▶ rows of one only · labels that differ · texts that differ
pandas/<task>.csv (label by name)       ─┘
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.store import Store
from chartune.tasks.prepare import label_space, prepare, read_task
from preparing.ways import TASKS, preparation_of

SHOWN: Final = 5
"""Admissions that are named of each difference; they are made up."""


@dataclass(frozen=True)
class Agreement:
    """One task, both ways."""

    task: str
    rows: int
    """Of chartune."""
    rows_in_pandas: int
    only_chartune: list[int] = field(default_factory=list)
    """hadm_id of rows that the other lacks; at most `SHOWN`, as in all lists."""
    only_pandas: list[int] = field(default_factory=list)
    labels_differ: list[int] = field(default_factory=list)
    texts_differ: list[int] = field(default_factory=list)
    differences: int = 0
    """Admissions in any of these."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def agreements(folder: Path, store: Path, in_pandas: Sequence[Path]) -> list[Agreement]:
    """How far both agree, task by task.

    Args:
        folder: the hospital.
        store: where chartune's preparation of it stands.
        in_pandas: folder of the CSV file of each task, in the order of `TASKS`.
    """
    made = prepare(preparation_of(folder, "paper-code"), Store(store))
    agreements = []
    for task, csv in zip(TASKS, in_pandas, strict=True):
        labels = label_space(made, task).labels if task in ("diagnoses_icd9", "procedures_icd9") else None
        ours = named(read_task(made, task), labels)
        theirs = pl.read_csv(csv / f"{task}.csv", infer_schema=False)
        agreements.append(compared(task, ours, in_order(theirs)))
    return agreements


def named(examples: pl.DataFrame, labels: tuple[str, ...] | None) -> pl.DataFrame:
    """Examples as hadm_id · text · label str.

    Args:
        examples: as they were prepared.
        labels: names by number, of which any may apply: sorted and joined by commas; None: the number itself.
    """
    if labels is None:
        label = examples["label"].cast(pl.String)
    else:
        label = pl.Series([",".join(sorted(labels[number] for number in some)) for some in examples["label"]])
    return examples.select("hadm_id", "text", label=label)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of pandas as hadm_id · text · label str, labels sorted."""
    label = pl.col("label").str.split(",").list.sort().list.join(",")
    return rows.select(pl.col("id").cast(pl.Int64).alias("hadm_id"), "text", label)


def compared(task: str, ours: pl.DataFrame, theirs: pl.DataFrame) -> Agreement:
    """How far two tables of hadm_id · text · label agree."""
    both = ours.join(theirs, on="hadm_id", suffix="_theirs")
    lists = {
        "only_chartune": ours.join(theirs, on="hadm_id", how="anti"),
        "only_pandas": theirs.join(ours, on="hadm_id", how="anti"),
        "labels_differ": both.filter(pl.col("label") != pl.col("label_theirs")),
        "texts_differ": both.filter(pl.col("text") != pl.col("text_theirs")),
    }
    differing = pl.concat([rows["hadm_id"] for rows in lists.values()]).n_unique()
    named = {name: rows["hadm_id"].sort().head(SHOWN).to_list() for name, rows in lists.items()}
    return Agreement(task, ours.height, theirs.height, differences=differing, **named)
