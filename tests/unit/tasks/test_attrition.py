"""Attrition: every filter says what it left, and the differences are what it removed."""

import polars as pl

from chartune.tasks.attrition import Attrition, Cohort


def cohort() -> Cohort:
    admissions = pl.DataFrame({"subject_id": [1, 1, 2], "hadm_id": [11, 12, 21], "age": [40.0, None, 70.0]})
    notes = pl.DataFrame({
        "subject_id": [1, 1, 2, 2, 9], "hadm_id": [11, 12, 21, None, 21], "category": ["a", "a", "b", "a", "a"],
        "notes": [1] * 5,
    })  # fmt: skip
    return Cohort(admissions, notes)


def test_filters_of_admissions_take_their_notes_along() -> None:
    kept = cohort().whose(pl.col("age") > 18)
    assert kept.admissions["hadm_id"].to_list() == [11, 21]
    assert kept.notes.rows() == [
        (1, 11, "a", 1),
        (2, 21, "b", 1),
    ]  # the note of subject 9 names an admission of subject 2


def test_filters_of_notes_take_admissions_without_any_along() -> None:
    kept = cohort().reading(pl.col("category") == "b")
    assert kept.admissions["hadm_id"].to_list() == [21]


def test_removed_and_left_add_up() -> None:
    attrition, start = Attrition(), cohort()
    attrition.record("all", "everything", start)
    attrition.record("of age", "adults", start.whose(pl.col("age") > 50))
    first, second = attrition.to_json()
    assert first == {
        "step": "all", "why": "everything", "subjects": 2, "admissions": 3, "notes": 5,
        "removed_admissions": 0, "removed_notes": 0,
    }  # fmt: skip
    assert (second["subjects"], second["admissions"], second["notes"]) == (1, 1, 1)
    assert (second["removed_admissions"], second["removed_notes"]) == (2, 4)


def test_a_row_may_stand_for_many_notes() -> None:
    attrition, start = Attrition(), cohort()
    many = Cohort(start.admissions, start.notes.with_columns(notes=pl.lit(7)))
    attrition.record("all", "everything", many)
    attrition.record("of age", "adults", many.whose(pl.col("age") > 50))
    assert [(row["notes"], row["removed_notes"]) for row in attrition.to_json()] == [(35, 0), (7, 28)]


def test_counts_of_shards_are_summed() -> None:
    attrition = Attrition()
    attrition.add("read", "why", 1, 2, 3)
    attrition.add("read", "why", 10, 20, 30)
    assert [(row["subjects"], row["admissions"], row["notes"]) for row in attrition.to_json()] == [(11, 22, 33)]


def test_admissions_are_not_counted_where_notes_may_have_none() -> None:
    attrition = Attrition()
    attrition.record_notes("all", "why", cohort().notes)
    attrition.record_notes("some", "why", cohort().notes.head(2))
    assert [row["admissions"] for row in attrition.to_json()] == [None, None]
    assert attrition.to_json()[1]["removed_notes"] == 3
    assert attrition.to_json()[1]["removed_admissions"] is None
