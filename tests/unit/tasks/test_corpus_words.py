"""The adaptation text says what it consists of, and of a note that is left out why."""

import polars as pl
import pytest

from chartune.notes.note import PLAIN
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
