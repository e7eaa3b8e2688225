"""The marker of a made-up hospital vouches for the tables that it lists, and for no others."""

import json
from pathlib import Path

import pytest

from chartune.sources.marker import MADE_UP, marker
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import SUMMARY, RawHospital, mark


def hospital(patients: int = 4) -> RawHospital:
    raw = RawHospital()
    for n in range(1, patients + 1):
        raw.patient(n)
        raw.admission(n, 1000 + n)
        raw.note(n, 1000 + n, SUMMARY.format(n))
    return raw


def test_real_tables_beside_a_left_over_marker_are_real(tmp_path: Path) -> None:
    mark(hospital().write(tmp_path))
    assert Mimic3(folder=tmp_path).load().about.version == "made-up"
    (tmp_path / "NOTEEVENTS.csv.gz").unlink()
    (tmp_path / "NOTEEVENTS.csv.gz").write_bytes(
        (hospital(5).write(tmp_path / "real") / "NOTEEVENTS.csv.gz").read_bytes()
    )
    records = Mimic3(folder=tmp_path).load()
    assert (records.about.version, records.about.licence) == ("1.4 layout", "unknown")
    assert records.warnings[0].startswith("made-up/manifest.json: it does not list these very files")


@pytest.mark.parametrize("source", [Mimic3, Mimic4])
def test_one_table_that_the_marker_does_not_list_makes_all_of_them_real(source: type, tmp_path: Path) -> None:
    hospital().write(tmp_path) if source is Mimic3 else hospital().write_mimic4(tmp_path)
    file = mark(tmp_path)
    assert source(folder=tmp_path).load().about.version == "made-up"
    said = json.loads(file.read_text())
    said["tables"] = {
        name: row for name, row in said["tables"].items() if "note" not in name.lower() and "discharge" not in name
    }
    file.write_text(json.dumps(said))
    assert source(folder=tmp_path).load().about.version != "made-up"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "{half", '{"tables": []}', '{"tables": {"a": 1}}', "\xff"])
def test_a_marker_that_lists_nothing_vouches_for_nothing(content: str, tmp_path: Path) -> None:
    table = hospital().write(tmp_path) / "PATIENTS.csv.gz"
    (tmp_path / MADE_UP).parent.mkdir()
    (tmp_path / MADE_UP).write_text(content, encoding="latin-1")
    assert marker(tmp_path, [table]) is None


def test_no_file_is_vouched_for_by_nothing(tmp_path: Path) -> None:
    mark(hospital().write(tmp_path))
    assert marker(tmp_path, []) is None


def test_a_truth_that_was_changed_is_none(tmp_path: Path) -> None:
    (tmp_path / "oracle").write_text("true")
    file = mark(hospital().write(tmp_path))
    table, said = tmp_path / "PATIENTS.csv.gz", json.loads(file.read_text())
    assert marker(tmp_path, [table], truths=("oracle",)) is None
    file.write_text(json.dumps(said | {"oracle": {"file": "oracle", **said["tables"]["oracle"]}}))
    assert marker(tmp_path, [table], truths=("oracle",)) is not None
    (tmp_path / "oracle").write_text("else")
    assert marker(tmp_path, [table], truths=("oracle",)) is None


def test_the_marker_is_in_the_fingerprint_and_removing_it_heals_the_store(tmp_path: Path) -> None:
    raw, store = hospital().write(tmp_path / "raw"), Store(tmp_path / "store").open()
    preparation = Preparation.parse({"source": {"kind": "mimic3", "folder": raw}})
    plain = prepare(preparation, store)
    file = mark(raw)
    marked = prepare(preparation, store)
    file.write_text(file.read_text().replace("sha256", "other"))
    false = prepare(preparation, store)
    assert len({plain.fingerprint, marked.fingerprint, false.fingerprint}) == 3
    versions = [plain_dataset(data)["source"]["version"] for data in (plain, marked, false)]
    assert versions == ["1.4 layout", "made-up", "1.4 layout"]
    file.unlink()
    assert prepare(preparation, store).fingerprint == plain.fingerprint
