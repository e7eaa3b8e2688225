"""From raw tables to prepared data on open data whose counts are known."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LabelError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import ImportedSplit
from chartune.sources.tabular import Tabular
from chartune.store import Store
from chartune.tasks.labelled import Labelled
from chartune.tasks.prepare import Preparation, prepare, read_corpus, read_task
from chartune.testing.open_data import open_data
from chartune.testing.plain import plain_dataset


def test_the_demo_without_notes_ends_at_no_note_and_no_error(tmp_path: Path) -> None:
    source = Mimic3(folder=open_data("mimic-iii-demo-1.4"))
    artefact = prepare(Preparation(source=source), Store(tmp_path).open())
    dataset = plain_dataset(artefact)
    rows = {row["step"]: row for row in dataset["tasks"]["mortality"]["attrition"]}
    assert (rows["all admissions"]["subjects"], rows["all admissions"]["admissions"]) == (100, 129)
    assert rows["all admissions"]["notes"] == 0
    assert rows["not a newborn"]["removed_admissions"] == 0
    assert rows["discharge summary"]["admissions"] == 0
    assert read_task(artefact, "mortality").is_empty()
    assert read_corpus(artefact).is_empty()
    assert dataset["source"]["title"] == "MIMIC-III demo 1.4"
    assert dataset["source"]["warnings"] == []
    assert dataset["source"]["tables"]["DIAGNOSES_ICD"]["rows"] == 1761
    assert sum(count["admissions"] for count in dataset["splits"]["counts"].values()) == 129


def test_the_codiesp_twin_is_prepared_with_its_published_lists(tmp_path: Path) -> None:
    folder = open_data("codiesp-as-mimic-iii")
    preparation = Preparation(source=Mimic3(folder=folder), splits=ImportedSplit(folder=folder / "splits"))
    artefact = prepare(preparation, Store(tmp_path).open())
    dataset, examples, documents = plain_dataset(artefact), read_task(artefact, "mortality"), read_corpus(artefact)
    assert {split: count["subjects"] for split, count in dataset["splits"]["counts"].items()} == {
        "train": 525, "validation": 75, "calibration": 0, "test": 150, "corpus": 750,
    }  # fmt: skip
    rows = {row["step"]: row for row in dataset["tasks"]["mortality"]["attrition"]}
    assert (rows["all admissions"]["admissions"], rows["all admissions"]["notes"]) == (1500, 2016)
    assert rows["not a newborn"]["removed_admissions"] == 7  # of the coded patients
    assert rows["not a newborn"]["removed_admissions"] + rows["of age"]["removed_admissions"] == 118
    assert dataset["source"]["tables"]["NOTEEVENTS"]["rows"] == 2016
    assert dataset["tasks"]["mortality"]["counts"]["train"]["positives"] <= 59
    assert not examples["text"].str.contains("(?i)hospital course:").any()
    assert examples["text"].str.starts_with("CHIEF COMPLAINT: ").all()
    listed = pl.read_csv(folder / "splits" / "test.csv")["subject_id"].to_list()
    assert set(examples.filter(pl.col("split") == "test")["subject_id"]) <= set(listed)
    assert documents.filter(pl.col("split") == "train", pl.col("subject_id").is_in(listed)).is_empty()
    assert documents.height == 2016


def test_the_demo_of_mimic_iv_has_no_notes_and_says_so(tmp_path: Path) -> None:
    dataset = plain_dataset(
        prepare(Preparation(source=Mimic4(folder=open_data("mimic-iv-demo-2.2"))), Store(tmp_path).open())
    )
    for task in dataset["tasks"].values():
        rows = {row["step"]: row for row in task["attrition"]}
        assert (rows["all admissions"]["subjects"], rows["all admissions"]["admissions"]) == (100, 275)
        assert rows["all admissions"]["notes"] == 0
    assert list(dataset["tasks"]) == [
        "mortality", "length_of_stay", "diagnoses_icd9", "procedures_icd9", "diagnoses_icd10", "procedures_icd10",
    ]  # fmt: skip
    assert (dataset["source"]["title"], dataset["source"]["licence"]) == ("MIMIC-IV demo 2.2", "ODbL 1.0")
    assert [said.split(".")[0] for said in dataset["source"]["warnings"]] == ["notes: there are none"]
    assert {table: fact["rows"] for table, fact in dataset["source"]["tables"].items()} == {
        "patients": 100, "admissions": 275, "diagnoses_icd": 4506, "procedures_icd": 722,
        "d_icd_diagnoses": 109775, "d_icd_procedures": 85257, "icustays": 140,
    }  # fmt: skip


def test_the_codiesp_twin_of_mimic_iv_is_prepared_with_its_published_lists(tmp_path: Path) -> None:
    folder = open_data("codiesp-as-mimic-iv")
    preparation = Preparation(source=Mimic4(folder=folder), splits=ImportedSplit(folder=folder / "splits"))
    artefact = prepare(preparation, Store(tmp_path).open())
    dataset, examples, documents = plain_dataset(artefact), read_task(artefact, "mortality"), read_corpus(artefact)
    assert {split: count["subjects"] for split, count in dataset["splits"]["counts"].items()} == {
        "train": 525, "validation": 75, "calibration": 0, "test": 150, "corpus": 2745,
    }  # fmt: skip
    rows = {row["step"]: row for row in dataset["tasks"]["mortality"]["attrition"]}
    assert (rows["all admissions"]["admissions"], rows["all admissions"]["notes"]) == (3495, 4011)
    assert rows["of age"]["removed_admissions"] == 0  # the twin writes 18 for children
    assert dataset["tasks"]["mortality"]["counts"]["train"]["positives"] <= 59
    assert not examples["text"].str.contains("(?i)hospital course:").any()
    assert examples["text"].str.starts_with("CHIEF COMPLAINT: ").all()
    listed = pl.read_csv(folder / "splits" / "test.csv")["subject_id"].to_list()
    assert set(examples.filter(pl.col("split") == "test")["subject_id"]) <= set(listed)
    assert documents.filter(pl.col("split") == "train", pl.col("subject_id").is_in(listed)).is_empty()
    untitled, rare = dataset["source"]["warnings"]  # the twin names few procedures, journals seldom list medication
    assert untitled.startswith("procedures_icd: fewer than 80% of the codes have a title")
    assert "fewer than 50% of the summaries that were read have medication on admission." in rare


def test_a_table_of_real_sections_is_prepared_with_its_labels(tmp_path: Path) -> None:
    file = open_data("mts-dialog") / "MTS-Dialog-TrainingSet.csv.gz"
    source = Tabular(file=file, text="section_text", label="section_header", subject="ID", id="ID")
    store = Store(tmp_path).open()
    with pytest.raises(LabelError, match="9 of the 20 distinct ones belong to fewer than 10 training patients"):
        prepare(Preparation(source=source), store)
    artefact = prepare(Preparation(source=source, tasks=(Labelled(least_cases=10),)), store)
    dataset, examples = plain_dataset(artefact), read_task(artefact, "labels")
    assert dataset["source"]["tables"]["notes"]["rows"] == 1201
    assert dataset["tasks"]["labels"]["answer"] == "multiclass"
    assert len(dataset["tasks"]["labels"]["labels"]) == 11
    assert 1000 < examples.height <= 1201
