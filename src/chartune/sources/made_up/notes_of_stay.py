"""The notes of one stay: its discharge summary, and the oddities that real charts have.

Every oddity is planted by chance that looks at neither conditions nor outcome (so the truth about the outcome stays
what it is), except a death that is told; each is counted under its name.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chartune.sources.made_up.admission_text import trace, write_sections
from chartune.sources.made_up.dice import Dice
from chartune.sources.made_up.mimic3_layout import Cell
from chartune.sources.made_up.outcome import OutcomeModel
from chartune.sources.made_up.patients import ORDINARY, Admission, Patient
from chartune.sources.made_up.summary import hidden, summary, wrapped

NO_SUMMARY: Final = 0.015
"""Share of adult stays without a discharge summary."""
NO_SECTIONS: Final = 0.004
"""Share whose summary is a line without headings."""
WRONG_CHART: Final = 0.008
"""Share with another patient's summary in front, marked as an error."""
COPIED: Final = 0.010
"""Share whose summary is filed twice."""
ADDENDUM: Final = 0.040
EARLY_ADDENDUM: Final = 0.25
"""Share of addenda that are filed before their report."""
RADIOLOGY: Final = 0.35
NURSING: Final = 0.25
WITHDRAWN_NURSING: Final = 0.03
"""Share of nursing notes marked as an error."""
UNLINKED: Final = 0.12
"""Share of radiology and nursing notes without HADM_ID: of clinics and other units."""

# fmt: off
_STUDIES = ("CHEST (PORTABLE AP)", "CT HEAD W/O CONTRAST", "CHEST (PA & LAT)", "ABDOMEN (SUPINE & ERECT)", "RENAL U.S.")
_FINDINGS = ("Heart size is normal.", "No acute fracture.", "Lungs are grossly clear.", "Lines are in place.",
             "Comparison is made to [**{day}**].", "Bibasilar atelectasis.", "Study is limited by motion.")
_NURSING = ("Pt slept in naps.", "Family in to visit.", "Turned q2h.", "Foley draining clear yellow urine.",
            "Tolerating diet.", "Lungs coarse, suctioned for scant secretions.", "Afebrile this shift.",
            "Plan: continue present management.", "Pt states \"I want to go home\".")
_ADDENDA = ("The discharge dose of furosemide was corrected.", "Pending cultures were negative at discharge.",
            "The appointment with Dr. [**Last Name (STitle) {n}**] was moved to [**{day}**].",
            "A copy was sent to the primary care office.")
# fmt: on


@dataclass
class Chart:
    """The rows of one patient."""

    rows: list[tuple[str, tuple[Cell, ...]]] = field(default_factory=list)
    """(table, cells after ROW_ID)."""
    traces: list[tuple[int, list[tuple[int, float]]]] = field(default_factory=list)
    """(hadm_id, what an ideal reader believes after so many words)."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each oddity was planted."""
    canary: dict[str, int] = field(default_factory=dict)
    """Where the canary was planted → hadm_id."""

    def add(self, table: str, *cells: Cell) -> None:
        """One more row."""
        self.rows.append((table, cells))

    def count(self, oddity: str, planted: bool = True) -> None:
        """One more oddity, if it was planted."""
        self.counts[oddity] += planted


def write_notes(dice: Dice, model: OutcomeModel, chart: Chart, patient: Patient, stay: Admission) -> None:
    """Add the notes of a stay to the chart."""
    for chance, write in ((RADIOLOGY, _radiology), (NURSING, _nursing)):
        if dice.chance(chance):
            write(dice, chart, patient, stay)
    if patient.newborn:
        _file(chart, patient, stay, _newborn_summary(dice, patient, stay))
    elif patient.index < ORDINARY:
        _plain(dice, model, chart, patient, stay)
    else:
        _summaries(dice, model, chart, patient, stay)


def _plain(dice: Dice, model: OutcomeModel, chart: Chart, patient: Patient, stay: Admission) -> None:
    """One summary without oddities; the first patient's hospital course and the second's social history sing."""
    sections = write_sections(dice, model, patient, stay, told=False, canary=patient.index == 1)
    text = summary(dice, model.conditions, patient, stay, sections, canary=patient.index == 0)
    _file(chart, patient, stay, text)
    chart.traces.append((stay.hadm_id, trace(model, patient, stay, sections)))
    chart.canary["social_history" if patient.index == 1 else "hospital_course"] = stay.hadm_id


