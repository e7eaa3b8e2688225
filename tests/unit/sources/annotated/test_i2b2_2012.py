"""i2b2 2012: events, times and links out of XML that is not always well-formed."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LeakageError, SchemaError
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2012 import ROOT, I2b2Temporal2012
from chartune.sources.annotated.tagged import MENDED, UNREADABLE, VERSION
from chartune.testing.annotated_corpora import NOTE_2012, tag, tagged, write_2012
from chartune.testing.downloads import write_loose


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedRecords:
    return I2b2Temporal2012(folder=write_2012(tmp_path_factory.mktemp("2012"))).load()


def of(records: AnnotatedRecords, reason: str) -> tuple[str, ...]:
    return next(one.ids for one in records.findings.all() if one.reason == reason)


def test_offsets_count_the_line_break_after_cdata_and_every_character_of_an_entity(records: AnnotatedRecords) -> None:
    mine = records.entities.filter(pl.col("doc_id") == "1")
    assert records.documents.filter(pl.col("doc_id") == "1")["text"].item() == NOTE_2012
    found = {id_: (group, type_, NOTE_2012[start:end]) for _, id_, group, type_, start, end, _ in mine.rows()}
    assert found == {
        "E0": ("EVENT", "OCCURRENCE", "Admission"),
        "E1": ("EVENT", "PROBLEM", "patient&apos;s Fever"),
        "E2": ("EVENT", "PROBLEM", "chills resolved\nafter"),
        "E3": ("EVENT", None, "resolved"),
        "T0": ("TIMEX3", "DATE", "09/29/1993"),
        "T1": ("TIMEX3", "DURATION", "2 days"),
        "S0": ("SECTIME", "ADMISSION", "09/29/1993"),
    }


def test_links_keep_their_type_and_those_without_an_end_are_counted(records: AnnotatedRecords) -> None:
    assert set(records.relations.rows()) == {
        ("1", "E0", "T0", "OVERLAP"),
        ("1", "E2", "T1", None),
        ("12", "E0", "T0", "DURING"),
    }
    assert records.findings.count("relations") == 1


def test_polarity_modality_and_values_are_kept(records: AnnotatedRecords) -> None:
    attributes = {(entity, name): value for doc, entity, name, value in records.attributes.rows() if doc == "1"}
    assert attributes["E2", "polarity"] == "NEG"
    assert attributes["T1", "val"] == "P2D"
    assert attributes["S0", "dvalue"] == "1993-09-29"


def test_a_bare_ampersand_is_mended_and_a_file_cut_off_is_counted(records: AnnotatedRecords) -> None:
    assert of(records, MENDED) == ("2",)
    assert of(records, UNREADABLE) == ("3",)
    assert records.entities.filter(pl.col("doc_id") == "2")["type"].to_list() == ["PROBLEM", "TEST"]


def test_of_several_releases_the_one_with_the_most_tags_counts(records: AnnotatedRecords) -> None:
    assert of(records, VERSION) == ("12",)
    assert dict(records.documents.select("doc_id", "split").rows())["12"] == "test"


@pytest.mark.parametrize(
    "folder", ["ground_truth/merged_xml", "2012-08-23.test-data.groundtruth", "Evaluation_Test ground_truth/xml"]
)
def test_folders_of_the_test_part_are_known_by_their_names(tmp_path: Path, folder: str) -> None:
    text = "\nFever .\n"
    write_loose(tmp_path, {f"{folder}/7.xml": tagged(ROOT, text, [tag("EVENT", "E0", text, "Fever", type="PROBLEM")])})
    assert I2b2Temporal2012(folder=tmp_path).load().documents["split"].to_list() == ["test"]


def test_two_texts_under_one_number_are_refused(tmp_path: Path) -> None:
    for folder, text in (("a", "\nFever .\n"), ("b", "\nNo fever .\n")):
        write_loose(tmp_path, {f"{folder}/7.xml": tagged(ROOT, text, [])})
    with pytest.raises(SchemaError, match="differ"):
        I2b2Temporal2012(folder=tmp_path).load()


def test_a_document_for_training_and_for_testing_is_refused(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        write_loose(tmp_path, {f"{folder}/7.xml": tagged(ROOT, "\nFever .\n", [])})
    with pytest.raises(LeakageError):
        I2b2Temporal2012(folder=tmp_path).load()


def test_a_hostile_file_stops_the_reading_and_is_named(tmp_path: Path) -> None:
    write_2012(tmp_path)
    write_loose(tmp_path, {"more/9.xml": '<!DOCTYPE x [<!ENTITY a "canary">]><x>&a;</x>'})
    with pytest.raises(SchemaError, match=r"more/9\.xml") as error:
        I2b2Temporal2012(folder=tmp_path).load()
    assert "canary" not in str(error.value)
