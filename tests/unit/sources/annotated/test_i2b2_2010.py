"""i2b2 2010: tokens become characters, and every trap is met and counted."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LeakageError, SchemaError
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2010 import I2b2Relations2010
from chartune.sources.annotated.spelling import spelt
from chartune.store import Store
from chartune.testing.annotated_corpora import NOTE_2010, write_2010
from chartune.testing.downloads import write_loose


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedRecords:
    return I2b2Relations2010(folder=write_2010(tmp_path_factory.mktemp("2010"))).load()


def test_documents_come_with_their_published_split_and_unchanged_text(records: AnnotatedRecords) -> None:
    splits = dict(records.documents.select("doc_id", "split").rows())
    assert splits == {**{f"{n:03}": "train" for n in range(8)}, "record-13": "train", "0001": "test"}
    assert records.documents.filter(pl.col("doc_id") == "record-13")["text"].item() == NOTE_2010


def test_every_kept_offset_leads_to_its_words(records: AnnotatedRecords) -> None:
    mine = records.entities.filter(pl.col("doc_id") == "record-13")
    words = [NOTE_2010[start:end] for start, end in mine.select("start", "end").iter_rows()]
    assert list(zip(mine["type"], words, strict=True)) == [
        ("test", "has"),  # counted by every single blank
        ("problem", "severe PAIN"),  # after a leading blank and a run of blanks, quoted in lower case
        ("test", '"cold" cuff || tape'),
        ("problem", "chest\ntightness"),
        ("treatment", "Morphine & rest"),
        ("treatment", "rest"),  # its token is wrong, the word stands once in the line
        ("treatment", "Aspirin"),
        ("problem", "headache"),
        ("test", "EKG"),
        ("problem", "arrhythmia"),
    ]


def test_relations_and_assertions_point_at_entities(records: AnnotatedRecords) -> None:
    ids = {(one["doc_id"], one["entity_id"]): one for one in records.entities.iter_rows(named=True)}
    mine = records.relations.filter(pl.col("doc_id") == "record-13").rows()
    found = {(type_, ids[doc, head]["type"], ids[doc, tail]["start"]) for doc, head, tail, type_ in mine}
    headache, arrhythmia = NOTE_2010.index("headache"), NOTE_2010.index("arrhythmia")
    assert found == {("TrAP", "treatment", headache), ("TeRP", "test", arrhythmia), ("PIP", "problem", 9)}
    attributes = records.attributes.filter(pl.col("doc_id").is_in(["record-13", "0001"]))
    assert attributes.select("doc_id", "name", "value").rows() == [
        ("0001", "assertion", "absent"),
        ("record-13", "assertion", "present"),
        ("record-13", "assertion", "absent"),
    ]


def test_nothing_is_dropped_without_a_reason(records: AnnotatedRecords) -> None:
    left_out = {(one.what, one.ids, one.count) for one in records.findings.all() if one.left_out}
    assert left_out == {
        ("documents", ("999",), 1),
        ("documents", ("0002",), 1),
        ("entities", ("record-13",), 1),
        ("relations", ("record-13",), 1),
        ("attributes", ("record-13",), 1),
    }
    assert records.findings.count("entities") == 3
    assert records.findings.count("entities", left_out=False) == 2
    assert records.findings.count("documents", left_out=False) == 2
    assert records.warnings()[:2] == (
        "train: 170 documents are published, here are 9.",
        "test: 256 documents are published, here are 1.",
    )


def test_two_versions_of_a_note_are_refused(tmp_path: Path) -> None:
    write_loose(tmp_path, {"a/1.txt": "one", "a/1.con": "", "b/1.txt": "two"})
    with pytest.raises(SchemaError, match=r"a/1\.txt and b/1\.txt differ"):
        I2b2Relations2010(folder=tmp_path).load()


def test_a_readme_in_each_archive_is_no_note(tmp_path: Path) -> None:
    write_loose(tmp_path, {"a/README.txt": "one", "b/README.txt": "two", "1.txt": "x", "1.con": ""})
    records = I2b2Relations2010(folder=tmp_path).load()
    assert records.documents["doc_id"].to_list() == ["1"]
    assert records.findings.count("documents") == 1


def test_a_note_for_training_and_for_testing_is_refused(tmp_path: Path) -> None:
    write_loose(tmp_path, {"train/1.txt": "one", "train/1.con": "", "test_data/1.txt": "one"})
    with pytest.raises(LeakageError, match="must stand in one split"):
        I2b2Relations2010(folder=tmp_path).load()


def test_bytes_that_are_no_utf8_are_replaced_and_counted(tmp_path: Path) -> None:
    write_loose(tmp_path, {"1.txt": b"\xef\xbb\xbfCaf\xe9 pain .\r\n", "1.con": b'c="pain" 1:1 1:1||t="problem"\r\n'})
    records = I2b2Relations2010(folder=tmp_path).load()
    text = records.documents["text"].item()
    assert text == "Caf\ufffd pain .\r\n"
    assert spelt(text, records.entities.select("start", "end").rows(), "pain")
    assert records.findings.count("documents", left_out=False) == 1


def test_facts_of_loose_files_are_told_by_their_ending_and_change_with_any_byte(tmp_path: Path, store: Store) -> None:
    folder = write_loose(tmp_path / "c", {"a/1.txt": "one", "a/1.con": "", "a/2.txt": "x"})
    before = I2b2Relations2010(folder=folder).facts(store)
    assert {name: (fact.file, fact.bytes) for name, fact in before.items()} == {
        "*.con": ("1 files *.con", 0),
        "*.txt": ("2 files *.txt", 4),
    }
    (folder / "a" / "2.txt").write_text("y")
    after = I2b2Relations2010(folder=folder).facts(store)
    assert before["*.con"] == after["*.con"]
    assert before["*.txt"].sha256 != after["*.txt"].sha256
