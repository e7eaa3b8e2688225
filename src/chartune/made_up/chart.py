"""A patient's rows in the tables of a layout, what an ideal reader knows of them, and their oddities, counted.

An oddity is counted where its row is written, so that a count is what a correct reader must find in the files.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from chartune.made_up.admission_text import Sections, trace
from chartune.made_up.icu_stays import IcuStay
from chartune.made_up.outcome import OutcomeModel
from chartune.made_up.patients import OLDEST, Patient
from chartune.made_up.register import ACUTE_HOSPITAL, HOSPICES, PSYCHIATRY
from chartune.made_up.story import Chapter, Story
from chartune.made_up.table_file import Cell

_FEATURES: Final = (
    ("texts_with_doubled_quotes", '"'), ("texts_with_a_backslash", "\\"), ("texts_with_commas", ","),
    ("texts_of_several_lines", "\n"), ("texts_with_a_latin1_byte", "\udce9"),
)  # fmt: skip


@dataclass(slots=True)
class Chart:
    """The rows of one patient in one layout."""

    rows: list[tuple[str, tuple[Cell, ...]]] = field(default_factory=list)
    """(table, cells; in MIMIC-III those after ROW_ID)."""
    traces: list[tuple[int, list[tuple[int, float]]]] = field(default_factory=list)
    """(hadm_id, what an ideal reader believes after so many words)."""
    spells: list[tuple[Cell, ...]] = field(default_factory=list)
    """hadm_id, ICU stay, start, end, invasive of each spell on a ventilator."""
    oddities: Counter[str] = field(default_factory=Counter)
    """How often each oddity was planted."""
    counts: Counter[str] = field(default_factory=Counter)
    """Sizes for the manifest."""
    canary: dict[str, int] = field(default_factory=dict)
    """Where the canary was planted → hadm_id."""

    def add(self, table: str, *cells: Cell) -> None:
        """One more row."""
        self.rows.append((table, cells))

    def count(self, oddity: str, planted: bool | int = True) -> None:
        """One more oddity, if it was planted."""
        self.oddities[oddity] += int(planted)

    def count_text(self, text: str) -> None:
        """What parsers stumble over in the text of a note."""
        for oddity, sign in _FEATURES:
            self.oddities[oddity] += sign in text
        self.oddities["texts_equal_to_NA"] += text == "NA"
        self.oddities["texts_equal_to_null"] += text == "null"


def count_patient(chart: Chart, story: Story, *, deaths: int) -> None:
    """What both layouts count of a patient; `deaths`: in hospital, of adults."""
    patient = story.patient
    chart.count("subjects_over_89", patient.age > OLDEST)
    chart.count("subjects_with_several_admissions", len(patient.admissions) > 1)
    chart.counts["subjects"] += 1
    chart.counts["admissions"] += len(patient.admissions)
    chart.counts["adult_admissions"] += 0 if patient.newborn else len(patient.admissions)
    chart.counts["adult_deaths_in_hospital"] += deaths


def count_chapter(chart: Chart, chapter: Chapter) -> None:
    """What both layouts count of a stay."""
    typed, written = chapter.typed, chapter.written
    off = typed.deathtime is not None and typed.deathtime != typed.dischtime
    chart.count("admissions_ending_before_they_begin", typed.backwards)
    chart.count("deaths_not_at_discharge_time", off)
    chart.count("deaths_after_discharge_time", off and (typed.deathtime or typed.dischtime) > typed.dischtime)
    chart.count("admissions_discharged_to_a_hospice", typed.destination in HOSPICES)
    chart.count("admissions_discharged_to_an_acute_hospital", typed.destination == ACUTE_HOSPITAL)
    chart.count("admissions_discharged_to_psychiatry", typed.destination == PSYCHIATRY)
    chart.count("admissions_without_diagnoses", not chapter.bill.diagnoses)
    chart.count("admissions_without_procedures", not chapter.bill.procedures)
    chart.count("admissions_without_summary", written.no_summary)
    chart.count("deaths_told_on_admission", written.death_stated)
    if written.sections is not None:
        chart.count("summaries_with_sections_left_out", len(written.sections) < 8)
    chart.count("icu_stays_without_outtime", sum(chapter.without_outtime))


def add_truth(
    chart: Chart, model: OutcomeModel, patient: Patient, chapter: Chapter, hadm_id: int, sections: Sections | None
) -> None:
    """What an ideal reader knows of a stay, and where it holds the canary; `hadm_id`, `sections`: as written."""
    if sections is not None:
        chart.traces.append((hadm_id, trace(model, patient, chapter.stay, sections)))
    chart.canary |= dict.fromkeys(chapter.written.canary, hadm_id)
    if patient.index == 0:
        chart.canary["radiology"] = hadm_id


def count_icu_stay(chart: Chart, icu_stay: IcuStay) -> None:
    """What both layouts count of an ICU stay."""
    chart.counts["icu_stays"] += 1
    chart.counts["icu_stays_with_invasive_ventilation"] += bool(icu_stay.invasive)
    chart.counts["icu_stays_with_prolonged_ventilation"] += icu_stay.prolonged
