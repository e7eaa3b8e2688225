"""The prepared data on which the made-up finished runs of `past_runs` stand: `dataset.json` without any data."""

from collections.abc import Sequence
from typing import Any

LABELS = 30
"""Codes of the multilabel task."""
DISEASES = (
    "Heart failure", "Essential hypertension", "Atrial fibrillation", "Type 2 diabetes", "Acute kidney failure",
    "Pneumonia, organism unspecified", "Urinary tract infection", "Coronary atherosclerosis", "Anaemia, unspecified",
    "Acute respiratory failure", "Sepsis", "Chronic airway obstruction", "Hypothyroidism", "Oesophageal reflux",
    "Chronic kidney disease", "Depressive disorder", "Acidosis", "Hyponatraemia", "Old myocardial infarction",
    "Pleural effusion", "Delirium due to conditions classified elsewhere", "Gastrointestinal haemorrhage",
    "Obstructive sleep apnoea", "Alcohol withdrawal", "Septic shock", "Portal hypertension", "Cirrhosis of liver",
    "Pressure ulcer", "Gout", "Epilepsy",
)  # fmt: skip
CODES = tuple(f"{38 + 7 * n:03}" for n in range(LABELS))

_STEPS: list[tuple[str, str, int, int | None, int]] = [
    ("all admissions", "every admission of the source", 1500, 1893, 4021),
    ("adults", "children are cared for and written about differently", 1412, 1790, 3806),
    ("one discharge summary", "without a summary there is nothing to read", 1398, 1761, 1761),
    ("ends after it begins", "else a typing error", 1398, 1761, 1761),
    ("outcome not stated", "the chief complaint or illness states that the patient died", 1394, 1755, 1755),
    ("not empty", "at least one section was known on arrival", 1394, 1755, 1755),
]


def dataset(kind: str, positives: int, assigned: int) -> dict[str, Any]:
    """A `dataset.json` whose flow holds one small count.

    Args:
        kind: `made-up`, or the kind of a source with real patients.
        positives: test admissions with the outcome of the binary task.
        assigned: labels given to all test admissions of the multilabel task.
    """
    return {
        "source": source(kind),
        "splits": {"rule": {"kind": "hash", "salt": "chartune"},
                   "counts": {"test": {"subjects": 330, "admissions": 400}}},
        "tasks": {"mortality": _mortality(positives), "diagnoses_icd9": _diagnoses(assigned)},
        "corpus": {"title": "Adaptation text", "attrition": attrition([
            ("notes of corpus and training patients", "no patient of a validation or test split", 1020, None, 2874),
            ("not a duplicate", "copied notes teach a model to copy", 1020, None, 2790),
        ]), "counts": {"train": {"subjects": 918, "documents": 2510, "words": 640_112},
                       "validation": {"subjects": 51, "documents": 140, "words": 35_480},
                       "test": {"subjects": 51, "documents": 140, "words": 36_007}}},
        "config": {}, "chartune": "0.1.0",
    }  # fmt: skip


def attrition(steps: Sequence[tuple[str, str, int, int | None, int]]) -> list[dict[str, Any]]:
    """Filters as `dataset.json` lists them. steps: name, reason, subjects, admissions, notes left."""
    rows, before = [], steps[0]
    for step in steps:
        rows.append({
            "step": step[0], "why": step[1], "subjects": step[2], "admissions": step[3], "notes": step[4],
            "removed_admissions": None if step[3] is None or before[3] is None else before[3] - step[3],
            "removed_notes": before[4] - step[4],
        })  # fmt: skip
        before = step
    return rows


_TABLES = (("ADMISSIONS", 91_200, 1893), ("NOTEEVENTS", 3_711_004, 4021), ("PATIENTS", 30_417, 1500))


