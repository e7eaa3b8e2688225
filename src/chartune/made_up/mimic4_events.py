"""The bedside chart as rows of MIMIC-IV: chartevents and procedureevents; rows in error were taken out there."""

from datetime import datetime, timedelta
from typing import Final

from chartune.made_up.chart import Chart
from chartune.made_up.dice import Dice
from chartune.made_up.events import Done, Reading, procedures, readings
from chartune.made_up.icu_stays import IcuStay
from chartune.made_up.items import ARTERIAL_LINE
from chartune.made_up.table_file import Cell

_YEAR: Final = timedelta(days=300)


def add_events(dice: Dice, chart: Chart, ids: tuple[int, int, int], icu_stay: IcuStay) -> None:
    """All events of an ICU stay, and the truth about its ventilation; `ids`: subject_id, hadm_id, stay_id."""
    author, weight = dice.between(10_000, 99_999), dice.between(480, 1150) / 10
    for reading in readings(dice, icu_stay, metavision=True, fourth=True):
        _reading(dice, chart, ids, icu_stay.outtime, reading, author)
    for done in procedures(dice, icu_stay):
        chart.add("icu/procedureevents", *ids, author, *_done(dice, done, weight))
    chart.count("icu_stays_with_a_machine_through_a_cannula", icu_stay.cannula is not None)
    for spell in icu_stay.ventilation:
        chart.spells.append((*ids[1:], spell.start, spell.end, spell.invasive))


def _reading(
    dice: Dice, chart: Chart, ids: tuple[int, int, int], outtime: datetime, reading: Reading, author: int
) -> None:
    stored = reading.charttime + timedelta(minutes=dice.between(0, 90))
    typo = reading.charttime - outtime > _YEAR
    chart.add(
        "icu/chartevents", *ids, author, reading.charttime, stored - timedelta(days=365) if typo else stored,
        reading.item.itemid, reading.value, reading.number, reading.item.unit, 0,
    )  # fmt: skip
    chart.count("chart_times_a_year_off", typo)
    chart.count("chart_values_equal_to_None", reading.value == "None")


def _done(dice: Dice, done: Done, weight: float) -> tuple[Cell, ...]:
    """The cells after caregiver_id."""
    order = dice.between(100_000, 9_999_999)
    line = done.item is ARTERIAL_LINE
    minutes = int((done.end - done.start).total_seconds()) // 60 if done.continuous else 1
    return (
        done.start, done.end, done.end + timedelta(minutes=dice.between(1, 120)), done.item.itemid, minutes,
        "min" if done.continuous else "None", "Right Radial" if line else None, "Invasive Arterial" if line else None,
        order, order, "Invasive Lines" if line else "Ventilation" if done.continuous else "Intubation/Extubation",
        "ContinuousProcess" if done.continuous else "Task", weight, int(done.continuous), 0, "FinishedRunning",
        minutes, int(done.continuous),
    )  # fmt: skip
