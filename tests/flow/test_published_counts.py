"""Counts that are known from elsewhere: of the open demos and of the CodiEsp twins, whose makers counted them.

Nothing here was taken from chartune's own output: the numbers are those of the data's README files, or are counted
beside in plain Python from the raw tables.
"""

import csv
import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.source import Records
from chartune.sources.splits import ImportedSplit
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.length_of_stay import CLASSES, DIED, LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.procedures import Procedures
from chartune.tasks.prolonged_ventilation import ProlongedVentilation
from chartune.testing.open_data import open_data
from chartune.testing.small_charts import answers

NOTHING = pl.DataFrame()


@pytest.fixture(scope="module")
def three() -> Records:
    return Mimic3(folder=open_data("mimic-iii-demo-1.4")).load()


@pytest.fixture(scope="module")
def four() -> Records:
    return Mimic4(folder=open_data("mimic-iv-demo-2.2")).load()


@pytest.fixture(scope="module")
def twin() -> Records:
    return Mimic3(folder=open_data("codiesp-as-mimic-iii")).load(events=True)


@pytest.fixture(scope="module")
def coded_patients() -> set[int]:
    """Patients of the twin with codes: those of its splits."""
    lists = ImportedSplit(folder=open_data("codiesp-as-mimic-iii") / "splits").lists()
    return {one for split, ids in lists.items() if split != "corpus" for one in ids}


def lengths(task: LengthOfStay, records: Records) -> list[int]:
    """How many admissions each class has."""
    told = Counter(name for (name,) in answers(task, records).values())
    return [told[name] for name in task.label_space(NOTHING, records).labels]


def as_if_all_survived(records: Records) -> Records:
    return replace(records, admissions=records.admissions.with_columns(hospital_expire_flag=pl.lit(0, pl.Int64)))


def codes_of(file: Path) -> list[tuple[str, str, str]]:
    """(hadm_id, code, version) of a raw table, read as text by the csv module."""
    packed = file if file.exists() else file.with_name(f"{file.name}.gz")
    content = gzip.decompress(packed.read_bytes()) if packed.suffix == ".gz" else packed.read_bytes()
    rows = csv.DictReader(content.decode().lower().replace("\r\n", "\n").splitlines())
    found = (
        (row["hadm_id"], row.get("icd9_code") or row.get("icd_code", ""), row.get("icd_version", "9")) for row in rows
    )
    return [(hadm_id, code.strip().upper(), version) for hadm_id, code, version in found if code]


def core_group(code: str) -> str:
    return code[: 4 if code[0] in "VE" else 3]


def test_lengths_of_stay_of_the_mimic_iii_demo_are_those_of_its_readme(three: Records) -> None:
    assert lengths(LengthOfStay(), as_if_all_survived(three)) == [32, 37, 43, 17]
    survived = lengths(LengthOfStay(), three)
    assert sum(survived) == 129 - 40
    assert lengths(LengthOfStay(deaths="class"), three) == [*survived, 40]


def test_lengths_of_stay_of_the_mimic_iv_demo_are_those_of_its_readme(four: Records) -> None:
    assert lengths(LengthOfStay(), as_if_all_survived(four)) == [87, 97, 60, 31]
    told = Counter(name for (name,) in answers(LengthOfStay(deaths="class"), four).values())
    assert told[DIED] == 15
    assert sum(told[name] for name in CLASSES) == 275 - 15


def test_lengths_of_stay_of_the_twin_are_those_of_its_readme(twin: Records, coded_patients: set[int]) -> None:
    mine = replace(twin, admissions=twin.admissions.filter(pl.col("subject_id").is_in(list(coded_patients))))
    assert lengths(LengthOfStay(), mine) == [203, 224, 153, 84]
    assert lengths(LengthOfStay(), as_if_all_survived(mine)) == [235, 249, 170, 96]
    assert Counter(name for (name,) in answers(Mortality(), mine).values())["died"] == 86
    assert Counter(name for (name,) in answers(Mortality(), twin).values()) == {"survived": 1500 - 163, "died": 163}


