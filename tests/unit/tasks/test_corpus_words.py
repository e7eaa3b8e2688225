"""The adaptation text says what it consists of, and of a note that is left out why."""

import polars as pl
import pytest

from chartune.notes.note import PLAIN
from chartune.sources.splits import CORPUS_ONLY
from chartune.tasks.attrition import Attrition
from chartune.tasks.corpus import Corpus

NOTES = pl.DataFrame({
    "note_id": ["1", "2", "3"], "subject_id": [1, 1, 2], "hadm_id": [1, 1, 2], "note_seq": [1, 2, 3], "words": [9] * 3,
    "category": ["Discharge summary", "Nursing", "Radiology"], "copy_key": [1, 2, 3], "split": ["train"] * 3,
    "is_error": [False] * 3, "notes": [1] * 3,
})  # fmt: skip


@pytest.mark.parametrize(
    ("categories", "title"),
    [
        (("Discharge summary", "Radiology"), "Adaptation text: discharge summaries and radiology reports"),
        (("Nursing",), "Adaptation text: nursing notes"),
        ((PLAIN,), "Adaptation text: texts of the table"),
    ],
)
def test_the_title_calls_the_notes_what_people_call_them(categories: tuple[str, ...], title: str) -> None:
    assert Corpus(categories=categories).title() == title


def test_the_reason_why_a_category_is_left_out_is_that_it_is_another() -> None:
    attrition = Attrition()
    assert Corpus().select(NOTES, attrition)["note_id"].to_list() == ["1", "3"]
    (step,) = [row for row in attrition.to_json() if row["step"] == "wanted category"]
    assert (step["removed_notes"], step["why"]) == (1, "other than Discharge summary and Radiology")


def test_of_copies_the_last_of_its_split_counts_and_none_of_a_held_out_text_is_learnt() -> None:
    rows = [
        ("later patient", 2, 4, 1, "train"), ("later", 1, 3, 1, "train"), ("earlier", 1, 1, 1, "train"),
        ("other", 1, 2, 2, "train"), ("again", 7, 12, 1, CORPUS_ONLY),
        ("in validation", 3, 5, 5, "validation"), ("in the test", 4, 7, 5, "test"), ("before", 4, 6, 5, "test"),
        ("learnt", 6, 9, 5, "train"), ("validation alone", 3, 10, 6, "validation"), ("adapted", 7, 11, 6, CORPUS_ONLY),
    ]  # fmt: skip
    schema = ["note_id", "subject_id", "note_seq", "copy_key", "split"]
    notes = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        hadm_id="subject_id", words=pl.lit(9), category=pl.lit("Radiology"), is_error=False, notes=1
    )
    kept = Corpus().select(notes, Attrition())
    assert kept["note_id"].to_list() == ["other", "in validation", "validation alone", "in the test", "again"]
    assert kept["split"].to_list() == ["train", "validation", "validation", "test", "train"]
