"""n2c2 2018 and brat: pieces, capitals, overlaps; and real abstracts, written as brat and read back."""

import re
from pathlib import Path

import polars as pl
import pytest

from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.n2c2_2018 import N2c2Drugs2018
from chartune.testing.annotated_corpora import NOTE_2018, brat_span, write_2018
from chartune.testing.downloads import write_loose
from chartune.testing.open_data import open_data


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedRecords:
    return N2c2Drugs2018(folder=write_2018(tmp_path_factory.mktemp("2018"))).load()


def test_every_kept_span_spells_its_words(records: AnnotatedRecords) -> None:
    mine = records.entities.filter(pl.col("doc_id") == "100035")
    found = {id_: (type_, NOTE_2018[start:end], pieces) for _, id_, _, type_, start, end, pieces in mine.rows()}
    assert found == {
        "T1": ("Drug", "ASPIRIN", 1),
        "T2": ("Strength", "81 mg", 1),
        "T3": ("Frequency", "daily\nfor", 1),
        "T4": ("Reason", "chest\npain", 1),  # broken at a line break only, so it is one piece
        "T5": ("Drug", "Olanzapine", 1),  # two pieces with nothing between them
        "T6": ("ADE", "Rash", 1),
        "T7": ("Reason", "Rash", 1),
        "T8": ("Drug", "aspirin", 1),
        "T9": ("ADE", "left and right arm swelling", 2),
        "T12": ("Route", "po", 1),  # its words go on in the next line of the file
    }


def test_an_entity_in_pieces_keeps_them(records: AnnotatedRecords) -> None:
    pieces = [NOTE_2018[start:end] for *_, start, end in records.pieces.rows()]
    assert pieces == ["left", "arm swelling"]


def test_relations_join_parts_to_drugs_and_one_without_an_end_is_counted(records: AnnotatedRecords) -> None:
    mine = records.relations.filter(pl.col("doc_id") == "100035").drop("doc_id").rows()
    assert set(mine) == {
        ("T2", "T1", "Strength-Drug"),
        ("T4", "T1", "Reason-Drug"),
        ("T6", "T8", "ADE-Drug"),
        ("T9", "T8", "ADE-Drug"),
    }
    assert records.findings.count("relations") == 1
    assert records.findings.count("entities") == 2


def test_line_ends_of_two_characters_count_as_the_annotation_counts_them(records: AnnotatedRecords) -> None:
    texts = dict(records.documents.select("doc_id", "text").rows())
    assert texts["300001"] == "Took\nwarfarin\n2 mg.\n"
    assert texts["200000"].endswith(".\r\nCase 200000: 6 mg.\r\n")
    starts = records.entities.filter(pl.col("doc_id") == "300001")["start"].to_list()
    assert starts == [5, 14]


def test_a_note_without_text_and_one_without_marks_are_counted(tmp_path: Path) -> None:
    write_loose(
        tmp_path,
        {"1.txt": "x", "2.ann": "", "3.txt": "aspirin", "3.ann": brat_span("T1", "Drug", "aspirin", "aspirin")},
    )
    records = N2c2Drugs2018(folder=tmp_path).load()
    assert records.documents["doc_id"].to_list() == ["3"]
    assert records.findings.count("documents") == 2


def test_real_abstracts_written_as_brat_come_back_with_all_their_offsets(tmp_path: Path) -> None:
    text = (open_data("bc5cdr-sample") / "CDR_sample.PubTator.txt").read_text(encoding="utf-8")
    files, expected = {}, set()
    for block in text.strip().split("\n\n"):
        title, abstract, *marks = block.split("\n")
        doc_id = title.partition("|")[0]
        spans = [cells for line in marks if len(cells := line.split("\t")) >= 5 and cells[1].isdecimal()]
        files[f"{doc_id}.txt"] = f"{title.split('|', 2)[2]} {abstract.split('|', 2)[2]}"
        files[f"{doc_id}.ann"] = "\n".join(
            f"T{n}\t{type_} {start} {end}\t{words}" for n, (_, start, end, words, type_, *_) in enumerate(spans)
        )
        expected |= {(doc_id, int(start), int(end), type_) for _, start, end, _, type_, *_ in spans}
    records = N2c2Drugs2018(folder=write_loose(tmp_path, files)).load()
    assert len(expected) > 900
    assert set(records.entities.select("doc_id", "start", "end", "type").rows()) == expected
    assert records.findings.count("entities") == 0
    # Chemical and Disease are no types of n2c2 2018: kept, and said so.
    assert any(re.search("none of the published", one.reason) for one in records.findings.all())
