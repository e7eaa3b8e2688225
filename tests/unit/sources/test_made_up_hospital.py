"""The made-up hospital as files: the same bytes every time, the layout of MIMIC-III, its oddities counted."""

import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, StoreError
from chartune.sources.made_up import CANARY, hospital, is_made_up, make_hospital, oracle_probability
from chartune.sources.made_up.mimic3_layout import COLUMNS
from chartune.sources.made_up.patients import admission_number, subject_number

SUBJECTS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made_up") / "hospital"
    make_hospital(out, subjects=SUBJECTS, seed=7)
    return out


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "made-up" / "manifest.json").read_text())  # type: ignore[no-any-return]


def _content(folder: Path, table: str) -> str:
    return gzip.decompress((folder / f"{table}.csv.gz").read_bytes()).decode()


def _rows(folder: Path, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_content(folder, table), newline="")))


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_makes_the_same_bytes_whatever_the_surroundings(folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chartune.sources.made_up import make_hospital; "
        f"make_hospital(Path(sys.argv[1]), subjects={SUBJECTS}, seed=7)"
    )
    surroundings = {
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "twin")], check=True, env=os.environ | surroundings)
    assert _files(tmp_path / "twin") == _files(folder)


def test_another_seed_makes_another_hospital(folder: Path, tmp_path: Path) -> None:
    make_hospital(tmp_path / "other", subjects=SUBJECTS, seed=8)
    assert _content(tmp_path / "other", "NOTEEVENTS") != _content(folder, "NOTEEVENTS")


def test_a_bigger_hospital_begins_with_the_same_patients(folder: Path, tmp_path: Path) -> None:
    make_hospital(tmp_path / "bigger", subjects=SUBJECTS + 50, seed=7)
    for table in COLUMNS:
        assert _content(tmp_path / "bigger", table).startswith(_content(folder, table))
    few = pl.read_parquet(folder / "made-up" / "oracle.parquet")
    assert pl.read_parquet(tmp_path / "bigger" / "made-up" / "oracle.parquet").head(few.height).equals(few)


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_headers_are_quoted_and_in_the_order_of_the_release(folder: Path, table: str) -> None:
    first = _content(folder, table).split("\n", 1)[0]
    assert first == ",".join(f'"{column}"' for column in COLUMNS[table])


def test_text_is_quoted_and_numbers_times_and_nulls_are_bare(folder: Path) -> None:
    row = _content(folder, "PATIENTS").split("\n")[1]
    assert row.split(",")[:3] in (["1", "10000", '"M"'], ["1", "10000", '"F"'])
    notes = _content(folder, "NOTEEVENTS")
    assert ',,,"Discharge summary","Report",,,"Admission Date:  [**21' in notes
    assert '""I ' in notes
    assert '"0389"' in _content(folder, "DIAGNOSES_ICD")


def test_the_manifest_counts_and_hashes_what_is_there(folder: Path) -> None:
    manifest = _manifest(folder)
    for table, entry in manifest["tables"].items():
        packed = (folder / entry["file"]).read_bytes()
        assert entry["rows"] == len(_rows(folder, table))
        assert (entry["bytes"], entry["sha256"]) == (len(packed), hashlib.sha256(packed).hexdigest())
        assert entry["content_sha256"] == hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert manifest["oracle"]["rows"] == pl.read_parquet(folder / "made-up" / "oracle.parquet").height
    assert manifest["counts"]["admissions"] == len(_rows(folder, "ADMISSIONS"))
    assert (manifest["subjects"], manifest["seed"], manifest["layout"]) == (SUBJECTS, 7, "mimic3")


def test_the_oddities_are_as_many_as_the_manifest_says(folder: Path) -> None:
    told = _manifest(folder)["oddities"]
    stays, notes, bills = (_rows(folder, table) for table in ("ADMISSIONS", "NOTEEVENTS", "DIAGNOSES_ICD"))
    summaries = [note for note in notes if note["CATEGORY"] == "Discharge summary"]
    listed = {row["ICD9_CODE"] for row in _rows(folder, "D_ICD_DIAGNOSES")}
    codes = [row["ICD9_CODE"] for row in bills]
    assert told["newborns"] == sum(stay["ADMISSION_TYPE"] == "NEWBORN" for stay in stays) > 0
    assert told["admissions_without_summary"] == len(stays) - len({note["HADM_ID"] for note in summaries}) > 0
    assert told["addenda"] == sum(note["DESCRIPTION"] == "Addendum" for note in notes) > 0
    assert told["summaries_marked_as_error"] == sum(note["ISERROR"] == "1" for note in summaries) > 0
    assert told["summaries_filed_twice"] == len(summaries) - len({n["TEXT"] for n in summaries}) > 0
    assert told["notes_without_hadm_id"] == sum(note["HADM_ID"] == "" for note in notes) > 0
    assert told["codes_empty"] == codes.count("")
    assert told["codes_missing_from_dictionary"] == sum(bool(c) and c not in listed for c in codes) > 0
    assert told["admissions_without_diagnoses"] == len(stays) - len({row["HADM_ID"] for row in bills})
    assert {code[0] for code in codes if code} >= {"0", "V", "E"}


