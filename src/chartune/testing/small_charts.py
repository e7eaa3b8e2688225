"""Small charts in memory for tests: stays, codes and notes described by what sets each apart from a usual one.

records_of(stay(1, days=3), stay(2, died=1)) ─▶ Records          answers(task, records) ─▶ {hadm_id: answers}
note(1, "text", stored=2.5)                  ─▶ a row of notes   read_by(task, records, notes) ─▶ examples
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zlib import crc32

import polars as pl

from chartune.sources.source import About, Records
from chartune.sources.ventilation import EPISODES
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.inputs import SUMMARY
from chartune.tasks.task import Task

BEGIN: Final = datetime.fromisoformat("2100-07-01 10:00")
"""When every stay begins."""
ADMISSIONS: Final[dict[str, Any]] = {
    "subject_id": pl.Int64, "hadm_id": pl.Int64, "admittime": pl.Datetime("us"), "dischtime": pl.Datetime("us"),
    "deathtime": pl.Datetime("us"), "admission_type": pl.String, "discharge_location": pl.String,
    "hospital_expire_flag": pl.Int64, "age": pl.Float64, "split": pl.String,
}  # fmt: skip
NOTES: Final[dict[str, Any]] = {
    "note_id": pl.String, "note_seq": pl.Int64, "subject_id": pl.Int64, "hadm_id": pl.Int64, "chartdate": pl.Date,
    "charttime": pl.Datetime("us"), "storetime": pl.Datetime("us"), "category": pl.String,
    "category_padded": pl.Boolean, "description": pl.String, "is_error": pl.Boolean,
    "text": pl.String, "words": pl.UInt32, "text_key": pl.UInt64, "copy_key": pl.UInt64, "notes": pl.UInt32,
}  # fmt: skip
CODES: Final[dict[str, Any]] = {
    "subject_id": pl.Int64, "hadm_id": pl.Int64, "seq_num": pl.Int64, "icd_code": pl.String, "icd_version": pl.Int64,
}  # fmt: skip
_SUBJECTS: Final[dict[str, Any]] = {"subject_id": pl.Int64, "gender": pl.String, "dod": pl.Date}
_ICU: Final[dict[str, Any]] = {
    "subject_id": pl.Int64, "hadm_id": pl.Int64, "stay_id": pl.Int64, "intime": pl.Datetime("us"),
}  # fmt: skip

Row = dict[str, Any]


def at(hours: float) -> datetime:
    """So many hours after `BEGIN`."""
    return BEGIN + timedelta(hours=hours)


def stay(hadm_id: int, *, days: float | None = 5, died: int | None = 0, **other: Any) -> Row:
    """An admission of a patient of their own, of the same number; `other` are its columns."""
    ends = None if days is None else at(24 * days)
    usual = {"subject_id": hadm_id, "hadm_id": hadm_id, "admittime": BEGIN, "dischtime": ends, "deathtime": None,
             "admission_type": "EMERGENCY", "discharge_location": None, "hospital_expire_flag": died, "age": 50.0,
             "split": "train"}  # fmt: skip
    return usual | other


def records_of(
    *stays: Row,
    diagnoses: Sequence[tuple[int, str | None, int]] | None = None,
    procedures: Sequence[tuple[int, str | None, int]] | None = None,
    titles: Sequence[tuple[str, int, str]] | None = None,
    dod: dict[int, date] | None = None,
    icu: Sequence[Row] | None = None,
    episodes: Sequence[Row] | None = None,
) -> Records:
    """Records of these stays.

    Args:
        stays: from `stay`.
        diagnoses: (hadm_id, code, version) of each, numbered by their order in the admission; None: there are none.
        procedures: the same.
        titles: (code, version, title) of diagnoses.
        dod: subject_id → day of death.
        icu: ICU stays.
        episodes: of ventilation; None: no bedside chart.
    """
    subjects = list(dict.fromkeys(row["subject_id"] for row in stays))
    ventilation = None if episodes is None else frame(episodes, EPISODES)
    return Records(
        about=About("mimic3", "t", "t", "t"),
        subjects=frame([{"subject_id": s, "gender": None, "dod": (dod or {}).get(s)} for s in subjects], _SUBJECTS),
        admissions=frame(stays, ADMISSIONS).drop("split"),
        notes=lambda: iter(()),
        diagnoses=None if diagnoses is None else coded(diagnoses),
        procedures=None if procedures is None else coded(procedures),
        diagnosis_titles=None if titles is None else pl.DataFrame(
            titles, {"icd_code": pl.String, "icd_version": pl.Int64, "long_title": pl.String}, orient="row"
        ),
        stays=None if icu is None else frame(icu, _ICU),
        ventilation=None if ventilation is None else lambda oxygen_join="fixed": ventilation,
    )  # fmt: skip


def coded(codes: Sequence[tuple[int, str | None, int]]) -> pl.DataFrame:
    """(hadm_id, code, version) of each as a frame; seq_num counts within the admission."""
    seen: dict[int, int] = {}
    rows = []
    for hadm_id, code, version in codes:
        seen[hadm_id] = seen.get(hadm_id, 0) + 1
        rows.append((hadm_id, hadm_id, seen[hadm_id], code, version))
    return pl.DataFrame(rows, CODES, orient="row")


def ventilated(hadm_id: int, begins: float, ends: float, *, stay_id: int = 0, status: str = "ventilated") -> Row:
    """An episode, in hours after `BEGIN`."""
    key = {"subject_id": hadm_id, "hadm_id": hadm_id, "stay_id": stay_id or hadm_id}
    return {**key, "status": status, "starttime": at(begins), "endtime": at(ends)}


def icu_stay(hadm_id: int, *, stay_id: int = 0, begins: float = 0) -> Row:
    """An ICU stay."""
    return {"subject_id": hadm_id, "hadm_id": hadm_id, "stay_id": stay_id or hadm_id, "intime": at(begins)}


def note(hadm_id: int, text: str, *, charted: float | None = None, stored: float | None = None, **other: Any) -> Row:
    """A note, its times in hours after `BEGIN`; a discharge summary if nothing is said of its category."""
    known = [None if hours is None else at(hours) for hours in (charted, stored)]
    usual = {"subject_id": hadm_id, "hadm_id": hadm_id, "chartdate": (known[0] or BEGIN).date(), "charttime": known[0],
             "storetime": known[1], "category": SUMMARY, "category_padded": False,
             "description": "Report", "is_error": False, "text": text,
             "words": len(text.split()), "text_key": crc32(text.encode()),
             "copy_key": crc32(text.lower().encode()), "notes": 1}  # fmt: skip
    return usual | other


def frame(rows: Sequence[Row], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Rows as a frame of this schema."""
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)


