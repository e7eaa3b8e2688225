"""A split by time, prepared: stays and notes of the years that are asked about are learnt from nowhere."""

from pathlib import Path
from typing import Any

import pytest

from chartune.errors import DataError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import HashSplit, TemporalSplit
from chartune.store import Artefact, Store
from chartune.tasks.corpus import Corpus
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import PATIENTS_4, SUMMARY, RawHospital, Row, write_table

GROUPS = {1: "2014 - 2016", 2: "2011 - 2013", 3: "2017 - 2019"}


def hospital(folder: Path) -> Path:
    """Patients of three groups, each with stays five years before the anchor, one and five after it, and in it."""
    raw = RawHospital()
    for subject_id in GROUPS:
        raw.patient(subject_id)
        for n, year in enumerate((2095, 2100, 2101, 2105)):
            hadm_id = 10 * subject_id + n
            raw.admission(subject_id, hadm_id, begins=f"{year}-07-01 10:00:00", ends=f"{year}-07-06 10:00:00")
            raw.note(subject_id, hadm_id, SUMMARY.format(hadm_id), date=f"{year}-07-06")
    raw.write_mimic4(folder)
    patients: list[Row] = [(subject_id, "F", 50, 2100, group, None) for subject_id, group in GROUPS.items()]
    write_table(folder / "hosp" / "patients.csv.gz", PATIENTS_4, patients)
    return folder


@pytest.mark.parametrize("split", ["patient", "note"])
def test_strays_are_left_out_and_counted(tmp_path: Path, split: str) -> None:
    preparation = Preparation(
        source=Mimic4(folder=hospital(tmp_path / "raw")), splits=TemporalSplit(validation=0), tasks=(Mortality(),),
        corpus=Corpus.parse({"split": split}),
    )  # fmt: skip
    data = prepare(preparation, Store(tmp_path / "store").open())
    kept = {10: "train", 11: "train", 20: "train", 21: "train", 22: "train", 31: "test", 32: "test", 33: "test"}
    assert dict(read_task(data, "mortality").select("hadm_id", "split").iter_rows()) == kept
    corpus = read_corpus(data)
    assert set(corpus["hadm_id"]) == set(kept)
    if split == "patient":
        assert dict(corpus.select("hadm_id", "split").iter_rows()) == kept
    dataset = plain_dataset(data)
    for entry in (dataset["tasks"]["mortality"], dataset["corpus"]):
        removed = {row["step"]: row["removed_notes"] for row in entry["attrition"]}
        assert (removed["in the years of its split"], removed["patient in a split"]) == (4, 0)
    assert dataset["splits"]["counts"]["train"] == {"subjects": 2, "admissions": 5}


def test_a_corpus_of_some_years_holds_their_patients_only_and_counts_the_others(tmp_path: Path) -> None:
    """Whoever came to MIMIC-IV after 2012 cannot stand in MIMIC-III."""
    source = Mimic4(folder=hospital(tmp_path / "raw"))
    corpus = Corpus(anchor_year_groups=("2014-2016", "2017 - 2019"))
    data = prepare(Preparation(source=source, tasks=(), corpus=corpus), Store(tmp_path / "store").open())
    assert set(read_corpus(data)["subject_id"]) == {1, 3}
    (step,) = [row for row in plain_dataset(data)["corpus"]["attrition"] if row["step"] == "patient of these years"]
    assert (step["subjects"], step["removed_notes"]) == (2, 4)
    assert step["why"].endswith("kept are 2014 - 2016, 2017 - 2019")


def test_a_source_that_tells_no_years_has_no_corpus_of_some(tmp_path: Path) -> None:
    raw = RawHospital()
    raw.stay(1)
    source, corpus = Mimic3(folder=raw.write(tmp_path / "raw")), Corpus(anchor_year_groups=("2014 - 2016",))
    with pytest.raises(DataError, match="`anchor_year_groups` needs a source that tells them"):
        prepare(Preparation(source=source, tasks=(), corpus=corpus), Store(tmp_path / "store").open())


def test_the_control_of_a_cut_by_years_has_as_many_words_of_patients_of_all_years(tmp_path: Path) -> None:
    source, store = Mimic4(folder=hospital(tmp_path / "raw")), Store(tmp_path / "store").open()

    def corpus(**more: Any) -> Artefact:
        splits = HashSplit(train=1, validation=0, test=0)
        asked = Corpus.parse({"anchor_year_groups": ["2014 - 2016"], **more})
        return prepare(Preparation(source=source, splits=splits, tasks=(), corpus=asked), store)

    some, control = corpus(), corpus(anchor_year_control=True)
    words = [plain_dataset(made)["corpus"]["counts"]["train"]["words"] for made in (some, control)]
    assert words[0] == words[1] > 0
    assert set(read_corpus(some)["subject_id"]) == {1}
    assert set(read_corpus(control)["subject_id"]) - {1}
    assert "control of the same size" in [row["step"] for row in plain_dataset(control)["corpus"]["attrition"]]