def test_deaths_and_dates_agree_between_the_tables(folder: Path) -> None:
    patients = {row["SUBJECT_ID"]: row for row in _rows(folder, "PATIENTS")}
    stays = _rows(folder, "ADMISSIONS")
    assert len({stay["HADM_ID"] for stay in stays}) == len(stays)
    ended: dict[str, str] = {}
    for stay in stays:
        person = patients[stay["SUBJECT_ID"]]
        assert ended.get(stay["SUBJECT_ID"], "") < stay["ADMITTIME"] < stay["DISCHTIME"]
        assert person["DOB"] <= stay["ADMITTIME"]
        ended[stay["SUBJECT_ID"]] = "9" if stay["DEATHTIME"] else stay["DISCHTIME"]  # nobody comes back from death
        assert (stay["HOSPITAL_EXPIRE_FLAG"] == "1") == (stay["DISCHARGE_LOCATION"] == "DEAD/EXPIRED")
        if stay["DEATHTIME"]:
            assert person["DOD_HOSP"][:10] == person["DOD"][:10] == stay["DEATHTIME"][:10] == stay["DISCHTIME"][:10]
    assert all((row["DOD"] != "") == (row["EXPIRE_FLAG"] == "1") for row in patients.values())
    assert any(row["DOB"] < "1900" for row in patients.values()), "patients above 89 are born 300 years before"


def test_the_canary_sings_exactly_where_the_manifest_says(folder: Path) -> None:
    where = _manifest(folder)["canary"]
    singing = [row for row in _rows(folder, "NOTEEVENTS") if CANARY in row["TEXT"]]
    assert sorted(int(row["HADM_ID"]) for row in singing) == sorted(where.values())
    by_stay = {int(row["HADM_ID"]): row["TEXT"] for row in singing}
    course = by_stay[where["hospital_course"]].split("Brief Hospital Course:")[1].split("Medications on Admission:")[0]
    social = by_stay[where["social_history"]].split("Social History:")[1].split("\n\n")[0]
    assert CANARY in course
    assert CANARY in social
    assert "zebrafinch" not in json.dumps(_manifest(folder))
    assert not any("zebrafinch" in _content(folder, table) for table in COLUMNS if table != "NOTEEVENTS")


def test_the_oracle_answers_with_the_last_belief_within_the_words_read(folder: Path) -> None:
    rows = pl.read_parquet(folder / "made-up" / "oracle.parquet")
    hadm_id = rows["hadm_id"][-1]
    known = rows.filter(pl.col("hadm_id") == hadm_id)
    second = int(known["words"][1])
    read = pl.DataFrame({"hadm_id": [hadm_id] * 4, "words": [0, second - 1, second, 10_000]})
    answer = oracle_probability(folder, read)
    assert answer.columns == ["hadm_id", "p_death"]
    first, then, last = known["p_death"][0], known["p_death"][1], known["p_death"][-1]
    assert answer["p_death"].to_list() == [first, first, then, last]


def test_the_oracle_does_not_know_newborns_or_strangers(folder: Path) -> None:
    newborn = next(int(r["HADM_ID"]) for r in _rows(folder, "ADMISSIONS") if r["ADMISSION_TYPE"] == "NEWBORN")
    with pytest.raises(DataError, match="1 have none"):
        oracle_probability(folder, pl.DataFrame({"hadm_id": [newborn], "words": [10]}))
    with pytest.raises(DataError, match="make-hospital"):
        oracle_probability(folder / "made-up", pl.DataFrame({"hadm_id": [1], "words": [10]}))


def test_asking_again_does_nothing_and_gives_the_same_manifest(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_hospital(folder, subjects=SUBJECTS, seed=7) == _manifest(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other things"):
        make_hospital(tmp_path, subjects=3)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not is_made_up(tmp_path)


def test_another_hospital_in_the_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"subjects 9, seed 7.*holds.*subjects 400, seed 7"):
        make_hospital(folder, subjects=9, seed=7)


def test_a_hospital_that_lost_a_table_is_refused(tmp_path: Path) -> None:
    make_hospital(tmp_path / "h", subjects=3)
    (tmp_path / "h" / "PATIENTS.csv.gz").unlink()
    with pytest.raises(ConfigError, match=r"PATIENTS\.csv\.gz is missing"):
        make_hospital(tmp_path / "h", subjects=3)


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


def test_a_killed_attempt_is_cleared_and_a_stranger_beside_is_not(tmp_path: Path) -> None:
    (tmp_path / "h.partial" / "made-up").mkdir(parents=True)
    make_hospital(tmp_path / "h", subjects=3)
    assert [path.name for path in tmp_path.iterdir()] == ["h"]
    (tmp_path / "g.partial").mkdir()
    with pytest.raises(ConfigError, match=r"g\.partial must be free"):
        make_hospital(tmp_path / "g", subjects=3)
    assert (tmp_path / "g.partial").exists()


def test_numbers_of_subjects_and_stays_are_unique() -> None:
    assert len({subject_number(i) for i in range(5000)}) == 5000
    assert len({admission_number(i, stay) for i in range(80_000) for stay in range(3)}) == 240_000