def written(*notes: Row) -> pl.DataFrame:
    """Notes with their texts, numbered by their order."""
    return frame([{"note_id": str(n), "note_seq": n, **row} for n, row in enumerate(notes)], NOTES)


def answers(task: Task, records: Records) -> dict[int, list[str]]:
    """hadm_id → what applies to it; admissions without an answer are left out."""
    asked = task.asked(records).drop_nulls("asked").sort("hadm_id")
    return dict(asked.select("hadm_id", "asked").iter_rows())


def read_by(
    task: Task, stays: Sequence[Row], notes: Sequence[Row], records: Records | None = None, *, labelled: bool = True
) -> tuple[pl.DataFrame, dict[str, Row]]:
    """The examples of a task and its attrition by step.

    Args:
        task: any.
        stays: from `stay`.
        notes: from `note`.
        records: what it asks; None: `records_of(*stays)`.
        labelled: whether only stays with an answer are read.
    """
    attrition, all_notes = Attrition(), written(*notes)
    asked = frame(stays, ADMISSIONS).join(
        task.asked(records or records_of(*stays)), on=["subject_id", "hadm_id"], how="left", maintain_order="left"
    )
    chosen = task.select(Cohort(asked, all_notes.drop("text")), attrition, labelled=labelled)
    texts = chosen.notes.join(all_notes.select("note_id", "text"), on="note_id", maintain_order="left")
    examples = task.examples(chosen.admissions, task.reads.read_notes(texts), attrition)
    return examples, {row["step"]: row for row in attrition.to_json()}
