"""The made-up hospital as files: the same bytes every time, in both layouts, refused where something else lies."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, StoreError
from chartune.made_up import CANARY, hospital, make_hospital, oracle_of, oracle_probability
from chartune.made_up.hospital import LAYOUTS
from chartune.made_up.patients import admission_number, icu_stay_number, subject_number
from chartune.sources.mimic3 import Mimic3
from chartune.testing.made_up_tables import content, header, packed, rows

SUBJECTS = 150
NAMES: tuple[Literal["mimic3", "mimic4"], ...] = ("mimic3", "mimic4")
SCRIPT = f"""
import sys
from pathlib import Path
from chartune.made_up import make_hospital
for layout in ("mimic3", "mimic4"):
    make_hospital(Path(sys.argv[1]) / layout, layout=layout, subjects={SUBJECTS}, seed=7)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same hospital in both layouts."""
    out = tmp_path_factory.mktemp("made_up")
    for layout in NAMES:
        make_hospital(out / layout, layout=layout, subjects=SUBJECTS, seed=7)
    return out


@pytest.fixture(scope="module", params=NAMES)
def folder(request: pytest.FixtureRequest, place: Path) -> Path:
    return place / str(request.param)


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "made-up" / "manifest.json").read_text())  # type: ignore[no-any-return]


def _layout(folder: Path) -> Literal["mimic3", "mimic4"]:
    return "mimic4" if folder.name == "mimic4" else "mimic3"


def _notes(folder: Path) -> dict[str, str]:
    """Table of notes → column of its text."""
    return (
        {"NOTEEVENTS": "text"} if _layout(folder) == "mimic3" else {"note/discharge": "text", "note/radiology": "text"}
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_makes_the_same_bytes_whatever_the_surroundings(place: Path, tmp_path: Path) -> None:
    surroundings = {
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, env=os.environ | surroundings)
    assert _files(tmp_path) == _files(place)


def test_another_seed_makes_another_hospital(folder: Path, tmp_path: Path) -> None:
    make_hospital(tmp_path / "other", layout=_layout(folder), subjects=20, seed=8)
    for table in _notes(folder):
        assert content(tmp_path / "other", table) != content(folder, table)[: len(content(tmp_path / "other", table))]


def test_a_bigger_hospital_begins_with_the_same_patients(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "fewer"
    make_hospital(few, layout=_layout(folder), subjects=SUBJECTS - 60, seed=7)
    for table in LAYOUTS[_layout(folder)].columns:
        assert packed(folder, table).startswith(packed(few, table))
    for truth in ("oracle", "ventilation"):
        known = pl.read_parquet(few / "made-up" / f"{truth}.parquet")
        assert pl.read_parquet(folder / "made-up" / f"{truth}.parquet").head(known.height).equals(known)


def test_without_events_all_other_tables_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    layout = LAYOUTS[_layout(folder)]
    manifest = make_hospital(tmp_path / "h", layout=_layout(folder), subjects=SUBJECTS, seed=7, events=False)
    here, there = _files(tmp_path / "h"), _files(folder)
    gone = {f"{table}.csv.gz" for table in layout.events} | {"made-up/ventilation.parquet"}
    assert set(there) - set(here) == gone
    assert {name for name in here if here[name] != there[name]} == {"made-up/manifest.json"}
    assert manifest["ventilation"] is None
    assert manifest["counts"] == _manifest(folder)["counts"]


def test_headers_are_in_the_order_of_the_release(folder: Path) -> None:
    for table, columns in LAYOUTS[_layout(folder)].columns.items():
        assert header(folder, table) == list(columns)


def test_mimic3_quotes_text_and_leaves_numbers_times_and_nulls_bare(place: Path) -> None:
    folder = place / "mimic3"
    first, row = content(folder, "PATIENTS").split("\n")[:2]
    assert first.startswith('"ROW_ID","SUBJECT_ID","GENDER"')
    assert row.split(",")[:3] in (["1", "10000", '"M"'], ["1", "10000", '"F"'])
    notes = content(folder, "NOTEEVENTS")
    assert ',,,"Discharge summary","Report",,,"Admission Date:  [**21' in notes
    assert '""I ' in notes
    assert '"0389"' in content(folder, "DIAGNOSES_ICD")


def test_mimic4_quotes_only_what_needs_it(place: Path) -> None:
    folder = place / "mimic4"
    first, row = content(folder, "hosp/patients").split("\n")[:2]
    assert first == "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"
    assert '"' not in row
    assert " - 20" in row
    assert ",A419,10," not in content(folder, "hosp/d_icd_diagnoses")
    assert 'A419,10,"Sepsis, unspecified organism"' in content(folder, "hosp/d_icd_diagnoses")
    assert '," \nName:  ___ ' in content(folder, "note/discharge")


def test_the_manifest_counts_and_hashes_what_is_there(folder: Path) -> None:
    manifest = _manifest(folder)
    for table, entry in manifest["tables"].items():
        gz = (folder / entry["file"]).read_bytes()
        assert entry["rows"] == len(rows(folder, table))
        assert (entry["bytes"], entry["sha256"]) == (len(gz), hashlib.sha256(gz).hexdigest())
        assert entry["content_sha256"] == hashlib.sha256(packed(folder, table)).hexdigest()
        assert entry["content_bytes"] == len(packed(folder, table))
    for truth in ("oracle", "ventilation"):
        assert manifest[truth]["rows"] == pl.read_parquet(folder / manifest[truth]["file"]).height
    layout = _layout(folder)
    assert (manifest["subjects"], manifest["seed"], manifest["layout"], manifest["events"]) == (150, 7, layout, True)


def test_the_canary_sings_exactly_where_the_manifest_says(folder: Path) -> None:
    where = _manifest(folder)["canary"]
    assert set(where) == {"hospital_course", "radiology", "social_history"}
    singing = [row for table in _notes(folder) for row in rows(folder, table) if CANARY in row["text"]]
    assert sorted(int(row["hadm_id"]) for row in singing) == sorted(where.values())
    summaries = {int(r["hadm_id"]): r["text"] for r in singing if "Chief Complaint:" in r["text"]}
    course = summaries[where["hospital_course"]].split("Brief Hospital Course:")[1]
    assert CANARY in course.split("Medications on Admission:")[0]
    assert CANARY in summaries[where["social_history"]].split("Social History:")[1].split("\n\n")[0]
    assert "zebrafinch" not in json.dumps(_manifest(folder))
    others = set(_manifest(folder)["tables"]) - set(_notes(folder))
    assert not any("zebrafinch" in content(folder, table) for table in others)


def test_the_oracle_answers_with_the_last_belief_within_the_words_read(folder: Path) -> None:
    known = pl.read_parquet(folder / "made-up" / "oracle.parquet")
    hadm_id = known["hadm_id"][-1]
    known = known.filter(pl.col("hadm_id") == hadm_id)
    second = int(known["words"][1])
    read = pl.DataFrame({"hadm_id": [hadm_id] * 4, "words": [0, second - 1, second, 10_000]})
    answer = oracle_probability(folder, read)
    assert answer.columns == ["hadm_id", "p_death"]
    first, then, last = known["p_death"][0], known["p_death"][1], known["p_death"][-1]
    assert answer["p_death"].to_list() == [first, first, then, last]


def test_the_oracle_does_not_know_newborns_or_strangers(place: Path) -> None:
    folder = place / "mimic3"
    newborn = next(int(r["hadm_id"]) for r in rows(folder, "ADMISSIONS") if r["admission_type"] == "NEWBORN")
    with pytest.raises(DataError, match="1 have none"):
        oracle_probability(folder, pl.DataFrame({"hadm_id": [newborn], "words": [10]}))
    with pytest.raises(DataError, match="make-hospital"):
        oracle_probability(folder / "made-up", pl.DataFrame({"hadm_id": [1], "words": [10]}))


def test_only_the_task_and_the_hospital_that_it_knows_have_an_oracle(place: Path, tmp_path: Path) -> None:
    copied, reads = shutil.copytree(place / "mimic3", tmp_path / "copied"), {"kind": "admission-note"}
    source = Mimic3(folder=copied)
    oracle = oracle_of(source, "mortality", reads)
    assert oracle is not None
    known = pl.read_parquet(copied / "made-up" / "oracle.parquet").head(3)
    assert oracle(known.select("hadm_id", "words"))["p_death"].to_list() == known["p_death"].to_list()
    assert oracle_of(source, "late-mortality", reads) is None
    assert oracle_of(source, "mortality", {"kind": "whole-summary"}) is None
    assert oracle_of(source, "mortality", None) is None
    known.write_parquet(copied / "made-up" / "oracle.parquet")
    assert oracle_of(source, "mortality", reads) is None


def test_asking_again_does_nothing_and_gives_the_same_manifest(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_hospital(folder, layout=_layout(folder), subjects=SUBJECTS, seed=7) == _manifest(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other things"):
        make_hospital(tmp_path, subjects=3)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "made-up").exists()


@pytest.mark.parametrize(("subjects", "events"), [(9, True), (SUBJECTS, False)])
def test_another_hospital_in_the_folder_is_refused(place: Path, subjects: int, events: bool) -> None:
    with pytest.raises(
        ConfigError, match=rf"subjects {subjects}, seed 7, events {events}.*holds.*subjects 150, seed 7"
    ):
        make_hospital(place / "mimic3", subjects=subjects, seed=7, events=events)


def test_the_other_layout_in_the_folder_is_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"layout mimic4.*holds layout mimic3"):
        make_hospital(place / "mimic3", layout="mimic4", subjects=SUBJECTS, seed=7)


@pytest.mark.parametrize("lost", ["PATIENTS.csv.gz", "made-up/oracle.parquet", "made-up/ventilation.parquet"])
def test_a_hospital_that_lost_a_file_is_refused(tmp_path: Path, lost: str) -> None:
    make_hospital(tmp_path / "h", subjects=3)
    (tmp_path / "h" / lost).unlink()
    with pytest.raises(ConfigError, match=rf"{Path(lost).name} is missing"):
        make_hospital(tmp_path / "h", subjects=3)


@pytest.mark.parametrize("content", [b"", b'{"tables": {', b"[]", b"\xff", b"[" * 100_000, b'{"tables": {"A": 3}}'])
def test_a_hospital_whose_manifest_is_damaged_is_refused(tmp_path: Path, content: bytes) -> None:
    make_hospital(tmp_path / "h", subjects=3, events=False)
    (tmp_path / "h" / "made-up" / "manifest.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"made-up/manifest\.json is damaged; remove the folder"):
        make_hospital(tmp_path / "h", subjects=3, events=False)


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`layout` must be one of mimic3, mimic4, but got 'omop'"):
        make_hospital(tmp_path / "h", layout="omop", subjects=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("subjects", "seed"), [(0, 0), (3, -1)])
def test_impossible_numbers_are_refused(tmp_path: Path, subjects: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="must hold"):
        make_hospital(tmp_path / "h", subjects=subjects, seed=seed)


def test_nothing_half_written_stays_behind_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hospital, "write_json", full)
    with pytest.raises(StoreError, match="No space left on device"):
        make_hospital(tmp_path / "h", subjects=3)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_a_hospital_in_one_folder_the_later_is_told_and_the_folder_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hospital._fill

    def overtaken(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(hospital, "_fill", made)
        make_hospital(tmp_path / "h", subjects=3)
        return made(*arguments)

    monkeypatch.setattr(hospital, "_fill", overtaken)
    with pytest.raises(ConfigError, match="was taken meanwhile"):
        make_hospital(tmp_path / "h", subjects=3)
    assert [path.name for path in tmp_path.iterdir()] == ["h"]
    assert make_hospital(tmp_path / "h", subjects=3)["subjects"] == 3


def test_numbers_of_subjects_and_stays_are_unique() -> None:
    assert len({subject_number(i) for i in range(5000)}) == 5000
    assert len({admission_number(i, stay) for i in range(80_000) for stay in range(3)}) == 240_000
    stays = {icu_stay_number(i, stay, place) for i in range(80_000) for stay in range(3) for place in (0, 1)}
    assert len(stays) == 480_000
