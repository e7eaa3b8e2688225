"""Stays and reports with texts of a few words, so that a stage on a twin takes a second."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chartune.tasks.prepare import Preparation
from chartune.testing.raw_tables import RawHospital

SIZES: Final = {"train": 8, "validation": 6, "test": 6}
WORDS: Final = ("fever", "chest pain", "fall", "stroke")
TEXT: Final = "Chief Complaint:\n{} number {}\n\nAllergies:\n{}\n"


def short_texts(raw: Path, lists: Path) -> Preparation:
    """Eight stays to learn from and six each to validate and to test with; every second patient dies.

    Args:
        raw: gets the tables of MIMIC-III.
        lists: gets the lists of patients.
    """
    hospital = RawHospital()
    for ids in _listed(SIZES, lists).values():
        for n in ids:
            hospital.stay(n, TEXT.format(WORDS[n % 4], n, WORDS[n % 3]), died=n % 2)
    folder = hospital.write(raw)
    return Preparation.parse(
        {"source": {"kind": "mimic3", "folder": folder}, "splits": {"kind": "imported", "folder": lists},
         "tasks": [{"kind": "mortality"}]}
    )  # fmt: skip


def reports(notes: Mapping[str, Sequence[str]], raw: Path, lists: Path) -> Preparation:
    """A corpus of these radiology reports, each of a patient of its own, as in the papers' code.

    Args:
        notes: texts by split, in the order of the patients.
        raw: gets the tables of MIMIC-III.
        lists: gets the lists of patients.
    """
    hospital = RawHospital()
    for split, ids in _listed({split: len(texts) for split, texts in notes.items()}, lists).items():
        for n, text in zip(ids, notes[split], strict=True):
            hospital.patient(n)
            hospital.admission(n, 1000 + n)
            hospital.note(n, None, text, category="Radiology")
    return Preparation.parse(
        {"source": {"kind": "mimic3", "folder": hospital.write(raw)}, "splits": {"kind": "imported", "folder": lists},
         "corpus": {"repeats": "kept"}}
    ).model_copy(update={"preset": "paper-code"})  # fmt: skip


def _listed(sizes: Mapping[str, int], lists: Path) -> dict[str, range]:
    """Numbers of patients by split, which are listed in files."""
    lists.mkdir(parents=True, exist_ok=True)
    numbers = {
        split: range(first, first + size) for first, (split, size) in zip((1, 101, 201), sizes.items(), strict=True)
    }
    for split, ids in numbers.items():
        (lists / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    return numbers
