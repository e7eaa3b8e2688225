"""`check`: a wrong path is reported before anything is measured, and large tables are not read through."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.cli.check import shown_rows
from chartune.planning.machine import survey_machine
from chartune.store import Store
from chartune.testing.annotated_corpora import write_2010
from chartune.testing.command_line import chartune
from chartune.testing.raw_tables import RawHospital


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the machine was asked; it answers nothing."""
    asked: list[object] = []

    def survey_machine(store: object, benchmark: bool) -> dict[str, Any]:
        asked.append(benchmark)
        return {
            "device": {"name": "a processor"}, "numerics": {"precision": "fp32"}, "versions": {"torch": "2"},
            "base models": {"minilm": "ready, 0123", "smollm2": "not here: …", "small-llama": "will be made"},
            **({"gflops": {"fp32": 70}} if benchmark else {}),
        }  # fmt: skip

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
    assert first[-1 if as_json else 0].strip(' ",').removeprefix('verdict": "') == "not ready: ADMISSIONS: missing"
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
    assert "rows: 12\n" not in chartune("check", folder, *store, "--verbose").out


def test_rows_that_the_publisher_tells_are_no_secret() -> None:
    rows: list[dict[str, Any]] = [
        {"rows": 46_520, "expected_rows": 46_520},
        {"rows": 46_519, "expected_rows": 46_520},
        {"rows": None},
    ]
    assert [row["rows"] for row in shown_rows(rows, exact=False)] == [46_520, "46,510+", None]


def test_the_verdict_comes_first_and_details_on_request(tmp_path: Path, measured: list[object], hospital: Path) -> None:
    words = ("check", hospital, "--store", tmp_path / "store")
    said = chartune(*words)
    lines = said.out.splitlines()
    assert (said.code, lines[0]) == (0, "ready")
    assert lines[1].startswith("  data: mimic3, ")
    assert "  base models: minilm, small-llama (will be made)" in lines
    assert len(lines) <= 7
    assert "torch" not in said.out
    verbose = chartune(*words, "--verbose").out
    assert verbose.startswith("ready\n")
    assert "torch: '2'" in verbose
    assert "table: PATIENTS" in verbose
    assert measured == [False, False]
    assert "fp32: 70 GFLOP/s" in chartune(*words, "--benchmark").out
    assert measured[-1] is True


@pytest.mark.parametrize("lacking", ["memory", "disk"])
def test_a_machine_without_room_is_not_ready(
    tmp_path: Path, measured: list[object], monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    free = {"memory": 1 << 33, "disk": 1 << 33, lacking: 1 << 29}
    monkeypatch.setattr("chartune.cli.check._free", lambda root: free)
    said = chartune("check", "--store", tmp_path / "store", "--json")
    reply = json.loads(said.out)
    assert (said.code, reply["ready"]) == (5, False)
    assert reply["verdict"] == f"not ready: 512.0 MiB of {lacking} are free, less than 1.0 GiB"


def test_rates_are_measured_on_request_only(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr("chartune.planning.machine.catalog", {})
    monkeypatch.setattr("chartune.planning.machine.matmul_rate", lambda dtype, device: 7e9)
    assert "gflops" not in survey_machine(store)
    assert survey_machine(store, benchmark=True)["gflops"] == {"fp32": 7, "bf16": 7}
