"""Links: a row that names an admission or an ICU stay names its patient, too; where the two disagree, it is not used.

    note of patient 7, admission 1042 of patient 9   ─▶ note of patient 7 without an admission, counted and warned of
    charted of patient 7, ICU stay of patient 9      ─▶ passed over, counted and warned of

Which of both keys is wrong nobody knows; by either alone one patient's data would become another's.
"""

from typing import Final

import polars as pl

from chartune.sources.coverage import KNOWN_ADMISSION
from chartune.sources.tables import Tally, strangers

STRANGE_STAY: Final = "that name an ICU stay of another patient"
"""Why rows of the bedside chart are passed over."""


def own(rows: pl.DataFrame, admissions: pl.DataFrame, tally: Tally | None = None) -> tuple[pl.DataFrame, int]:
    """The rows, `hadm_id` null where that admission is of another patient, and how many these are.

    Args:
        rows: subject_id · hadm_id? and others.
        admissions: subject_id · hadm_id of the source; of an admission that it lacks nothing is known.
        tally: counts how many name an admission of the source; None: nobody asks.
    """
    owners = _owners(rows, admissions, "hadm_id")
    strange = (owners != rows["subject_id"]).fill_null(False)
    count = int(strange.sum())
    if tally is not None:
        tally.reach(KNOWN_ADMISSION, rows.height - rows["hadm_id"].null_count(), rows.height - owners.null_count())
    kept = pl.when(~strange).then(pl.col("hadm_id")).alias("hadm_id")
    return (rows.with_columns(kept) if count else rows), count


def own_table(
    table: str, rows: pl.DataFrame | None, admissions: pl.DataFrame, tally: Tally | None = None
) -> tuple[pl.DataFrame | None, list[str]]:
    """As `own`, of a whole table or none, with the warning."""
    if rows is None:
        return None, []
    kept, count = own(rows, admissions, tally)
    return kept, strangers(table, count)


def own_notes(notes: pl.DataFrame, admissions: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """As `own`, of a batch; counted by the tally."""
    kept, count = own(notes, admissions, tally)
    tally.strangers += count
    return kept


def of_own_stays(rows: pl.DataFrame, stays: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """The rows (subject_id · stay_id? · …) whose ICU stay is not of another patient; the others are counted."""
    strange = (_owners(rows, stays, "stay_id") != rows["subject_id"]).fill_null(False)
    if not strange.any():
        return rows
    tally.pass_over({STRANGE_STAY: int(strange.sum())})
    return rows.filter(~strange)


def _owners(rows: pl.DataFrame, of: pl.DataFrame, key: str) -> pl.Series:
    """Whose the admission or stay of each row is; null: it names none, or one that is not known."""
    owners = of.select(key, owner="subject_id").unique(key)
    return rows.select(key).join(owners, on=key, how="left", maintain_order="left")["owner"]
