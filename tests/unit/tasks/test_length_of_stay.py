"""Length of stay: each bound belongs to the shorter class, deaths are no short stays, tenths round as CORe rounds."""

from typing import Literal

import numpy as np
import polars as pl
import pytest

from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.length_of_stay import CLASSES, DIED, LengthOfStay
from chartune.tasks.stays import Stays
from chartune.testing.small_charts import Row, answers, note, read_by, records_of, stay

SECOND = 1 / 86_400


def summaries(*hadm_ids: int) -> list[Row]:
    """A summary of each that tells a death."""
    return [note(n, f"Chief Complaint:\nFever {n}, patient expired") for n in hadm_ids]


def classes(task: LengthOfStay, *days: float | None) -> list[str | None]:
    """The class of stays of these lengths."""
    labels = answers(task, records_of(*(stay(n, days=length) for n, length in enumerate(days, 1))))
    return [labels.get(n, [None])[0] for n, _ in enumerate(days, 1)]


@pytest.mark.parametrize(("bound", "shorter"), [(3, 0), (7, 1), (14, 2)])
def test_a_bound_belongs_to_the_shorter_class(bound: int, shorter: int) -> None:
    labels = classes(LengthOfStay(), bound - SECOND, bound, bound + SECOND)
    assert labels == [CLASSES[shorter], CLASSES[shorter], CLASSES[shorter + 1]]


@pytest.mark.parametrize("bound", [3, 7, 14])
def test_in_tenths_whatever_rounds_to_the_bound_belongs_to_the_shorter_class(bound: int) -> None:
    exact, tenths = LengthOfStay(), LengthOfStay(days="tenths")
    just_over = [bound + 0.04, bound + 0.05, bound + 0.05 + SECOND]  # 72 minutes are half a tenth, to the even side
    longer = CLASSES[CLASSES.index(classes(exact, bound)[0] or "") + 1]
    assert classes(exact, *just_over) == [longer] * 3
    assert classes(tenths, *just_over) == [*classes(exact, bound, bound), longer]


def test_tenths_are_those_of_numpy_on_every_minute_about_the_bounds() -> None:
    """CORe rounds with `round(Series, 1)`, which is numpy's."""
    days = [bound + minute / 1440 for bound in (3, 7, 14) for minute in range(-200, 200)]
    rounded = np.round(np.array([round(d * 86_400) / 86_400 for d in days]), 1)
    expected = [CLASSES[int(np.searchsorted([3, 7, 14], d, side="left"))] for d in rounded]
    assert classes(LengthOfStay(days="tenths"), *days) == expected


def test_a_stay_without_an_end_has_no_length() -> None:
    assert classes(LengthOfStay(), None) == [None]


@pytest.mark.parametrize(("times", "left"), [("checked", [2]), ("as-given", [1, 2])])
def test_a_stay_that_ends_before_it_begins_is_left_out_where_times_are_checked(
    times: Literal["checked", "as-given"], left: list[int]
) -> None:
    stays = [stay(1, days=-1), stay(2, days=0), stay(3, days=None)]
    examples, steps = read_by(LengthOfStay(stays=Stays(times=times)), stays, summaries(1, 2, 3))
    assert examples["hadm_id"].to_list() == left
    removed = steps["length known"]["removed_admissions"] + steps.get("ends after it begins", {}).get(
        "removed_admissions", 0
    )
    assert removed == 3 - len(left)


def test_deaths_are_removed_as_published_or_a_class_of_their_own() -> None:
    records = records_of(
        stay(1), stay(2, died=1), stay(3, died=None), stay(4, died=1, days=None), stay(5, died=2), stay(6, days=20)
    )
    assert answers(LengthOfStay(), records) == {1: [CLASSES[1]], 6: [CLASSES[3]]}
    kept = LengthOfStay(deaths="class")
    assert answers(kept, records) == {1: [CLASSES[1]], 2: [DIED], 4: [DIED], 6: [CLASSES[3]]}
    assert kept.label_space(pl.DataFrame(), records).labels == (*CLASSES, DIED)
    assert LengthOfStay().label_space(pl.DataFrame(), records).labels == CLASSES


def test_who_is_asked_whether_they_died_is_not_told_so() -> None:
    stays = [stay(1), stay(2, died=1)]
    assert read_by(LengthOfStay(), stays, summaries(1, 2))[0]["hadm_id"].to_list() == [1]
    assert read_by(LengthOfStay(deaths="class"), stays, summaries(1, 2))[0].is_empty()


def test_the_two_questions_have_names_and_answers_of_their_own() -> None:
    one, two = LengthOfStay(), LengthOfStay(deaths="class")
    assert (one.name, two.name) == ("length_of_stay", "length_of_stay_or_death")
    assert DIED not in one.card().asked
    assert two.card().asked.endswith(DIED)
    assert one.label_space(pl.DataFrame(), records_of()).answer == "multiclass"


@pytest.mark.parametrize(("copies", "left"), [("among-eligible", [1]), ("among-all-notes", [])])
def test_where_copies_are_looked_for_among_all_notes_a_text_whose_last_copy_has_no_answer_is_asked_about_nowhere(
    copies: Literal["among-eligible", "among-all-notes"], left: list[int]
) -> None:
    """CORe drops copies before it looks for labels: the later copy counts, and its patient died."""
    same = "Chief Complaint:\nFever\n\nAllergies:\nlatex\n\nNext:\n"
    notes = [note(1, same, charted=0), note(2, same, charted=48)]
    task = LengthOfStay(stays=Stays(times="as-given"), reads=AdmissionNote(copies=copies))
    examples, steps = read_by(task, [stay(1), stay(2, died=1)], notes)
    assert examples["hadm_id"].to_list() == left
    order = list(steps)
    assert (order.index("no duplicate") < order.index(task.question().known[0])) == (copies == "among-all-notes")