def source(kind: str) -> dict[str, Any]:
    """Where the data come from, as in `dataset.json`."""
    made_up = kind == "made-up"
    return {
        "kind": kind if not made_up else "mimic3", "version": "made-up" if made_up else "1.4",
        "title": "A made-up hospital, 1,500 patients" if made_up else "MIMIC-III Clinical Database",
        "licence": "CC0-1.0" if made_up else "PhysioNet Credentialed Health Data License 1.5.0",
        "tables": {name: {"file": f"{name}.csv.gz", "bytes": size, "sha256": f"{n}a" * 32, "rows": rows}
                   for n, (name, size, rows) in enumerate(_TABLES)},
        "warnings": ["one table of the layout is missing; what needs it was left out",
                     "NOTEEVENTS: 12 rows have no admission"],
    }  # fmt: skip


def _mortality(positives: int) -> dict[str, Any]:
    return {
        "title": "In-hospital mortality", "who": "adults with a discharge summary", "when": "on admission",
        "seen": "eight sections of the summary that tell what was known on arrival",
        "asked": "Does the patient die during this stay?", "scored": "AUROC of P(died)",
        "citation": "van Aken et al., 2021, Clinical Outcome Prediction from Admission Notes (EACL)",
        "kind": "retrospective-text", "answer": "binary", "labels": ["survived", "died"],
        "titles": ["survived", "died"], "attrition": attrition(_STEPS), **_patients(positives),
        "counts": {"train": {"subjects": 920, "admissions": 1150, "positives": 139},
                   "validation": {"subjects": 144, "admissions": 205, "positives": 24},
                   "test": {"subjects": 330, "admissions": 400, "positives": positives}},
    }  # fmt: skip


def _patients(positives: int) -> dict[str, Any]:
    """Who the patients of the binary task are: two of three in every level come from one half."""
    deaths = 139 + 24 + positives
    sizes = {"train": (920, 1150), "validation": (144, 205), "test": (330, 400),
             "outcome: survived": (1310, 1755 - deaths), "outcome: died": (deaths, deaths)}  # fmt: skip
    levels = {"emergency": 0.8, "elective": 0.17}
    admissions = {
        name: {group: int(share * rows) for group, (_, rows) in sizes.items()} for name, share in levels.items()
    }
    sexes = {"male": {group: rows - rows * 2 // 5 for group, (_, rows) in sizes.items()},
             "female": {group: rows * 2 // 5 for group, (_, rows) in sizes.items()}}  # fmt: skip
    rest = {group: rows - sum(of[group] for of in admissions.values()) for group, (_, rows) in sizes.items()}
    known = {name: dict.fromkeys(sizes, 0) for name in ("age", "sex", "text")}
    return {
        "groups": {group: {"subjects": people, "admissions": rows} for group, (people, rows) in sizes.items()},
        "characteristics": [
            {"name": "age", "unit": "years", "missing": known["age"],
             "quartiles": dict.fromkeys(sizes, (55.5, 66.2, 78.4))},
            {"name": "sex", "levels": sexes, "missing": known["sex"]},
            {"name": "admission type", "levels": admissions, "missing": rest},
            {"name": "text", "unit": "words", "missing": known["text"],
             "quartiles": dict.fromkeys(sizes, (212.0, 341.5, 502.0))},
        ],
    }  # fmt: skip


def _diagnoses(assigned: int) -> dict[str, Any]:
    return {
        "title": "Diagnoses of the stay (ICD-9)", "who": "adults with a discharge summary", "when": "on admission",
        "seen": "eight sections of the summary that tell what was known on arrival",
        "asked": "Which three-digit ICD-9 diagnoses will the stay be coded with?", "scored": "macro AUROC",
        "citation": "van Aken et al., 2021, Clinical Outcome Prediction from Admission Notes (EACL)",
        "kind": "retrospective-text", "answer": "multilabel", "labels": list(CODES), "titles": list(DISEASES),
        "attrition": attrition([*_STEPS[:4], ("coded", "no diagnosis was coded", 1390, 1751, 1751)]),
        "counts": {"train": {"subjects": 917, "admissions": 1147, "labels_assigned": 6204},
                   "validation": {"subjects": 143, "admissions": 204, "labels_assigned": 1117},
                   "test": {"subjects": 330, "admissions": 400, "labels_assigned": assigned}},
    }  # fmt: skip
