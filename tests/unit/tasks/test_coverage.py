"""Coverage: how much of the notes the rule of sections reached is told, and warned of where it is little."""

from pathlib import Path

import pytest

from chartune.disclosure import said
from chartune.errors import DataError
from chartune.store import Store
from chartune.tasks.coverage import rare, told
from chartune.tasks.dataset import Dataset, read_dataset
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.raw_tables import RawHospital

OTHER_AUTHOR = (
    "CC:\nfall {0}\n\nHistory of Presenting Illness:\nfell {0}\n\nPast Medical/Surgical History:\nCHF\n\n"
    "Home Medications:\naspirin\n\nAdmission Exam:\nT 38\n\nBrief Hospital Course:\nlong\n"
)
GERMAN = "Chief Complaint:\nSturz {0}\n\nAnamnese:\nStolperte\n\nBefund:\nT 38\n\nVerlauf:\nlang\n"


def dataset(folder: Path, text: str, **more: object) -> Dataset:
    raw = RawHospital()
    for patient in range(1, 31):
        raw.stay(patient, text.format(patient), died=patient % 2)
    data = {
        "source": {"kind": "mimic3", "folder": str(raw.write(folder / "raw"))},
        "tasks": [{"kind": "mortality"}, {"kind": "length-of-stay"}], "corpus": None,
    }  # fmt: skip
    return read_dataset(prepare(Preparation.parse(data | more), Store(folder / "store")))


def test_the_share_of_texts_with_each_section_is_kept_and_told_once_for_all_tasks_that_agree(tmp_path: Path) -> None:
    made = dataset(tmp_path, OTHER_AUTHOR)
    sections = made.tasks["mortality"].sections
    assert (sections["texts"], sections["PRESENT ILLNESS"], sections["MEDICATION ON ADMISSION"]) == (30, 30, 30)
    assert sections["SOCIAL HISTORY"] == 0
    assert not [line for line in made.source.warnings if "summaries" in line]


def test_usual_sections_that_are_rare_are_warned_of_and_refused_where_it_is_strict(tmp_path: Path) -> None:
    made = dataset(tmp_path, GERMAN)
    (warning,) = [line for line in made.source.warnings if "summaries" in line]
    assert "present illness, medical history, medication on admission, physical exam" in warning
    assert "chief complaint" not in warning
    assert "another language" in warning
    assert made.tasks["mortality"].headings == {"anamnese": 30, "befund": 30, "verlauf": 30}
    notice, _length_of_stay = [line for line in made.source.notices if "no rule knows" in line]
    assert notice.endswith("whose texts hold them: anamnese 30, befund 30, verlauf 30.")
    with pytest.raises(DataError, match="present illness"):
        dataset(tmp_path / "strict", GERMAN, strict=True)


def test_a_heading_that_fewer_than_ten_patients_texts_hold_is_nobodys_to_see(tmp_path: Path) -> None:
    raw = RawHospital()
    for patient in range(1, 21):
        rare, usual = ("\n\nAnna Muster:\nwept" * (patient <= 9), "\n\nBefund:\nT 38" * (patient <= 10))
        raw.stay(patient, f"Chief Complaint:\nfall {patient}{rare}{usual}\n", died=patient % 2)
    for hadm_id in range(2001, 2004):  # more stays of one patient are no more patients
        raw.admission(1, hadm_id)
        raw.note(1, hadm_id, f"Chief Complaint:\nfall {hadm_id}\n\nAnna Muster:\nwept")
    source = {"kind": "mimic3", "folder": str(raw.write(tmp_path / "raw"))}
    data = {"source": source, "tasks": [{"kind": "mortality"}], "corpus": None}
    made = prepare(Preparation.parse(data), Store(tmp_path / "store"))
    assert read_dataset(made).tasks["mortality"].headings == {"befund": 10}
    assert b"anna" not in made.file("dataset.json").read_bytes().lower()
    assert "muster" not in made.file("README.md").read_text().lower()


def counts(texts: int, found: int) -> dict[str, int]:
    titles = ("PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION", "PHYSICAL EXAM", "CHIEF COMPLAINT")
    return {"texts": texts, **dict.fromkeys((*titles, "ALLERGIES", "FAMILY HISTORY", "SOCIAL HISTORY"), found)}


def test_below_half_of_at_least_ten_texts_is_rare() -> None:
    assert rare({"a": counts(10, 5)}) == []
    assert rare({"a": counts(9, 0)}) == []
    assert len(rare({"a": counts(10, 4), "b": counts(10, 4), "c": {}})) == 1


def test_what_was_found_is_told_in_counts_that_are_shown_by_their_class() -> None:
    (line,) = told({"a": counts(30, 2), "b": counts(30, 2)})
    assert line.startswith("a, b: sections found in the summaries that were read: of 30 texts chief complaint 2, ")
    assert "of 30+ texts chief complaint <10, present illness <10," in said(line, exact=False)
