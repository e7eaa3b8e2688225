"""CORe's four tasks in pandas, as one would write them down: the whole of NOTEEVENTS is read for each of them.

Clean-room, from a description of what the public code does (van Aken et al., 2021, doi:10.18653/v1/2021.eacl-main.75),
for pandas of today: CORe itself needs pandas below 2, with which `replace` took patterns unasked. Written for speed
where that costs no thought: columns are chosen while reading, patterns are compiled once, nothing loops over rows.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

SECTIONS: Final = {
    "CHIEF COMPLAINT": "chief complaint:",
    "PRESENT ILLNESS": "present illness:",
    "MEDICAL HISTORY": "medical history:",
    "MEDICATION ON ADMISSION": "medications on admission:",
    "ALLERGIES": "allergies:",
    "PHYSICAL EXAM": "physical exam:",
    "FAMILY HISTORY": "family history:",
    "SOCIAL HISTORY": "social history:",
}
"""Title in the admission note → heading in the summary, case apart."""
ESSENTIAL: Final = ["CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY"]
_DIED: Final = r"(?:had\s|has\s)?(?:expired|died|passed away|deceased)"
ASIDE: Final = re.compile(
    rf"((?:PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?)(?:patient|pt)?\s+{_DIED}", re.IGNORECASE
)
"""The first death in these sections of an admission note, whoever died."""
TOLD: Final = re.compile(rf"(?:patient|pt)\s+{_DIED}|he expired|pronounced expired|time of death", re.IGNORECASE)
_NOTE_COLUMNS: Final = ["ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "TEXT"]


def mortality(folder: Path) -> pd.DataFrame:
    """HOSPITAL_EXPIRE_FLAG, of notes that do not tell it. Columns: id · text · label."""
    text = together(admission_sections(folder)).str.replace(ASIDE, r"\1", regex=True)
    text = text[~text.str.contains(TOLD)]
    admissions = pd.read_csv(folder / "ADMISSIONS.csv.gz", usecols=["HADM_ID", "HOSPITAL_EXPIRE_FLAG"])
    return labelled(text, admissions.set_index("HADM_ID")["HOSPITAL_EXPIRE_FLAG"].dropna().astype(int))


def length_of_stay(folder: Path) -> pd.DataFrame:
    """Days in hospital in four classes, of those who left alive. Columns: id · text · label."""
    text = together(admission_sections(folder))
    columns = ["HADM_ID", "ADMITTIME", "DISCHTIME", "HOSPITAL_EXPIRE_FLAG"]
    admissions = pd.read_csv(folder / "ADMISSIONS.csv.gz", usecols=columns, parse_dates=["ADMITTIME", "DISCHTIME"])
    alive = admissions[admissions["HOSPITAL_EXPIRE_FLAG"] == 0].set_index("HADM_ID")
    days = ((alive["DISCHTIME"] - alive["ADMITTIME"]).dt.total_seconds() / 86_400).round(1)
    classes = pd.cut(days, [float("-inf"), 3, 7, 14, float("inf")], labels=False)
    return labelled(text, classes.dropna().astype(int))


def diagnoses(folder: Path) -> pd.DataFrame:
    """Billed categories of diagnoses, joined by commas. Columns: id · text · label."""
    text = together(admission_sections(folder))
    codes = pd.read_csv(
        folder / "DIAGNOSES_ICD.csv.gz", usecols=["HADM_ID", "ICD9_CODE"], dtype={"ICD9_CODE": str}
    ).dropna()
    code = codes["ICD9_CODE"]
    codes["group"] = code.str[:3].where(~code.str.match("[VE]"), code.str[:4])
    return labelled(text, _joined(codes))


def procedures(folder: Path) -> pd.DataFrame:
    """Billed categories of procedures, whose codes are read as numbers. Columns: id · text · label."""
    text = together(admission_sections(folder))
    codes = pd.read_csv(folder / "PROCEDURES_ICD.csv.gz", usecols=["HADM_ID", "ICD9_CODE"]).dropna()
    codes["group"] = codes["ICD9_CODE"].astype(int).astype(str).str[:3]
    return labelled(text, _joined(codes))


TASKS: Final[Mapping[str, Callable[[Path], pd.DataFrame]]] = {
    "mortality": mortality,
    "length_of_stay": length_of_stay,
    "diagnoses_icd9": diagnoses,
    "procedures_icd9": procedures,
}
"""Task of chartune → the same in CORe."""


def admission_sections(folder: Path) -> pd.DataFrame:
    """HADM_ID → the eight sections, of summaries that tell why the patient came."""
    notes = pd.read_csv(folder / "NOTEEVENTS.csv.gz", usecols=_NOTE_COLUMNS, encoding_errors="replace")
    admissions = pd.read_csv(folder / "ADMISSIONS.csv.gz", usecols=["HADM_ID", "ADMISSION_TYPE"])
    born_elsewhere = admissions.loc[admissions["ADMISSION_TYPE"] != "NEWBORN", "HADM_ID"]
    notes = notes[notes["HADM_ID"].isin(born_elsewhere)].dropna(subset=["TEXT", "HADM_ID"])
    notes = notes[notes["CATEGORY"] == "Discharge summary"]
    notes = notes.sort_values("CHARTDATE", kind="stable").drop_duplicates("TEXT", keep="last")
    reported = notes.loc[notes["DESCRIPTION"] == "Report", "HADM_ID"]
    text = notes[notes["HADM_ID"].isin(reported)].groupby("HADM_ID")["TEXT"].agg("\n\n".join).str.strip()
    text.index = text.index.astype("int64")
    sections = pd.DataFrame({title: _section(text, heading) for title, heading in SECTIONS.items()})
    return sections[(sections[ESSENTIAL] != "").any(axis=1)]


def together(sections: pd.DataFrame) -> pd.Series:
    """HADM_ID → the admission note: every heading stays, in the order of `SECTIONS`."""
    text = pd.Series("", index=sections.index)
    for number, title in enumerate(SECTIONS):
        text = text + ("\n\n" if number else "") + f"{title}: " + sections[title]
    return text


def labelled(text: pd.Series, label: pd.Series) -> pd.DataFrame:
    """Notes with a label. Columns: id · text · label."""
    joined = pd.concat([text.rename("text"), label.rename("label")], axis=1, join="inner")
    return joined.rename_axis("id").reset_index()


def _section(text: pd.Series, heading: str) -> pd.Series:
    """What stands behind a heading, up to an empty line with a heading-like line behind it."""
    pattern = re.escape(heading) + r"(.+?)\n\n[^().|\d\\\n]+:"
    section = text.str.extract(pattern, flags=re.IGNORECASE | re.DOTALL, expand=False)
    return section.str.replace("\n", " ", regex=False).str.strip().fillna("")


def _joined(codes: pd.DataFrame) -> pd.Series:
    """HADM_ID → its groups in order of first appearance."""
    return codes.drop_duplicates(["HADM_ID", "group"]).groupby("HADM_ID")["group"].agg(",".join)
