"""Twenty stays with texts of a few words, so that a stage on a twin takes a second."""

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
    lists.mkdir(parents=True, exist_ok=True)
    for first, (split, count) in zip((1, 101, 201), SIZES.items(), strict=True):
        ids = range(first, first + count)
        (lists / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
        for n in ids:
            hospital.stay(n, TEXT.format(WORDS[n % 4], n, WORDS[n % 3]), died=n % 2)
    folder = hospital.write(raw)
    return Preparation.parse(
        {"source": {"kind": "mimic3", "folder": folder}, "splits": {"kind": "imported", "folder": lists},
         "tasks": [{"kind": "mortality"}]}
    )  # fmt: skip
