"""`check`: a wrong path is reported before anything is measured, and large tables are not read through."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.cli.check import shown_rows
from chartune.testing.annotated_corpora import write_2010
from chartune.testing.command_line import chartune
from chartune.testing.raw_tables import RawHospital


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the machine was asked; it answers nothing."""
    asked: list[object] = []

    def survey_machine(store: object) -> dict[str, Any]:
        asked.append(store)
        return {}

    monkeypatch.setattr("chartune.planning.machine.survey_machine", survey_machine)
    return asked


@pytest.mark.parametrize("place", ["nowhere", "empty", "iv/hosp"])
def test_a_wrong_path_is_told_before_anything_is_measured_or_made(
    tmp_path: Path, measured: list[object], place: str
) -> None:
    raw = RawHospital()
    raw.stay(1)
    raw.write_mimic4(tmp_path / "iv")
    (tmp_path / "empty").mkdir()
    said = chartune("check", tmp_path / place, "--store", tmp_path / "store")
    assert (said.code, said.out) == (3, "")
    output = " ".join(said.err.split())
    assert str(tmp_path / place) in output
    if place == "iv/hosp":
        assert f"give {tmp_path / 'iv'}, which looks like one of these." in output
    assert measured == []
    assert not (tmp_path / "store").exists()


def test_tables_are_told_with_how_they_were_read(
    tmp_path: Path, measured: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = RawHospital()
    for subject_id in range(1, 5):
        raw.stay(subject_id)
    folder = raw.write(tmp_path / "raw")
    sizes = sorted(file.stat().st_size for file in folder.iterdir())
    monkeypatch.setattr("chartune.sources.survey.CHEAP_BYTES", sum(sizes[:2]))
    reply = json.loads(chartune("check", folder, "--store", tmp_path / "store", "--json").out)
    assert reply["source"] == "mimic3"
    there = {row["table"]: row["read"] for row in reply["tables"] if row["file"]}
    assert sorted(there.values()) == ["first rows", "whole", "whole"]
    assert len(measured) == 1
    assert reply["store"]["writable"] is True


def test_an_annotated_corpus_is_known_by_name(tmp_path: Path, measured: list[object]) -> None:
    reply = json.loads(chartune("check", write_2010(tmp_path / "raw"), "--store", tmp_path / "store", "--json").out)
    assert reply["source"] == "i2b2_2010"
    assert len(measured) == 1


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["for people", "as JSON"])
def test_tables_that_are_needed_and_missing_come_first_and_the_exit_code_is_3(
    tmp_path: Path, measured: list[object], as_json: tuple[str, ...]
) -> None:
    raw = RawHospital()
    raw.stay(1)
    folder = raw.write(tmp_path / "raw")
    (folder / "ADMISSIONS.csv.gz").unlink()
    said = chartune("check", folder, "--store", tmp_path / "store", *as_json)
    assert said.code == 3
    assert "but ADMISSIONS: missing; give the folder that holds them" in " ".join(said.err.split())
    first = said.out.strip("{ \n").splitlines()[:2]
    assert "needed" in first[0]
    assert "ADMISSIONS: missing" in first[1]
    assert len(measured) == 1


def test_a_table_of_ones_own_without_its_columns_is_told_by_the_exit_code(
    tmp_path: Path, measured: list[object]
) -> None:
    (tmp_path / "n.csv").write_text("text,label\na,b\n")
    said = chartune("check", tmp_path / "n.csv", "--store", tmp_path / "store")
    assert (said.code, "notes: lacks subject_id" in said.err) == (3, True)
    (tmp_path / "n.csv").write_text("text;subject_id;label\na;1;b\n")
    assert chartune("check", tmp_path / "n.csv", "--store", tmp_path / "store").code == 0


def test_rows_of_real_patients_are_told_by_their_class_and_exact_ones_are_marked(
    tmp_path: Path, measured: list[object], hospital: Path
) -> None:
    raw = RawHospital()
    for subject_id in range(1, 13):
        raw.stay(subject_id)
    folder, store = raw.write(tmp_path / "raw"), ("--store", tmp_path / "store")

    def rows(place: Path, *words: str) -> tuple[dict[str, Any], Any]:
        reply = json.loads(chartune("check", place, *store, "--json", *words).out)
        return reply, next(row["rows"] for row in reply["tables"] if row["table"] == "PATIENTS")

    shown, exact, fictional = rows(folder), rows(folder, "--exact-counts"), rows(hospital)
    assert (shown[1], exact[1], fictional[1]) == ("10+", 12, 220)
    assert [(reply["figures"], reply["do_not_release"]) for reply, _ in (shown, exact, fictional)] == [
        ("rounded", False), ("exact", True), ("exact", False),
    ]  # fmt: skip
    assert chartune("check", folder, *store, "--exact-counts").out.startswith("DO NOT RELEASE")
    assert "rows: 12\n" not in chartune("check", folder, *store).out


def test_rows_that_the_publisher_tells_are_no_secret() -> None:
    rows: list[dict[str, Any]] = [
        {"rows": 46_520, "expected_rows": 46_520},
        {"rows": 46_519, "expected_rows": 46_520},
        {"rows": None},
    ]
    assert [row["rows"] for row in shown_rows(rows, exact=False)] == [46_520, "46,510+", None]
