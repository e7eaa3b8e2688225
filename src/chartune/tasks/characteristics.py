"""Characteristics: who the patients of a task are, by split and by outcome; what a paper's Table 1 is made from.

    examples ─join admissions, subjects─▶ age 71 (58 to 80) · sex: female 412, male 503 · … ─▶ dataset.json

Rows are counted, not patients. What the source does not know of anybody is left out; of whom it is not known is
counted as missing and never imputed.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from chartune.sources.source import Records
from chartune.sources.splits import SPLITS
from chartune.tasks.attrition import KEY
from chartune.tasks.dataset import Characteristic, Counts
from chartune.tasks.labels import LabelSpace

OUTCOME: Final = "outcome: "
"""Begins the name of a group of all splits that has one class."""
MOST_CLASSES: Final = 8
"""Classes beyond which there is no group for each."""
MOST_LEVELS: Final = 7
"""Levels that are named: with those that are not they are few enough parts of a whole."""
LEAST_PATIENTS: Final = 10
"""Behind a level that is named: a rare word could be one patient's."""
OTHER: Final = "other"
LONGEST: Final = 40
"""Characters of a level."""
DAY: Final = 86_400
_MEASURED: Final = {"age": "years", "length of stay": "days", "text": "words"}
_NAMED: Final = {
    "sex": "gender", "admission type": "admission_type", "race": "race", "insurance": "insurance",
    "language": "language",
}  # fmt: skip
"""Name → column."""
_SEXES: Final = {"f": "female", "m": "male"}


def groups_of(examples: pl.DataFrame, space: LabelSpace) -> Counts:
    """Rows and patients of each split, and of each class over all splits, where each row has one of a few.

    Args:
        examples: subject_id, split, label.
        space: the classes.
    """
    return {name: {"subjects": rows["subject_id"].n_unique(), "admissions": rows.height}
            for name, rows in _groups(examples, space)}  # fmt: skip


def characteristics(examples: pl.DataFrame, records: Records, space: LabelSpace) -> tuple[Characteristic, ...]:
    """What the source knows of the rows of a task.

    Args:
        examples: subject_id, hadm_id, split, label, text.
        records: of the source.
        space: the classes.
    """
    stay = (pl.col("dischtime") - pl.col("admittime")).dt.total_seconds() / DAY
    admissions = records.admissions.with_columns(**{"length of stay": stay})
    rows = (
        examples.select("subject_id", "hadm_id", "split", "label", text=pl.col("text").str.count_matches(r"\S+"))
        .join(admissions, on=KEY, how="left", maintain_order="left")
        .join(records.subjects.select("subject_id", "gender"), on="subject_id", how="left", maintain_order="left")
    )
    measured = [_measured(rows, space, name, unit) for name, unit in _MEASURED.items() if _known(rows, name)]
    named = [_named(rows, space, name, column) for name, column in _NAMED.items() if _known(rows, column)]
    return (*measured[:1], *named, *measured[1:])


def level_of(name: str, column: str) -> pl.Expr:
    """The level of a characteristic that a column holds, in small letters; null: not known."""
    level = pl.col(column).str.strip_chars().str.to_lowercase().str.slice(0, LONGEST)
    level = level.replace(_SEXES) if name == "sex" else level
    return pl.when(level != "").then(level)


def _known(rows: pl.DataFrame, column: str) -> bool:
    return column in rows.columns and rows[column].count() > 0


def _groups(rows: pl.DataFrame, space: LabelSpace) -> Iterator[tuple[str, pl.DataFrame]]:
    for split in SPLITS:
        part = rows.filter(pl.col("split") == split)
        if not part.is_empty():
            yield split, part
    if not space.form.several and len(space.labels) <= MOST_CLASSES:
        for number, name in enumerate(space.labels):
            yield f"{OUTCOME}{name}", rows.filter(pl.col("label") == number)


def _measured(rows: pl.DataFrame, space: LabelSpace, name: str, unit: str) -> Characteristic:
    quartiles, missing = {}, {}
    for group, part in _groups(rows, space):
        known = part[name].drop_nulls()
        missing[group] = part.height - known.len()
        if known.len():
            low, middle, high = (float(known.quantile(q, "linear") or 0) for q in (0.25, 0.5, 0.75))
            quartiles[group] = (round(low, 1), round(middle, 1), round(high, 1))
    return Characteristic(name=name, unit=unit, quartiles=quartiles, missing=missing)


def _named(rows: pl.DataFrame, space: LabelSpace, name: str, column: str) -> Characteristic:
    levelled = rows.with_columns(level=level_of(name, column))
    order = _frequent(levelled)
    known = pl.col("level").is_not_null()
    levelled = levelled.with_columns(
        level=pl.when(pl.col("level").is_in(order)).then("level").when(known).then(pl.lit(OTHER))
    )
    if levelled["level"].eq(OTHER).any() and OTHER not in order:
        order.append(OTHER)
    counts: dict[str, dict[str, int]] = {name: {} for name in order}
    missing = {}
    for group, part in _groups(levelled, space):
        missing[group] = part["level"].null_count()
        for each in order:
            counts[each][group] = part.filter(pl.col("level") == each).height
    return Characteristic(name=name, levels=counts, missing=missing)


def _frequent(rows: pl.DataFrame) -> list[str]:
    """The levels that are named, the most frequent first."""
    each = rows.drop_nulls("level").group_by("level").agg(pl.len(), people=pl.col("subject_id").n_unique())
    enough = each.filter(pl.col("people") >= LEAST_PATIENTS).sort(["len", "level"], descending=[True, False])
    return enough["level"].head(MOST_LEVELS).to_list()
