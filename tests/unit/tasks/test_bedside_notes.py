"""Bedside notes: what was stored until the prediction, and nothing that bears a later time, whatever chart it is."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.sources.source import Records
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.bedside_notes import ANCHOR, BedsideNotes
from chartune.tasks.inputs import EXAMPLES
from chartune.tasks.labels import LabelSpace
from chartune.tasks.late_mortality import LateMortality
from chartune.tasks.leakage.examples import Prepared, look_at
from chartune.tasks.leakage.verdicts import TIMES, verdicts
from chartune.tasks.mortality import Mortality
from chartune.tasks.whole_summary import WholeSummary
from chartune.testing.small_charts import Row, at, note, read_by, records_of, stay

SECOND = 1 / 3600
STAY = stay(1, days=5)


def bedside(text: str, stored: float | None = None, **other: Any) -> Row:
    return note(1, text, stored=stored, **{"category": "Nursing", **other})


def texts(*notes: Row, stays: tuple[Row, ...] = (STAY,), **how: Any) -> list[str]:
    """What is read of each admission."""
    examples, _ = read_by(Mortality(reads=BedsideNotes.parse(how)), stays, notes)
    return examples["text"].to_list()


def test_a_note_stored_when_the_prediction_is_made_is_read_and_one_of_a_second_later_is_not() -> None:
    assert texts(bedside("now", 24), bedside("later", 24 + SECOND)) == ["now"]
    assert texts(bedside("later", 24 + SECOND)) == []
    assert texts(bedside("now", 12), bedside("later", 12 + SECOND), hours=12) == ["now"]


@pytest.mark.parametrize(
    ("charted", "stored", "read"),
    [
        (20, 24, True), (20, 25, False), (25, 20, False), (None, 24, True), (24, None, True), (25, None, False),
        (None, None, False), (-1, 5, False), (0, 5, True), (None, -1, False),
    ],
)  # fmt: skip
def test_both_times_of_a_note_must_fit_and_one_must_be_known(
    charted: float | None, stored: float | None, read: bool
) -> None:
    assert texts(bedside("x", stored, charted=charted)) == (["x"] if read else [])


def test_whoever_has_died_or_left_by_then_is_not_asked_about() -> None:
    ends: dict[int, dict[str, Any]] = {
        1: {"dischtime": at(24)}, 2: {"dischtime": at(24 - SECOND)}, 3: {"dischtime": at(24 + SECOND)},
        4: {"deathtime": at(24), "died": 1}, 5: {"deathtime": at(24 + SECOND), "died": 1}, 6: {"days": None},
        7: {"deathtime": at(23), "dischtime": at(30), "died": 1},
    }  # fmt: skip
    stays = [stay(n, **end) for n, end in ends.items()]
    notes = [note(n, f"stable {n}", stored=1, category="Nursing") for n in ends]
    examples, steps = read_by(Mortality(reads=BedsideNotes()), stays, notes)
    assert examples["hadm_id"].to_list() == [1, 3, 5]  # who leaves in that minute is still there
    assert steps["still there at the prediction"]["removed_admissions"] == 3  # the stay without an end went before


@pytest.mark.parametrize("types", [("Discharge summary",), ("Nursing", "Discharge summary")])
def test_a_discharge_summary_is_refused(types: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="written after the outcome and is no bedside note"):
        BedsideNotes.parse({"types": types})


def test_a_discharge_summary_is_not_read_whatever_times_it_bears() -> None:
    assert texts(note(1, "summary", charted=1, stored=2)) == []


def test_other_categories_withdrawn_and_wordless_notes_are_left_out() -> None:
    notes = [
        bedside("ECG", 1, category="ECG"), bedside("wrong", 1, is_error=True), bedside(" \n", 1), bedside("right", 1),
        bedside("film", 1, category="Radiology"),
    ]  # fmt: skip
    assert texts(*notes) == ["film\n\nright"]
    assert texts(*notes, types=["Radiology"]) == ["film"]


def test_every_filter_counts_what_it_removes() -> None:
    notes = [
        bedside("a", 1), bedside("ECG", 1, category="ECG"), bedside("wrong", 1, is_error=True), bedside(" ", 1),
        bedside("when?"), bedside("late", 30),
    ]  # fmt: skip
    _, steps = read_by(Mortality(reads=BedsideNotes()), [STAY], notes)
    removed = {step: row["removed_notes"] for step, row in steps.items() if row["removed_notes"]}
    assert removed == {"bedside note": 1, "not withdrawn": 1, "has text": 1, "has a time": 1, "stored in time": 1}


def test_the_latest_news_come_first_or_last_and_ties_go_by_the_order_of_writing() -> None:
    notes = [bedside("two", 2), bedside("three", 3), bedside("one", 1), bedside("also two", 2)]
    assert texts(*notes) == ["three\n\nalso two\n\ntwo\n\none"]
    assert texts(*notes, order="oldest-first") == ["one\n\ntwo\n\nalso two\n\nthree"]


def test_hours_count_from_the_anchor_and_notes_before_it_can_be_left_out() -> None:
    class Anchored(Mortality):
        """Death, asked from twelve hours after arrival on."""

        def asked(self, records: Records) -> pl.DataFrame:
            return super().asked(records).with_columns(pl.lit(at(12)).dt.cast_time_unit("us").alias(ANCHOR))

    notes = [bedside("before", 11), bedside("then", 12, charted=12), bedside("end", 36), bedside("after", 36 + SECOND)]
    notes += [bedside("charted before", 13, charted=11.5)]
    both = [BedsideNotes(order="oldest-first"), BedsideNotes(order="oldest-first", since="anchor")]
    read = [read_by(Anchored(reads=reads), [STAY], notes)[0] for reads in both]
    assert [frame["text"].item() for frame in read] == [
        "before\n\nthen\n\ncharted before\n\nend", "then\n\nend"
    ]  # fmt: skip
    assert read[0]["prediction_time"].item() == at(36)


def test_the_card_says_that_the_input_is_prospective_and_when_the_prediction_is_made() -> None:
    card = Mortality(reads=BedsideNotes(hours=36.5, types=("Radiology",))).card()
    assert card.kind == "prospective"
    assert card.when.startswith("36.5 hours after admission")
    assert "radiology" in card.seen
    assert Mortality().card().kind == "retrospective-text"


@pytest.mark.parametrize("order", ["latest-first", "oldest-first"])
def test_an_example_tells_when_the_latest_note_of_its_text_was_there_to_be_read(order: str) -> None:
    notes = [bedside("a", 3, charted=1), bedside("b", None, charted=5), bedside("c", 4), bedside("late", 30)]
    notes += [note(2, "d", charted=24, stored=2, category="Nursing")]
    examples, _ = read_by(Mortality(reads=BedsideNotes.parse({"order": order})), [STAY, stay(2)], notes)
    assert examples["text_time"].to_list() == [at(5), at(24)]
    assert examples["text_time"].dtype == EXAMPLES["text_time"]


def test_the_audit_finds_that_every_text_was_there_in_time(tmp_path: Path) -> None:
    examples, _ = read_by(Mortality(reads=BedsideNotes()), [STAY], [bedside("a", 3), bedside("b", 24)])
    labelled = examples.with_columns(label=pl.lit(0)).drop("asked", "notes_read")

    def standing(frame: pl.DataFrame) -> str:
        frame.write_parquet(tmp_path / "mortality.parquet")
        space = LabelSpace("binary", ("survived", "died"), ("survived", "died"))
        found = look_at(Prepared("mortality", "prospective", space, tmp_path / "mortality.parquet"), (), {})
        return next(one.standing for one in verdicts((), (), (found,), ()) if one.law == TIMES)

    assert standing(labelled) == "pass"
    assert standing(labelled.with_columns(pl.col("text_time") + pl.duration(seconds=1))) == "fail"
    assert standing(labelled.drop("text_time")) == "look"  # as data of before were prepared


@pytest.mark.parametrize("reads", [AdmissionNote(), WholeSummary()])
def test_text_that_was_written_after_the_outcome_has_no_time(reads: AdmissionNote | WholeSummary) -> None:
    summary = note(1, "Chief Complaint:\nFever\n", charted=1, stored=2)
    examples, _ = read_by(Mortality(reads=reads, allow_retrospective=True), [STAY], [summary])
    assert examples["text_time"].to_list() == [None]
    assert examples.drop("notes_read").schema == pl.Schema(EXAMPLES)


def test_fractions_of_an_hour_are_minutes() -> None:
    assert texts(bedside("now", 1.5), bedside("later", 1.51), hours=1.5) == ["now"]


def chart(dice: random.Random) -> tuple[list[Row], list[Row]]:
    """A random chart of some stays; every note tells its own times, and which may be missing, early, late or odd."""
    stays = [
        stay(n, days=dice.choice([None, -1, 0, 0.5, 1, 2, 9]), died=dice.choice([0, 1, None]),
             deathtime=dice.choice([None, at(dice.uniform(0, 72))]))
        for n in range(1, 7)
    ]  # fmt: skip
    notes = []
    for _ in range(60):
        charted, stored = (dice.choice([None, 24, round(dice.uniform(-10, 60), 2)]) for _ in range(2))
        category = dice.choice(["Nursing", "Discharge summary", "Radiology", "Physician", "ECG"])
        text = f"{category} {charted} {stored}"
        row = note(dice.randint(1, 7), text, charted=charted, stored=stored, category=category)
        notes.append(row | {"is_error": dice.random() < 0.1})
    return stays, notes


@pytest.mark.parametrize("seed", range(12))
def test_nothing_with_a_time_after_the_prediction_and_no_summary_is_ever_read(seed: int) -> None:
    """Scenario 16: of random charts with missing, early, late and contradictory times."""
    dice = random.Random(seed)
    stays, notes = chart(dice)
    hours = dice.choice([1, 12, 24, 48])
    reads = BedsideNotes.parse({"hours": hours, "order": dice.choice(["latest-first", "oldest-first"])})
    examples, _ = read_by(LateMortality(days=365, reads=reads), stays, notes, _told(stays))
    by_id = {row["hadm_id"]: row for row in stays}
    for hadm_id, text, predicted in examples.select("hadm_id", "text", "prediction_time").iter_rows():
        row = by_id[hadm_id]
        latest = examples.filter(pl.col("hadm_id") == hadm_id)["text_time"].item()
        assert row["admittime"] < latest <= predicted
        assert predicted == row["admittime"] + timedelta(hours=hours)
        assert row["dischtime"] >= predicted
        assert row["deathtime"] is None or row["deathtime"] > predicted
        for line in text.split("\n\n"):
            category, *times = line.rsplit(" ", 2)
            known = [float(time) for time in times if time != "None"]
            assert known
            assert max(known) <= hours
            assert category in ("Nursing", "Radiology", "Physician")
            assert row["admittime"] + timedelta(hours=max(known)) <= latest


def test_the_random_charts_hold_something_to_read() -> None:
    read = 0
    for seed in range(12):
        stays, notes = chart(random.Random(seed))
        read += read_by(LateMortality(reads=BedsideNotes()), stays, notes, _told(stays))[0].height
    assert read > 10


def _told(stays: list[Row]) -> Records:
    return records_of(*stays, dod={1: at(2000).date()})
