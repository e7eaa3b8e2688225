"""Raw tables for tests: a handful of invented patients in the layout of MIMIC-III or IV, written cell by cell."""

import csv
import gzip
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PATIENTS: Final = ("ROW_ID", "SUBJECT_ID", "GENDER", "DOB", "DOD", "EXPIRE_FLAG")
ADMISSIONS: Final = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "ADMITTIME", "DISCHTIME", "DEATHTIME", "ADMISSION_TYPE", "INSURANCE",
    "LANGUAGE", "ETHNICITY", "HOSPITAL_EXPIRE_FLAG",
)  # fmt: skip
NOTEEVENTS: Final = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION", "CGID",
    "ISERROR", "TEXT",
)  # fmt: skip
PATIENTS_4: Final = ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod")
ADMISSIONS_4: Final = (
    "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "insurance", "language", "race",
    "hospital_expire_flag",
)  # fmt: skip
NOTE_4: Final = ("note_id", "subject_id", "hadm_id", "note_type", "note_seq", "charttime", "storetime", "text")
DIAGNOSES_4: Final = ("subject_id", "hadm_id", "seq_num", "icd_code", "icd_version")
ICUSTAYS: Final = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "ICUSTAY_ID", "DBSOURCE", "FIRST_CAREUNIT", "INTIME", "OUTTIME")
CHARTEVENTS: Final = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "ICUSTAY_ID", "ITEMID", "CHARTTIME", "STORETIME", "CGID", "VALUE", "VALUENUM",
    "VALUEUOM", "WARNING", "ERROR", "RESULTSTATUS", "STOPPED",
)  # fmt: skip
PROCEDUREEVENTS_MV: Final = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "ICUSTAY_ID", "STARTTIME", "ENDTIME", "ITEMID")
ICUSTAYS_4: Final = ("subject_id", "hadm_id", "stay_id", "first_careunit", "intime", "outtime")
CHARTEVENTS_4: Final = (
    "subject_id", "hadm_id", "stay_id", "caregiver_id", "charttime", "storetime", "itemid", "value", "valuenum",
    "valueuom", "warning",
)  # fmt: skip
SUMMARY: Final = "Chief Complaint:\nFever {}\n\nBrief Hospital Course:\nTreated.\n"
"""A discharge summary; the braces take something that tells one from another."""

Row = tuple[object, ...]


@dataclass
class RawHospital:
    """Rows to be written as PATIENTS, ADMISSIONS and NOTEEVENTS."""

    patients: list[Row] = field(default_factory=list)
    admissions: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)

    def patient(self, subject_id: int, *, born: str = "2050-06-15 00:00:00") -> None:
        """A patient, 50 years old in the middle of 2100."""
        self.patients.append((len(self.patients) + 1, subject_id, "F", born, None, 0))

    def admission(
        self,
        subject_id: int,
        hadm_id: int,
        *,
        begins: str = "2100-07-01 10:00:00",
        ends: str | None = "2100-07-05 11:00:00",
        kind: str = "EMERGENCY",
        died: int | None = 0,
    ) -> None:
        """An admission of four days."""
        row = (len(self.admissions) + 1, subject_id, hadm_id, begins, ends, None, kind, "Medicare", None, "WHITE", died)
        self.admissions.append(row)

    def note(
        self,
        subject_id: int,
        hadm_id: int | None,
        text: str | None,
        *,
        category: str = "Discharge summary",
        description: str = "Report",
        date: str = "2100-07-05",
        time: str | None = None,
        error: str | None = None,
    ) -> int:
        """A note, charted and stored at one time; returns its ROW_ID."""
        number = len(self.notes) + 1
        self.notes.append((number, subject_id, hadm_id, date, time, time, category, description, None, error, text))
        return number

    def stay(self, subject_id: int, text: str | None = None, *, died: int = 0) -> None:
        """A patient with one admission (hadm_id = 1000 + subject_id) and its discharge summary."""
        self.patient(subject_id)
        self.admission(subject_id, 1000 + subject_id, died=died)
        self.note(subject_id, 1000 + subject_id, SUMMARY.format(subject_id) if text is None else text)

    def write(self, folder: Path) -> Path:
        """Write the three tables; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "PATIENTS.csv.gz", PATIENTS, self.patients)
        write_table(folder / "ADMISSIONS.csv.gz", ADMISSIONS, self.admissions)
        write_table(folder / "NOTEEVENTS.csv.gz", NOTEEVENTS, self.notes)
        return folder

    def write_mimic4(self, folder: Path) -> Path:
        """Write the same patients as hosp/ and note/ of MIMIC-IV, notes numbered by row; returns the folder."""
        patients = [(row[1], row[2], 2100 - int(str(row[3])[:4]), 2100, "2014 - 2016", None) for row in self.patients]
        write_table(made(folder / "hosp") / "patients.csv.gz", PATIENTS_4, list(patients))
        write_table(folder / "hosp" / "admissions.csv.gz", ADMISSIONS_4, [row[1:] for row in self.admissions])
        for table, category, kinds in (
            ("discharge", "Discharge summary", {"Report": "DS", "Addendum": "AD"}),
            ("radiology", "Radiology", {"Report": "RR", "Addendum": "AR"}),
        ):
            rows: list[Row] = []
            for number, subject_id, hadm_id, date, _, _, named, description, _, _, text in self.notes:
                if named == category:
                    kind = kinds[str(description)]
                    name = f"{subject_id}-{kind}-{number}"
                    rows.append((name, subject_id, hadm_id, kind, number, f"{date} 00:00:00", None, text))
            write_table(made(folder / "note") / f"{table}.csv.gz", NOTE_4, rows)
        return folder


def mark(folder: Path, title: str = "Nowhere General") -> Path:
    """Put a marker of a made-up hospital or corpus into a folder, which lists every file in it; returns the marker."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    tables = {
        file.relative_to(folder).as_posix(): {
            "bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in files
    }  # fmt: skip
    marker = made(folder / "made-up") / "manifest.json"
    marker.write_text(json.dumps({"title": title, "licence": "CC0 1.0", "made_up": True, "tables": tables}))
    return marker


def made(folder: Path) -> Path:
    """The folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_table(file: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write a CSV file, gzipped if its name says so; None becomes an empty cell, texts are quoted where needed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    content = text.getvalue().encode()
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
