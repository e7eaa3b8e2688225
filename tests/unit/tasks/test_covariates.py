"""Covariates: what is known on arrival, and nothing that was billed or happened later."""

import polars as pl

from chartune.sources.source import About, Records
from chartune.tasks.covariates import covariates

STAYS = (  # subject, admission, from, to
    (1, 11, 1, 5), (1, 12, 10, 15), (1, 13, 15, 20), (1, 14, 30, None), (2, 21, 1, 9), (2, 22, 5, 12),
)  # fmt: skip
CODES = ((11, "4280", 9), (11, "42811", 9), (12, "I50", 10), (13, "V10", 9), (14, "999", 9), (21, "585", 9))


def records(diagnoses: bool = True) -> Records:
    subject, admission, begins, ends = (list(column) for column in zip(*STAYS, strict=True))
    admissions = pl.DataFrame({
        "subject_id": subject, "hadm_id": admission,
        "admittime": [f"2100-01-{day:02}" for day in begins],
        "dischtime": [None if day is None else f"2100-01-{day:02}" for day in ends],
        "age": [50, 50, 50, 50, 60, 60], "admission_type": [" Emergency ", "ELECTIVE", "", None, "URGENT", "URGENT"],
    }).with_columns(pl.col("admittime", "dischtime").str.to_datetime("%Y-%m-%d"))  # fmt: skip
    subjects = pl.DataFrame({"subject_id": [1, 2], "gender": ["F", "M"]})
    codes = pl.DataFrame(CODES, schema=("hadm_id", "icd_code", "icd_version"), orient="row")
    about = About("t", "t", "t", "t")
    return Records(about, subjects, admissions, lambda: iter(()), diagnoses=codes if diagnoses else None)


def test_earlier_stays_are_those_that_had_ended_and_their_diagnoses_categories() -> None:
    known = {row["hadm_id"]: row for row in covariates(records()).iter_rows(named=True)}
    assert known[11]["earlier_stays"] == 0
    assert known[11]["earlier"] == []  # its own are billed after discharge
    assert known[12]["earlier"] == ["icd9:428"]
    assert known[13]["earlier"] == ["icd10:I50", "icd9:428"]  # one that ended in the moment of arrival counts
    assert (known[14]["earlier_stays"], known[14]["earlier"]) == (3, ["icd10:I50", "icd9:428", "icd9:V10"])
    assert known[22]["earlier_stays"] == 0  # the other one goes on


def test_levels_are_in_small_letters_and_blanks_are_not_known() -> None:
    known = covariates(records()).sort("hadm_id")
    assert known["admission_type"].to_list() == ["emergency", "elective", None, None, "urgent", "urgent"]
    assert known["gender"].to_list() == ["f", "f", "f", "f", "m", "m"]
    assert known["insurance"].null_count() == known.height  # the source has no such column


def test_without_a_table_of_diagnoses_stays_are_counted_all_the_same() -> None:
    known = covariates(records(diagnoses=False)).sort("hadm_id")
    assert known["earlier_stays"].to_list() == [0, 1, 2, 3, 0, 0]
    assert all(codes == [] for codes in known["earlier"].to_list())
