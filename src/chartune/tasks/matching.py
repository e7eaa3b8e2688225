"""Matching: which admission each label of a file is about.

label of hadm_id 1042           ─▶ that admission
label of a patient at 13:05     ─▶ the admission with admittime ≤ 13:05 ≤ dischtime
several labels of an admission  ─▶ the first of them, or the last; the others are counted
"""

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from chartune.errors import DataError, LeakageError
from chartune.sources.splits import CORPUS_ONLY, HELD_OUT

LABELLED_AT: Final = "labelled_at"
"""Column of matched admissions: the time of prediction that their label names; null: it names none."""
_HELD: Final = (pl.col("admittime") <= pl.col("prediction_time")) & (pl.col("prediction_time") <= pl.col("dischtime"))


@dataclass(frozen=True)
class Matched:
    """Labels by admission, and what was left out on the way."""

    frame: pl.DataFrame
    """subject_id i64 · hadm_id i64 (unique) · asked list[str] · labelled_at datetime? · listed str? (a split)."""
    rows: int
    """Rows of the file."""
    empty: int
    """Rows without a label."""
    elsewhere: int
    """Rows with one that fit no admission of the source."""
    ambiguous: int
    """Rows whose time lies in two admissions, such as a discharge that is the next admission."""
    surplus: int
    """Rows that name an admission which another row was chosen for."""

    def unmatched(self, name: str) -> tuple[str, ...]:
        """What a reader of the data card should know of the labels of a task; counts only."""
        counts = {
            "have no label": self.empty, "fit no admission": self.elsewhere, "fit two admissions": self.ambiguous,
            "are further times of an admission": self.surplus,
        }  # fmt: skip
        return tuple(
            f"{name}: {count} of {self.rows} rows of labels {what}." for what, count in counts.items() if count
        )


def match(answers: pl.DataFrame, admissions: pl.DataFrame, which: Literal["first", "last"]) -> Matched:
    """Find the admission of each label.

    Args:
        answers: `chartune.sources.answers.ANSWERS`.
        admissions: of the source: subject_id · hadm_id · admittime · dischtime?.
        which: of several times in one admission.

    Raises:
        DataError: labels name a patient and an admission that do not belong together, or none fits the source.
    """
    labelled = answers.drop_nulls("asked").with_row_index("row")
    candidates = _candidates(labelled, admissions)
    alone = candidates.filter(pl.len().over("row") == 1)
    ordered = alone.sort("hadm_id", "prediction_time", "row", nulls_last=True)
    chosen = ordered.unique("hadm_id", keep=which, maintain_order=True)
    fitting = candidates["row"].n_unique()
    if labelled.height and not fitting:
        raise DataError(
            f"labels must name admissions of the source, but none of {labelled.height} does (of {admissions.height} "
            f"admissions there); give the labels of this source."
        )
    frame = chosen.select(
        "subject_id", "hadm_id", "asked", pl.col("prediction_time").alias(LABELLED_AT), pl.col("split").alias("listed")
    )
    return Matched(
        frame,
        rows=answers.height,
        empty=answers.height - labelled.height,
        elsewhere=labelled.height - fitting,
        ambiguous=fitting - alone.height,
        surplus=alone.height - frame.height,
    )


def refuse_two_splits(matched: Matched) -> None:
    """Refuse labels whose own splits share a patient. Raises LeakageError: with the number of such patients."""
    listed = matched.frame.drop_nulls("listed").select("subject_id", "listed").unique()
    twice = listed.filter(pl.col("subject_id").is_duplicated())["subject_id"].n_unique()
    if twice:
        raise LeakageError(
            f"a patient must stand in one split, but the labels put {twice} into two or more (they were split by "
            f"admission); leave `split` at source, or correct the file."
        )


def moved(name: str, matched: Matched, splits: pl.DataFrame) -> tuple[str, ...]:
    """How the splits of a task's labels differ from those of the source; counts only.

    Args:
        name: of the task.
        matched: with `listed`.
        splits: subject_id · split of the source (`Assignment.frame`).
    """
    listed = matched.frame.drop_nulls("listed").select("subject_id", "listed").unique()
    patients = listed.join(splits, on="subject_id", how="left")
    apart = patients.filter(pl.col("split").ne_missing(pl.col("listed"))).height
    learnt = patients.filter(pl.col("split").is_in(["train", CORPUS_ONLY]) & pl.col("listed").is_in(HELD_OUT)).height
    messages = [
        f"{name}: splits are those of its labels; {apart} of {patients.height} patients stand elsewhere in the "
        f"source's."
    ]
    if learnt:
        messages.append(
            f"{name}: {learnt} held-out patients stand in the source's train or corpus part, so that a model adapted "
            f"on this corpus has read their notes."
        )
    return tuple(messages)


def _candidates(labelled: pl.DataFrame, admissions: pl.DataFrame) -> pl.DataFrame:
    """Each label with each admission that fits it."""
    known = admissions.select("subject_id", "hadm_id", "admittime", "dischtime")
    named = labelled.drop_nulls("hadm_id").join(known, on="hadm_id", suffix="_there")
    strange = named.filter(pl.col("subject_id") != pl.col("subject_id_there")).height
    if strange:
        raise DataError(
            f"labels must name the patient of each admission, but {strange} rows name another one than the source; "
            f"give the labels of this source."
        )
    named = named.drop("subject_id").rename({"subject_id_there": "subject_id"})
    named = named.filter(pl.col("prediction_time").is_null() | _HELD)
    nameless = labelled.filter(pl.col("hadm_id").is_null()).drop("hadm_id")
    timed = nameless.join(known, on="subject_id").filter(_HELD)
    columns = ["row", "subject_id", "hadm_id", "prediction_time", "asked", "split"]
    return pl.concat([named.select(columns), timed.select(columns)])