def _summaries(dice: Dice, model: OutcomeModel, chart: Chart, patient: Patient, stay: Admission) -> None:
    if dice.chance(NO_SUMMARY):
        chart.count("admissions_without_summary")
        return
    if dice.chance(NO_SECTIONS):
        chart.count("summaries_without_sections")
        _file(chart, patient, stay, f"See the dictated note of [**{hidden(stay.dischtime)}**].\n")
        return
    if dice.chance(WRONG_CHART):
        chart.count("summaries_marked_as_error")
        _file(chart, patient, stay, _of_somebody_else(dice, model, patient, stay), error=True)
    told = stay.died and dice.chance(model.told)
    chart.count("deaths_told_on_admission", told)
    sections = write_sections(dice, model, patient, stay, told=told, canary=False)
    chart.count("sections_left_out", len(sections) < 8)
    text = summary(dice, model.conditions, patient, stay, sections, canary=False)
    late = early = False
    if dice.chance(ADDENDUM):
        early = dice.chance(EARLY_ADDENDUM)
        late = not early
        chart.count("addenda")
        chart.count("addenda_before_report", early)
    if early:
        _file(chart, patient, stay, _addendum(dice, patient, stay), description="Addendum")
    copies = 2 if dice.chance(COPIED) else 1
    chart.count("summaries_filed_twice", copies == 2)
    for _ in range(copies):
        _file(chart, patient, stay, text)
    if late:
        _file(chart, patient, stay, _addendum(dice, patient, stay), description="Addendum")
    chart.traces.append((stay.hadm_id, trace(model, patient, stay, sections)))


def _of_somebody_else(dice: Dice, model: OutcomeModel, patient: Patient, stay: Admission) -> str:
    """A summary of the same age and dates with another's conditions: only its mark tells that it is wrong."""
    present = tuple(dice.chance(c.prevalence[patient.band]) for c in model.conditions)
    other = replace(stay, present=present, died=dice.chance(0.5))
    sections = write_sections(dice, model, patient, other, told=False, canary=False)
    return summary(dice, model.conditions, patient, other, sections, canary=False)


def _file(
    chart: Chart, patient: Patient, stay: Admission, text: str, *, description: str = "Report", error: bool = False
) -> None:
    """A discharge summary has a date and no clock, neither when it was charted nor when it was stored."""
    chart.add(
        "NOTEEVENTS", patient.subject_id, stay.hadm_id, stay.dischtime.date(), None, None, "Discharge summary",
        description, None, "1" if error else None, text,
    )  # fmt: skip


def _addendum(dice: Dice, patient: Patient, stay: Admission) -> str:
    said = " ".join(dice.some(_ADDENDA, dice.between(1, 2))).format(n=dice.below(1000), day=hidden(stay.dischtime))
    return (
        f"Admission Date:  [**{hidden(stay.admittime)}**]     Discharge Date:   [**{hidden(stay.dischtime)}**]\n\n"
        f"Sex:   {patient.gender}\n\nAddendum:\n{wrapped(said)}\n"
    )


def _newborn_summary(dice: Dice, patient: Patient, stay: Admission) -> str:
    baby = "boy" if patient.gender == "M" else "girl"
    end = f"The infant died on [**{hidden(stay.dischtime)}**]." if stay.died else "Feeding well and discharged home."
    return (
        f"Admission Date:  [**{hidden(stay.admittime)}**]     Discharge Date:   [**{hidden(stay.dischtime)}**]\n\n"
        f"Service: NB\n\nHistory of Present Illness:\nBaby {baby} born at {dice.between(34, 41)} weeks, "
        f"Apgars {dice.between(5, 8)} and {dice.between(8, 9)}.\n\nPhysical Exam:\nWeight {dice.between(1900, 4100)} "
        f"grams. Anterior fontanelle soft.\n\nBrief Hospital Course:\n{end}\n\nDischarge Instructions:\nN/A\n"
    )


def _radiology(dice: Dice, chart: Chart, patient: Patient, stay: Admission) -> None:
    taken = _within(dice, stay)
    study = dice.pick(_STUDIES)
    found = " ".join(dice.some(_FINDINGS, dice.between(2, 4))).format(day=hidden(stay.admittime))
    text = f"[**{hidden(taken)}**] {study}     Clip # [**Clip Number (Radiology) {dice.below(99999)}**]\n\n"
    _loose(dice, chart, patient, stay, taken, (None, "Radiology", study, None, None, f"{text}{wrapped(found)}\n"))


def _nursing(dice: Dice, chart: Chart, patient: Patient, stay: Admission) -> None:
    taken = _within(dice, stay)
    stored = taken + timedelta(minutes=dice.between(1, 240))
    error = dice.chance(WITHDRAWN_NURSING)
    chart.count("nursing_notes_marked_as_error", error)
    text = wrapped("NPN: " + " ".join(dice.some(_NURSING, dice.between(3, 6))))
    author = dice.between(14000, 21500)
    cells = (stored, "Nursing/other", "Report", author, "1" if error else None, text)
    _loose(dice, chart, patient, stay, taken, cells)


def _loose(
    dice: Dice, chart: Chart, patient: Patient, stay: Admission, taken: datetime, cells: tuple[Cell, ...]
) -> None:
    unlinked = dice.chance(UNLINKED)
    chart.count("notes_without_hadm_id", unlinked)
    chart.add("NOTEEVENTS", patient.subject_id, None if unlinked else stay.hadm_id, taken.date(), taken, *cells)


def _within(dice: Dice, stay: Admission) -> datetime:
    minutes = int((stay.dischtime - stay.admittime).total_seconds()) // 60
    return stay.admittime + timedelta(minutes=dice.below(minutes))
