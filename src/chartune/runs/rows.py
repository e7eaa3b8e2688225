"""Rows: whether a table of predictions holds what its form of answer writes: ids, labels, and numbers of a model.

split · subject_id · hadm_id · label │ logit, probability      one outcome
                                     │ logits                  classes, many labels
                                     │ spans                   places in a document
"""

from typing import Any

import numpy as np
import polars as pl

from chartune.answers import Answer


def flaw_of(rows: pl.DataFrame, form: Answer) -> str:
    """What is not as the form writes it, in words; empty: nothing. Columns are named, never a cell.

    Args:
        rows: of a run, all splits.
        form: of its answers.
    """
    wanted = _columns(form)
    lacking = [name for name in wanted if name not in rows.columns]
    if lacking:
        return f"column {lacking[0]} is missing"
    for name, dtype in wanted.items():
        if not _alike(rows.schema[name], dtype):
            return f"column {name} must hold {dtype}, not {rows.schema[name]}"
        if rows[name].null_count():
            return f"column {name} has empty cells"
    return _labels(rows, form)


def _columns(form: Answer) -> dict[str, Any]:
    """Name → type, of all that a run of this form keeps of a row."""
    numbers = form.predicted(form.decide(np.empty((0, 2), dtype=np.float32)), None)
    ids = {"split": pl.String(), "subject_id": pl.Int64(), "hadm_id": pl.Int64(), "label": form.label_dtype}
    return {**ids, **{column.name: column.dtype for column in numbers}}


def _alike(found: Any, wanted: Any) -> bool:
    """Whether both are whole numbers, or both fractions, of whatever width; lists and structs of such."""
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List) and _alike(found.inner, wanted.inner)
    if isinstance(wanted, pl.Struct):
        own = {field.name: field.dtype for field in found.fields} if isinstance(found, pl.Struct) else {}
        return all(field.name in own and _alike(own[field.name], field.dtype) for field in wanted.fields)
    if wanted.is_integer() or wanted.is_float():
        return bool((found.is_integer(), found.is_float()) == (wanted.is_integer(), wanted.is_float()))
    return bool(found == wanted)


def _labels(rows: pl.DataFrame, form: Answer) -> str:
    """Whether labels are numbers of what the model says something of."""
    if rows.is_empty() or not form.whole_text:
        return ""
    count = 2
    if "logits" in rows.columns:
        lengths = rows["logits"].list.len()
        count = int(lengths[0])
        if lengths.n_unique() > 1:
            return "column logits has rows of several lengths"
    numbers = rows["label"].explode() if rows.schema["label"] == pl.List else rows["label"]
    numbers = numbers.drop_nulls()  # of rows without any label
    return "" if numbers.is_between(0, count - 1).all() else f"column label must hold numbers from 0 to {count - 1}"
