"""Concepts and de-identification: notes with their spans in characters."""

from pathlib import Path

import polars as pl
import pytest

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.i2b2_2012 import I2b2Temporal2012
from chartune.sources.annotated.i2b2_2014 import I2b2Deid2014
from chartune.sources.annotated.n2c2_2018 import N2c2Drugs2018
from chartune.tasks.annotated.concepts import Concepts, Deidentification
from chartune.testing.annotated_corpora import NOTE_2018, write_2012, write_2014, write_2018


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_2012(folder / "2012")
    write_2014(folder / "2014")
    write_2018(folder / "2018")
    return folder


def spans(frame: pl.DataFrame, doc_id: str) -> list[tuple[int, int, str]]:
    (row,) = frame.filter(pl.col("doc_id") == doc_id)["entities"].to_list()
    return [(span["start"], span["end"], span["type"]) for span in row]


def test_a_row_is_a_note_with_its_spans_sorted(raw: Path) -> None:
    records = N2c2Drugs2018(folder=raw / "2018").load()
    made = Concepts().make(records, records.documents)
    assert made.frame.schema["entities"] == pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32, "type": pl.String}))
    assert made.labels == ("ADE", "Drug", "Frequency", "Reason", "Route", "Strength")
    assert made.frame["doc_id"].to_list() == sorted(records.documents["doc_id"])
    found = spans(made.frame, "100035")
    assert found == sorted(found)
    assert [(NOTE_2018[start:end], type_) for start, end, type_ in found][5:8] == [
        ("Olanzapine", "Drug"),
        ("Rash", "ADE"),
        ("Rash", "Reason"),
    ]
    assert made.counts["train"] == {
        "subjects": 9, "documents": 9, "spans": 26, "overlapping": 1, "of_unlearnt_labels": 0,
    }  # fmt: skip


def test_of_i2b2_2012_events_are_asked_and_times_on_demand(raw: Path) -> None:
    records = I2b2Temporal2012(folder=raw / "2012").load()
    events = Concepts().make(records, records.documents)
    assert events.labels == ("OCCURRENCE", "PROBLEM", "TEST")
    assert events.left_out == {
        "of a group that is not asked": 4,
        "its annotator left the type empty": 1,
        "the same span and label a second time": 0,
    }
    # The only treatment stands in the test part: it stays, and counts as missed.
    assert events.counts["test"]["of_unlearnt_labels"] == 1
    times = Concepts(groups=("TIMEX3",)).make(records, records.documents)
    assert times.labels == ("DATE", "DURATION")


def test_a_note_without_spans_stays(raw: Path) -> None:
    records = I2b2Temporal2012(folder=raw / "2012").load()
    times = Concepts(groups=("TIMEX3",)).make(records, records.documents)
    assert times.frame.height == records.documents.height
    assert spans(times.frame, "101") == []


@pytest.mark.parametrize(
    ("level", "labels"),
    [
        ("type", ("CITY", "DATE", "DOCTOR", "ORGANIZATION", "PATIENT", "PROFESSION")),
        ("group", ("DATE", "LOCATION", "NAME", "PROFESSION")),
    ],
)
def test_health_information_has_two_levels(raw: Path, level: str, labels: tuple[str, ...]) -> None:
    records = I2b2Deid2014(folder=raw / "2014").load()
    made = Deidentification.parse({"level": level}).make(records, records.documents)
    assert made.labels == labels
    assert made.frame.filter(pl.col("patient") == "300")["subject_id"].to_list() == [300, 300]


def test_a_span_twice_with_one_label_counts_once(raw: Path) -> None:
    records = N2c2Drugs2018(folder=raw / "2018").load()
    twice = AnnotatedRecords(**{**vars(records), "entities": pl.concat([records.entities, records.entities])})
    made = Concepts().make(twice, records.documents)
    assert made.frame.equals(Concepts().make(records, records.documents).frame)
    assert made.left_out["the same span and label a second time"] == records.entities.height
