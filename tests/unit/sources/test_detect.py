"""Detection: which reader a path needs, and what is said of the layouts that none reads."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from chartune.config import Config
from chartune.errors import ConfigError, DataError, SchemaError
from chartune.sources.catalog import AnySource, detect, survey
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.tabular import Tabular
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import RawHospital, write_table


def hospital() -> RawHospital:
    raw = RawHospital()
    raw.stay(1)
    return raw


def header(folder: Path, *tables: str, columns: tuple[str, ...] = ("Id", "START", "STOP")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        write_table(folder / f"{table}.csv", columns, [])
    return folder


def test_a_file_is_a_table_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").touch()
    assert detect(tmp_path / "notes.csv") == "tabular"


def test_folders_are_told_apart_by_hosp(tmp_path: Path) -> None:
    assert detect(hospital().write(tmp_path / "three")) == "mimic3"
    assert detect(hospital().write_mimic4(tmp_path / "four")) == "mimic4"
    hospital().write_mimic4(tmp_path / "download" / "physionet.org" / "files" / "mimiciv" / "2.2")
    assert detect(tmp_path / "download") == "mimic4"
    (tmp_path / "begun" / "hosp").mkdir(parents=True)
    assert detect(tmp_path / "begun") == "mimic4"
    hospital().write(tmp_path / "partial")
    for table in ("PATIENTS", "NOTEEVENTS"):
        (tmp_path / "partial" / f"{table}.csv.gz").unlink()
    assert detect(tmp_path / "partial") == "mimic3"  # its reader says what is missing


KNOWN = r"must be laid out as MIMIC-III \(PATIENTS, .*\) or as MIMIC-IV \(hosp/ with patients and .*\), but "


def test_an_empty_folder_is_told_which_layouts_there_are(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SchemaError, match=KNOWN + r".*empty is empty; give the folder that holds such tables, or one file"
    ):
        detect(tmp_path / "empty")


@pytest.mark.parametrize("module", ["hosp", "note"])
def test_of_a_part_of_mimic_iv_the_folder_above_is_the_way_out(tmp_path: Path, module: str) -> None:
    folder = hospital().write_mimic4(tmp_path / "iv")
    shown = {"hosp": "admissions.csv.gz, patients.csv.gz", "note": "discharge.csv.gz, radiology.csv.gz"}[module]
    with pytest.raises(SchemaError, match=KNOWN + rf".* has {shown}; give {folder}, which looks like one of these\.$"):
        detect(folder / module)


def test_of_a_folder_above_the_one_below_is_the_way_out(tmp_path: Path) -> None:
    folder = hospital().write(tmp_path / "files" / "1.4")
    with pytest.raises(SchemaError, match=KNOWN + rf".* has 1\.4/; give {folder}, which looks like one of these\.$"):
        detect(tmp_path / "files")


def test_tables_of_mimic_iv_that_lie_about_are_told_where_they_belong(tmp_path: Path) -> None:
    (hospital().write_mimic4(tmp_path / "iv") / "hosp").rename(tmp_path / "flat")
    with pytest.raises(SchemaError, match=r"has admissions\.csv\.gz, .*tables are those of MIMIC-IV: put .* hosp/"):
        detect(tmp_path / "flat")


def test_a_table_in_a_folder_is_told_as_a_file_to_give_and_nothing_of_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    header(folder, *(f"ward{n}" for n in range(12)), columns=("CANARY",))
    with pytest.raises(
        SchemaError, match=rf"and 4 more; if ward0\.csv is .* notes, give {folder}/ward0\.csv;"
    ) as error:
        detect(folder)
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind"), [("mimic-iii-demo-1.4", "mimic3"), ("mimic-iv-demo-2.2", "mimic4"),
                       ("codiesp-as-mimic-iii", "mimic3"), ("codiesp-as-mimic-iv", "mimic4")],
)  # fmt: skip
def test_open_data_are_known(name: str, kind: str) -> None:
    assert detect(open_data(name)) == kind


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"must be a folder of tables or one file, but .*nowhere is neither"):
        detect(tmp_path / "nowhere")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(SchemaError, match=r"must be readable, but .* ask its owner"):
        detect(tmp_path)


@pytest.mark.parametrize("below", ["", "csv", "output"])
def test_an_export_of_synthea_is_named_and_has_no_notes(tmp_path: Path, below: str) -> None:
    header(tmp_path / below, "patients", "encounters", "observations", "careplans")
    with pytest.raises(DataError, match=r"export of Synthea .* has no notes.* one file"):
        detect(tmp_path)


def test_omop_and_meds_are_not_read_yet(tmp_path: Path) -> None:
    header(tmp_path / "omop", "PERSON", "visit_occurrence", "condition_occurrence", "note")
    with pytest.raises(DataError, match=r"OMOP layout .* not read yet; .* one file"):
        detect(tmp_path / "omop")
    (tmp_path / "meds" / "data" / "train").mkdir(parents=True)
    (tmp_path / "meds" / "metadata").mkdir()
    (tmp_path / "meds" / "metadata" / "codes.parquet").touch()
    with pytest.raises(DataError, match=r"MEDS layout .* not read yet"):
        detect(tmp_path / "meds")


@pytest.mark.parametrize("layout", ["one folder", "one download"])
def test_two_releases_in_one_folder_are_refused(tmp_path: Path, layout: str) -> None:
    files = tmp_path / "physionet.org" / "files"
    hospital().write_mimic4(tmp_path if layout == "one folder" else files / "mimiciv" / "2.2")
    hospital().write(tmp_path if layout == "one folder" else files / "mimiciii" / "1.4")
    with pytest.raises(DataError, match=r"one release, but .* MIMIC-IV \(hosp/\) and MIMIC-III.*--source mimic4"):
        detect(tmp_path)


def test_the_first_version_of_mimic_iv_is_refused(tmp_path: Path) -> None:
    header(tmp_path / "core", "patients", "admissions")
    header(tmp_path / "hosp", "diagnoses_icd")
    with pytest.raises(DataError, match=r"version 2\.0 or later"):
        detect(tmp_path)


def test_a_source_is_chosen_by_its_kind_and_keeps_its_place_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    any_source: TypeAdapter[AnySource] = TypeAdapter(AnySource)
    three = any_source.validate_python({"kind": "mimic3", "folder": "raw"})
    four = any_source.validate_python({"kind": "mimic4", "folder": "~/raw", "notes": "notes"})
    table = any_source.validate_python({"kind": "tabular", "file": "raw/n.csv"})
    assert three == Mimic3(folder=tmp_path / "raw")
    assert four == Mimic4(folder=tmp_path / "home" / "raw", notes=tmp_path / "notes")
    assert table == Tabular(file=tmp_path / "raw" / "n.csv")


class Asking(Config):
    """A config with a source."""

    source: AnySource


def test_a_kind_that_is_none_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`kind` must be one of mimic3, mimic4, tabular, but got 'mimic9'\.$"):
        Asking.parse({"source": {"kind": "mimic9", "folder": str(tmp_path)}})


def test_a_source_without_a_kind_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source: `kind` must be given, one of mimic3, mimic4, tabular"):
        Asking.parse({"source": {"folder": str(tmp_path)}})


def test_the_home_of_nobody_is_a_slip_and_no_crash() -> None:
    with pytest.raises(ConfigError, match=r"source\.folder: .*home folder"):
        Asking.parse({"source": {"kind": "mimic3", "folder": "~nobody-of-this-name/raw"}})


def test_of_two_releases_in_one_folder_the_one_that_is_meant_can_be_surveyed(tmp_path: Path) -> None:
    hospital().write_mimic4(tmp_path)
    hospital().write(tmp_path)
    assert {row["table"] for row in survey(tmp_path, kind="mimic3")} >= {"NOTEEVENTS", "PATIENTS"}
    assert {row["table"] for row in survey(tmp_path, kind="mimic4")} >= {"discharge", "patients"}