def test_deaths_in_hospital_of_the_demos_are_those_of_their_readme(three: Records, four: Records) -> None:
    for records, died, every in ((three, 40, 129), (four, 15, 275)):
        told = Counter(name for (name,) in answers(Mortality(), records).values())
        assert told == {"died": died, "survived": every - died}


def test_codes_of_the_mimic_iii_demo_keep_their_zeros_and_their_groups(three: Records) -> None:
    folder = open_data("mimic-iii-demo-1.4")
    assert three.diagnoses is not None
    assert three.procedures is not None
    assert three.diagnoses["icd_code"].n_unique() == 581
    assert three.procedures["icd_code"].n_unique() == 164
    assert three.diagnoses["icd_code"].str.slice(0, 3).n_unique() == 263
    assert int(three.diagnoses["icd_code"].str.starts_with("0").sum()) == 71
    assert int(three.procedures["icd_code"].str.starts_with("0").sum()) == 34
    diagnoses = [code for _, code, _ in codes_of(folder / "DIAGNOSES_ICD.csv")]
    procedures = [code for _, code, _ in codes_of(folder / "PROCEDURES_ICD.csv")]
    assert len({code[:3] for code in diagnoses}) == 263
    whole = Diagnoses(labels="whole-table").label_space(NOTHING, three).labels
    assert whole == tuple(dict.fromkeys(map(core_group, diagnoses)))  # in order of first appearance, as in CORe
    as_text = Procedures(labels="whole-table").label_space(NOTHING, three).labels
    as_numbers = Procedures(labels="whole-table", codes="numbers").label_space(NOTHING, three).labels
    assert as_text == tuple(dict.fromkeys(code[:3] for code in procedures))
    assert as_numbers == tuple(dict.fromkeys(str(int(code))[:3] for code in procedures))
    assert not [label for label in as_numbers if label.startswith("0")]


@pytest.mark.parametrize("version", [9, 10])
def test_codes_of_the_mimic_iv_demo_are_grouped_version_by_version(four: Records, version: int) -> None:
    folder = open_data("mimic-iv-demo-2.2") / "hosp"
    billed: dict[int, set[str]] = {}
    for hadm_id, code, coded_in in codes_of(folder / "diagnoses_icd.csv"):
        if coded_in == str(version):
            billed.setdefault(int(hadm_id), set()).add(core_group(code) if version == 9 else code[:3])
    told = answers(Diagnoses.parse({"icd_version": version}), four)
    assert told == {hadm_id: sorted(groups) for hadm_id, groups in billed.items()}


def test_every_admission_of_the_mimic_iv_demo_is_coded_in_one_version(four: Records) -> None:
    asked = [answers(Diagnoses.parse({"icd_version": version}), four) for version in (9, 10)]
    assert len(asked[0]) + len(asked[1]) == 275
    assert not set(asked[0]) & set(asked[1])
    done = [answers(Procedures.parse({"icd_version": version}), four) for version in (9, 10)]
    assert len(done[0]) + len(done[1]) == 275 - 88
    assert four.diagnosis_titles is not None
    both = four.diagnosis_titles.group_by("icd_code").agg(pl.col("icd_version").n_unique())
    assert both.filter(pl.col("icd_version") == 2).height == 493


def test_admissions_without_procedures_have_no_answer(three: Records, twin: Records, coded_patients: set[int]) -> None:
    assert len(answers(Procedures(), three)) == 129 - 16
    hospitalised = twin.admissions.filter(pl.col("subject_id").is_in(list(coded_patients)))["hadm_id"]
    assert len(set(answers(Procedures(), twin)) & set(hospitalised)) == 750 - 257
    assert len(set(answers(Diagnoses(), twin)) & set(hospitalised)) == 750 - 4


def test_nobody_without_a_bedside_chart_is_asked_about_ventilation(twin: Records) -> None:
    assert twin.ventilation is not None
    told = answers(ProlongedVentilation(exclusions="none", cohort="in-hindsight"), twin)
    assert 0 < len(told) <= 85
    charted = set(twin.ventilation()["hadm_id"].drop_nulls())
    assert set(told) <= charted
    assert len(charted) <= 85
