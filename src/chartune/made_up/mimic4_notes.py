"""Notes as rows of MIMIC-IV-Note: discharge and radiology, and beside each a table of details.

note_id = <subject>-<type>-<seq>     DS discharge summary, AD its addendum, RR radiology report, AR its addendum
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chartune.made_up.chart import Chart
from chartune.made_up.dice import Dice
from chartune.made_up.notes_of_stay import STUDIES, Note
from chartune.made_up.patients import midnight
from chartune.made_up.spans import HIDDEN, mimic4_text

AUTHOR_KNOWN: Final = 0.56
"""Share of discharge summaries that say who wrote them."""


class Notes:
    """The notes of one patient, numbered from one stay to the next."""

    def __init__(self, dice: Dice, chart: Chart, subject_id: int) -> None:
        self._dice = dice
        self._chart = chart
        self._subject_id = subject_id
        self._discharge = dice.between(0, 20)
        self._radiology = dice.between(0, 60)

    def add(self, radiology: Sequence[Note], summaries: Sequence[Note], hadm_id: int) -> None:
        """The notes of one stay."""
        parent = ""
        for note in radiology:
            addendum = note.parts[0].startswith("ADDENDUM")
            parent = self._add_radiology(note, hadm_id, parent if addendum else "")
        for note in (note for note in summaries if note.both):
            self._add_discharge(note, hadm_id)

    def _add_radiology(self, note: Note, hadm_id: int, parent: str) -> str:
        dice, kind = self._dice, "AR" if parent else "RR"
        self._radiology += dice.between(1, 4)
        number = f"{self._subject_id}-{kind}-{self._radiology}"
        stored = note.taken + timedelta(minutes=dice.between(20, 900))
        self._write("note/radiology", number, kind, self._radiology, hadm_id, note, stored)
        name, exam, cpt = STUDIES[note.study]
        if parent:
            details = [(number, "parent_note_id", parent), (parent, "addendum_note_id", number)]
        else:
            details = [(number, "exam_code", exam), (number, "exam_name", name), (number, "cpt_code", cpt)]
        for of, field, value in details:
            self._chart.add("note/radiology_detail", of, self._subject_id, field, value, 1)
        self._chart.count("radiology_addenda", bool(parent))
        self._chart.count("notes_without_hadm_id", not note.linked)
        return number

    def _add_discharge(self, note: Note, hadm_id: int) -> None:
        addendum = note.description == "Addendum"
        kind = "AD" if addendum else "DS"
        self._discharge += self._dice.between(1, 3)
        number = f"{self._subject_id}-{kind}-{self._discharge}"
        stored = note.taken + timedelta(minutes=self._dice.between(60, 3 * 24 * 60))
        self._write("note/discharge", number, kind, self._discharge, hadm_id, note, stored)
        if self._dice.chance(AUTHOR_KNOWN):
            self._chart.add("note/discharge_detail", number, self._subject_id, "author", HIDDEN, 1)
        self._chart.count("addenda", addendum)
        self._chart.count("summaries_without_sections", len(note.parts) == 1)

    def _write(self, table: str, number: str, kind: str, seq: int, hadm_id: int, note: Note, stored: datetime) -> None:
        """A discharge summary has a date; its clock stands at midnight."""
        text = mimic4_text(note)
        self._chart.add(
            table, number, self._subject_id, hadm_id if note.linked else None, kind, seq,
            note.taken if note.timed else midnight(note.taken), stored, text,
        )  # fmt: skip
        self._chart.count_text(text)
