"""i2b2 2014: protected health information, the two files known to be wrong, and patients."""

from pathlib import Path

import polars as pl
import pytest

from chartune.sources.annotated.dev import DevSplit
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2014 import ROOT, I2b2Deid2014
from chartune.sources.annotated.spelling import MOVED, NOT_SPELT
from chartune.testing.annotated_corpora import tagged, write_2014
from chartune.testing.downloads import write_loose


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedRecords:
    return I2b2Deid2014(folder=write_2014(tmp_path_factory.mktemp("2014"))).load()


def words(records: AnnotatedRecords, doc_id: str) -> list[tuple[str, str, str]]:
    text = records.documents.filter(pl.col("doc_id") == doc_id)["text"].item()
    mine = records.entities.filter(pl.col("doc_id") == doc_id)
    return [(group, type_, text[start:end]) for _, _, group, type_, start, end, _ in mine.rows()]


def test_the_offsets_of_180_03_are_moved_back_by_four_and_counted(records: AnnotatedRecords) -> None:
    assert words(records, "180-03") == [
        ("DATE", "DATE", "2067-05-03"),
        ("LOCATION", "CITY", "Effingham"),
        ("NAME", "DOCTOR", "Lee"),
        ("LOCATION", "CITY", "BOSTON"),
    ]
    (moved,) = (one for one in records.findings.all() if one.reason == MOVED)
    assert (moved.count, moved.ids, moved.left_out) == (3, ("180-03",), False)


def test_188_05_may_quote_a_company_with_and_for_its_ampersand(records: AnnotatedRecords) -> None:
    assert words(records, "188-05") == [
        ("LOCATION", "ORGANIZATION", "Johnson & Johnson"),
        ("PROFESSION", "PROFESSION", "plumber"),
    ]
    (wrong,) = (one for one in records.findings.all() if one.reason == NOT_SPELT)
    assert (wrong.count, wrong.ids, wrong.left_out) == (1, ("188-05",), True)


def test_the_version_without_tags_does_not_count(records: AnnotatedRecords) -> None:
    assert words(records, "110-01") == [("CONTACT", "PHONE", "555-0100")]
    assert dict(records.documents.group_by("split").len().rows()) == {"train": 18, "test": 1}


def test_the_patient_is_the_first_part_of_the_name_and_stays_in_one_split(records: AnnotatedRecords) -> None:
    assert set(records.documents.filter(pl.col("doc_id").str.starts_with("300"))["patient"]) == {"300"}
    split = DevSplit(validation=0.5).assign(records.documents)
    assert split.group_by("patient").agg(pl.col("split").n_unique())["split"].max() == 1
    assert {"train", "validation", "test"} == set(split["split"])


def test_a_document_without_any_tag_is_counted(tmp_path: Path) -> None:
    records = I2b2Deid2014(folder=write_loose(tmp_path, {"1-01.xml": tagged(ROOT, "\nx\n", [])})).load()
    assert records.documents.is_empty()
    assert records.findings.count("documents") == 1
