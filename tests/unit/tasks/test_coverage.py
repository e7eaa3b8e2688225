"""Coverage: how much of the notes the rule of sections reached is reported, and warned of where it is little."""

import gzip
from pathlib import Path

import pytest

from chartune.disclosure import shown_sentence
from chartune.errors import DataError
from chartune.sources.coverage import described, rare
from chartune.store import Store
from chartune.tasks.coverage import of_sections, unknown
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
    assert notice.endswith("whose texts hold them: anamnese (30), befund (30), verlauf (30).")
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


@pytest.mark.parametrize("heading", ["weight before", "exam after", "time since", "version", "row", "h/o", "grade -"])
def test_whatever_a_heading_is_called_its_count_is_shown_by_its_class(heading: str) -> None:
    (line,) = unknown({"a": {heading: 23}})
    assert shown_sentence(line, exact=False).endswith(f": {heading} (20+).")


def counts(texts: int, found: int) -> dict[str, int]:
    titles = ("PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION", "PHYSICAL EXAM", "CHIEF COMPLAINT")
    return {"texts": texts, **dict.fromkeys((*titles, "ALLERGIES", "FAMILY HISTORY", "SOCIAL HISTORY"), found)}


def test_what_was_found_is_told_in_counts_that_are_shown_by_their_class() -> None:
    (line,) = described({"a": of_sections(counts(30, 2)), "b": of_sections(counts(30, 2)), "c": of_sections({})})
    assert line.startswith("a, b: of 30 summaries that were read: chief complaint 2, ")
    assert "of 30+ summaries that were read: chief complaint <10, present illness <10," in shown_sentence(
        line, exact=False
    )


def test_sections_that_not_every_summary_has_are_never_missed() -> None:
    (line,) = rare({"a": of_sections(counts(30, 0))})
    assert "physical exam." in line
    assert not any(title in line for title in ("allergies", "family history", "social history"))


def with_odd_rows(raw: RawHospital) -> RawHospital:
    for n in range(20):
        raw.note(1, 9000 + n, f"of an admission that is gone {n}", category="Nursing")
        raw.note(1, 1001, f"of an own category {n}", category="Visite")
    return raw


def prepared(folder: Path, raw: RawHospital, layout: int = 3, **more: object) -> Dataset:
    source = {"kind": f"mimic{layout}", "folder": raw.write(folder) if layout == 3 else raw.write_mimic4(folder)}
    data = {"source": source, "tasks": [{"kind": "mortality"}], "corpus": None}
    return read_dataset(prepare(Preparation.parse(data | more), Store(folder / "store")))


def stays(patients: int) -> RawHospital:
    raw = RawHospital()
    for patient in range(1, patients + 1):
        raw.stay(patient, f"Chief Complaint:\n[**Name**] fell {patient}", died=patient % 2)
    return raw


def test_notes_of_unknown_categories_and_admissions_are_counted_and_warned_of(tmp_path: Path) -> None:
    made = prepared(tmp_path, with_odd_rows(stays(30)))
    reached = {rule.rule: (rule.reachable, rule.reached) for rule in made.source.coverage["NOTEEVENTS"]}
    assert reached == {"a category of the release": (70, 50), "a known admission": (70, 50)}
    warned = [line for line in made.source.warnings if line.startswith("NOTEEVENTS: fewer")]
    assert [line.partition(". ")[0] for line in warned] == [
        "NOTEEVENTS: fewer than 90% of the notes have a category of the release",
        "NOTEEVENTS: fewer than 99% of the rows that name an admission have a known admission",
    ]
    assert "NOTEEVENTS: of 70 notes: a category of the release 50." in made.source.notices
    assert made.source.coverage["notes"][0].reached == 30
    with pytest.raises(DataError, match="fewer than 90% of the notes have a category of the release"):
        prepared(tmp_path / "strict", with_odd_rows(stays(30)), strict=True)


def test_a_source_whose_rules_reach_everything_says_so_in_one_line(tmp_path: Path) -> None:
    made = prepared(tmp_path, stays(30))
    (line,) = [line for line in made.source.notices if line.startswith("reached wherever it could be: ")]
    assert "NOTEEVENTS (a category of the release, a known admission)" in line
    assert not [line for line in made.source.warnings if "fewer than" in line and "summaries" not in line]


def test_note_types_of_another_release_are_counted(tmp_path: Path) -> None:
    raw = stays(30)
    folder = raw.write_mimic4(tmp_path / "raw")
    file = folder / "note" / "discharge.csv.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b",DS,", b",XX,", 25)))
    made = read_dataset(prepare(
        Preparation.parse({"source": {"kind": "mimic4", "folder": folder}, "tasks": [{"kind": "mortality"}],
                           "corpus": None}), Store(tmp_path / "store"),
    ))  # fmt: skip
    assert [rule.reached for rule in made.source.coverage["discharge"] if rule.unit == "notes"] == [5]


def test_a_filter_that_finds_few_is_warned_of_and_one_that_finds_nobody_is_not_told_twice(tmp_path: Path) -> None:
    raw = stays(30)
    raw.notes = raw.notes[:4]
    (warning,) = [line for line in prepared(tmp_path, raw).source.warnings if "discharge summary" in line]
    assert warning.startswith("mortality: fewer than 50% of the admissions have a discharge summary. ")
    raw.notes = [(*row[:6], "Nursing", *row[7:]) for row in raw.notes]
    made = prepared(tmp_path / "none", raw)
    assert not [line for line in made.source.warnings if "discharge summary" in line]


def test_bedside_notes_without_a_time_and_after_the_prediction_are_warned_of(tmp_path: Path) -> None:
    raw = stays(60)
    raw.notes = []
    for patient in range(1, 61):
        when = "2100-07-01 13:00:00" if patient <= 9 else "2100-07-04 13:00:00"
        raw.note(patient, 1000 + patient, f"at {patient}", category="Nursing", time=when)
        raw.note(patient, 1000 + patient, f"about {patient}", category="Nursing")
        raw.note(patient, 1000 + patient, f"of {patient}", category="Nursing")
    tasks = [{"kind": "mortality", "reads": {"kind": "bedside-notes"}}]
    made = prepared(tmp_path, raw, tasks=tasks)
    warnings = [line.partition(". ")[0] for line in made.source.warnings if line.startswith("mortality: fewer")]
    assert warnings == [
        "mortality: fewer than 50% of the notes have a time",
        "mortality: fewer than 25% of the admissions have a note stored by the prediction",
    ]
