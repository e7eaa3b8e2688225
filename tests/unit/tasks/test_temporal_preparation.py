"""A split by time, prepared: stays and notes of the years that are asked about are learnt from nowhere."""

from pathlib import Path

import pytest

from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import TemporalSplit
from chartune.store import Store
from chartune.tasks.corpus import Corpus
from chartune.tasks.mortality import Mortality
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_dataset, read_task
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
    dataset = read_dataset(data)
    for entry in (dataset["tasks"]["mortality"], dataset["corpus"]):
        removed = {row["step"]: row["removed_notes"] for row in entry["attrition"]}
        assert (removed["in the years of its split"], removed["patient in a split"]) == (4, 0)
    assert dataset["splits"]["counts"]["train"] == {"subjects": 2, "admissions": 5}
