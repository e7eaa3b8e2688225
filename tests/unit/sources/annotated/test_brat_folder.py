"""A brat folder of one's own: types as they stand there, splits by folders or by hash, and what tells it from n2c2."""

from pathlib import Path

from chartune.sources.annotated.brat_folder import DRAWN, BratFolder
from chartune.sources.annotated.corpus import DEV_IS_TEST
from chartune.sources.annotated.detect import detect_annotated
from chartune.testing.annotated_corpora import write_2018
from chartune.testing.downloads import write_loose
from chartune.testing.own_corpora import write_brat

MARKS = "T1\tSymptom 3 8\tfever\nT2\tDrug 13 20\taspirin\nR1\tTreats Arg1:T2 Arg2:T1\n"


def test_documents_types_and_relations_are_as_they_stand_there(tmp_path: Path) -> None:
    files = {"train/a.txt": "of fever and aspirin", "train/a.ann": MARKS, "test/b.txt": "none", "test/b.ann": ""}
    records = BratFolder(folder=write_loose(tmp_path, files)).load()
    assert records.documents.select("doc_id", "split").rows() == [("a", "train"), ("b", "test")]
    assert records.entities.select("type", "start", "end").rows() == [("Symptom", 3, 8), ("Drug", 13, 20)]
    assert records.relations.drop("doc_id").rows() == [("T2", "T1", "Treats")]
    assert not any("published" in warning for warning in records.warnings())


def test_folders_name_splits_and_without_a_test_folder_development_is_it(tmp_path: Path) -> None:
    records = BratFolder(folder=write_brat(tmp_path / "whole", sizes=(("train", 5), ("dev", 3), ("test", 4)))).load()
    assert dict(records.documents.group_by("split").len().iter_rows()) == {"train": 5, "validation": 3, "test": 4}
    records = BratFolder(folder=write_brat(tmp_path / "less", sizes=(("train", 5), ("dev", 3)))).load()
    assert dict(records.documents.group_by("split").len().iter_rows()) == {"train": 5, "test": 3}
    assert any(DEV_IS_TEST in warning for warning in records.warnings())


def test_where_no_split_is_named_a_salted_hash_draws_the_test_split(tmp_path: Path) -> None:
    files = {f"n{n}.{end}": "" if end == "ann" else f"note {n}" for n in range(100) for end in ("txt", "ann")}
    folder = write_loose(tmp_path, files)
    drawn = BratFolder(folder=folder).load()
    tested = set(drawn.documents.filter(drawn.documents["split"] == "test")["doc_id"])
    assert 10 <= len(tested) <= 30
    assert any(DRAWN in warning for warning in drawn.warnings())
    again = BratFolder(folder=folder, salt="other").load().documents
    assert set(again.filter(again["split"] == "test")["doc_id"]) != tested


def test_only_numbered_files_with_published_types_are_n2c2(tmp_path: Path) -> None:
    assert detect_annotated(write_2018(tmp_path / "2018")) == "n2c2_2018"
    drug = {"100035.txt": "aspirin", "100035.ann": "T1\tDrug 0 7\taspirin\n"}
    assert detect_annotated(write_loose(tmp_path / "a", drug)) == "n2c2_2018"
    other = {"100036.txt": "fever", "100036.ann": "T1\tSymptom 0 5\tfever\n"}
    assert detect_annotated(write_loose(tmp_path / "b", {**drug, **other})) == "brat"
    named = {"note.txt": "aspirin", "note.ann": "T1\tDrug 0 7\taspirin\n"}
    assert detect_annotated(write_loose(tmp_path / "c", named)) == "brat"
