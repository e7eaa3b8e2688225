"""Thin splits: reported when data are prepared, so that nobody trains for a day to score three deaths."""

from itertools import compress
from typing import Final

import numpy as np
import polars as pl

from chartune.answers import ENOUGH_CASES, Answer
from chartune.disclosure import is_made_up, shown
from chartune.sources.splits import SPLITS
from chartune.store import Artefact
from chartune.tasks.dataset import Dataset
from chartune.tasks.frames import read_frame
from chartune.tasks.soundness import emptied, of_other_codes

_OPTIONAL: Final = ("calibration",)
"""Splits that may have nobody."""


def thin_splits(artefact: Artefact, dataset: Dataset) -> list[str]:
    """A line for each task or corpus that has nobody, with the filter that left nobody, and for each thin task.

    Thin is a split of fewer than ten examples; of a task that chooses among classes, one class only; of a yes-or-no
    task, with fewer than ten of either; of a task with one answer of several, without an example of some; of a task
    with many labels, without one that has ten training cases and tells the examples of the split apart.

    Raises:
        StoreError: a file of the store is damaged.
    """
    empty, lines = emptied(dataset.parts()), []
    silent = {*empty, *of_other_codes(dataset.parts())}
    for name, entry in dataset.tasks.items():
        frame = read_frame(artefact.path / f"{name}.parquet", ["split", entry.form.label_column])
        if name in silent:
            continue
        labels, open_data = len(entry.labels), is_made_up(dataset.source)
        thin = _thin(entry.form.examples(frame, entry.labels), entry.form, labels, open_data)
        lines += [f"{name}: {thin}."] if thin else []
    return [*empty.values(), *lines]


def _thin(frame: pl.DataFrame, form: Answer, labels: int, open_data: bool) -> str:
    """What is thin in the examples of a task; empty: nothing."""
    if frame.is_empty():
        return "no split has an example"
    if form.several and not labels:
        return f"no label has {ENOUGH_CASES} training cases, so that there is nothing to learn"
    if labels < form.fewest_labels:
        if form.whole_text:
            return "all training examples have one class, so that there is nothing to tell apart"
        return "no training document has an annotated span, so that there is nothing to learn"
    rows = {split: frame.filter(pl.col("split") == split) for split in SPLITS}
    counted = form.counted(np.array(_cases(rows["train"], form, labels), dtype=np.int64))
    parts = []
    for split, examples in rows.items():
        if examples.is_empty() and split in _OPTIONAL:
            continue
        cases = list(compress(_cases(examples, form, labels), counted))
        lacking = form.lacks(cases, examples.height, open_data) if labels and examples.height else ""
        if lacking or examples.height < ENOUGH_CASES:
            noun = "example" if open_data and examples.height == 1 else "examples"
            parts.append(f"{split} has {shown(examples.height, open_data)} {noun}{lacking}")
    return "; ".join(parts)


def _cases(examples: pl.DataFrame, form: Answer, labels: int) -> list[int]:
    """How many examples each label applies to."""
    if not labels:
        return []
    if not form.whole_text:
        return [int(cases) for cases in form.cases(form.encoded(examples["label"], labels), labels)]
    flat = examples["label"].explode() if examples.schema["label"].is_nested() else examples["label"]
    counted = dict(flat.drop_nulls().value_counts().iter_rows())
    return [counted.get(label, 0) for label in range(labels)]
