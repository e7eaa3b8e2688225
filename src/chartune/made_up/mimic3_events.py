"""The bedside chart as rows of MIMIC-III: CHARTEVENTS of two systems, PROCEDUREEVENTS_MV of MetaVision.

CareVue's rows say STOPPED and know no ERROR, MetaVision's the other way round. PhysioNet left rows in error in.
"""

from datetime import timedelta
from typing import Final

from chartune.made_up.chart import Chart
from chartune.made_up.dice import Dice
from chartune.made_up.events import Done, Reading, procedures, readings
from chartune.made_up.icu_stays import IcuStay
from chartune.made_up.items import ARTERIAL_LINE
from chartune.made_up.patients import Patient
from chartune.made_up.story import Chapter
from chartune.made_up.table_file import Cell

REWRITTEN: Final = 0.03
"""Share of procedure events that somebody cancelled and wrote again."""


def add_events(dice: Dice, chart: Chart, patient: Patient, chapter: Chapter) -> None:
    """All events of a stay, and the truth about its ventilation."""
    hadm_id = chapter.stay.hadm_id
    for icu_stay in chapter.icu:
        ids = (patient.subject_id, hadm_id, icu_stay.icustay_id)
        author = dice.between(14000, 21500)
        for reading in readings(dice, icu_stay, metavision=icu_stay.metavision, fourth=False):
            _reading(dice, chart, ids, icu_stay, reading, author)
        for done in procedures(dice, icu_stay) if icu_stay.metavision else ():
            _done(dice, chart, ids, done, author)
        chart.count("icu_stays_with_a_machine_through_a_cannula", icu_stay.metavision and icu_stay.cannula is not None)
        for spell in icu_stay.ventilation:
            chart.spells.append((hadm_id, icu_stay.icustay_id, spell.start, spell.end, spell.invasive))


def _reading(
    dice: Dice, chart: Chart, ids: tuple[int, int, int], icu_stay: IcuStay, reading: Reading, author: int
) -> None:
    subject_id, hadm_id, icustay_id = ids
    stored = reading.charttime + timedelta(minutes=dice.between(0, 90))
    system: tuple[Cell, ...] = (
        (0, int(reading.error), None, None) if icu_stay.metavision else (None, None, None, "NotStopd")
    )
    chart.add(
        "CHARTEVENTS", subject_id, hadm_id, icustay_id if reading.attached else None, reading.item.itemid,
        reading.charttime, stored, author, reading.value, reading.number, reading.item.unit, *system,
    )  # fmt: skip
    chart.count("chart_rows_marked_as_error", reading.error)
    chart.count("chart_rows_without_icustay_id", not reading.attached)
    chart.count("chart_values_empty", reading.value is None)
    chart.count("chart_values_with_a_trailing_blank", (reading.value or "").endswith(" "))
    chart.count("chart_values_equal_to_None", reading.value == "None")


def _done(dice: Dice, chart: Chart, ids: tuple[int, int, int], done: Done, author: int) -> None:
    rewritten = dice.chance(REWRITTEN)
    chart.count("procedure_rows_rewritten", rewritten)
    if rewritten:
        chart.add("PROCEDUREEVENTS_MV", *ids, *_cells(dice, done, author, True))
    chart.add("PROCEDUREEVENTS_MV", *ids, *_cells(dice, done, author, False))


def _cells(dice: Dice, done: Done, author: int, rewritten: bool) -> tuple[Cell, ...]:
    order = dice.between(100_000, 9_999_999)
    line = done.item is ARTERIAL_LINE
    stored = done.end + timedelta(minutes=dice.between(1, 120))
    minutes = int((done.end - done.start).total_seconds()) // 60
    return (
        done.start, done.end, done.item.itemid, minutes if done.continuous else 1, "min" if done.continuous else "None",
        "Right Radial" if line else None, "Invasive Arterial" if line else None, stored, author, order, order,
        "Invasive Lines" if line else "Ventilation" if done.continuous else "Intubation/Extubation", None, "Task",
        int(done.continuous), 0, int(rewritten), "Rewritten" if rewritten else "FinishedRunning", None,
        "RN" if rewritten else None, stored if rewritten else None,
    )  # fmt: skip
