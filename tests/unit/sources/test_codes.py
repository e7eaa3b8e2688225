"""ICD codes: what a spreadsheet has done to them does not go unsaid."""

from pathlib import Path

import polars as pl
import pytest

from chartune.sources.codes import ENOUGH, coded, dotted, suspicions
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.tasks.code_groups import diagnosis_group
from chartune.testing.open_data import open_data
from chartune.testing.raw_tables import RawHospital, write_table


def codes(*icd_code: str | None, version: int = 9) -> pl.DataFrame:
    return pl.DataFrame(
        {"icd_code": icd_code, "icd_version": [version] * len(icd_code)}, schema_overrides={"icd_code": pl.String}
    )


def test_many_codes_without_a_leading_zero_are_told_with_their_count() -> None:
    (said,) = suspicions("DIAGNOSES_ICD", codes(*["4019"] * ENOUGH, None))
    assert said.startswith(f"DIAGNOSES_ICD: no ICD-9 code starts with 0, of {ENOUGH} rows; a spreadsheet may")
    assert "0414 became 414" in said


@pytest.mark.parametrize(
    "table",
    [
        codes(*["4019"] * (ENOUGH - 1)),
        codes("0414", *["4019"] * ENOUGH),
        codes(*["I10"] * 500, version=10),
        codes(),
        None,
    ],
)
def test_few_codes_sound_codes_and_other_versions_are_not_suspected(table: pl.DataFrame | None) -> None:
    assert suspicions("diagnoses_icd", table) == []


def test_codes_that_became_numbers_are_counted() -> None:
    (said,) = suspicions("diagnoses_icd", codes("41401.0", "4019.0", "250.0", "038.9", "V451"))
    assert "2 of 5 codes are written as numbers, such as 41401.0" in said  # 250.0 is a code with its dot


def test_codes_lose_their_dots_and_numbers_do_not() -> None:
    raw = codes("V45.81", "E880.9", "038.9 ", "03.31", "I50.23", "V45.", "41401.0", "4019", "n.o.s", None)
    frame = coded(raw)
    assert frame is not None
    assert frame["icd_code"].to_list() == [
        "V4581", "E8809", "0389", "0331", "I5023", "V45", "41401.0", "4019", "n.o.s", None,
    ]  # fmt: skip
    assert dotted("D", raw) == ["D: 6 of 9 codes are written with a dot, such as V45.81; the dot was dropped."]
    assert dotted("D", frame) == dotted("D", None) == []


@pytest.mark.parametrize("layout", ["mimic3", "mimic4"])
def test_dots_make_no_categories_of_their_own_and_are_told(tmp_path: Path, layout: str) -> None:
    raw = RawHospital()
    raw.stay(7)
    columns = ("SUBJECT_ID", "HADM_ID", "SEQ_NUM")
    bills: list[tuple[object, ...]] = [(7, 1007, 1, "V45.81"), (7, 1007, 2, "V4582")]
    titles: list[tuple[object, ...]] = [("V45.81", "Bypass"), ("V45", "States")]
    source: Mimic3 | Mimic4
    if layout == "mimic3":
        source = Mimic3(folder=raw.write(tmp_path))
        write_table(tmp_path / "DIAGNOSES_ICD.csv", (*columns, "ICD9_CODE"), bills)
        write_table(tmp_path / "D_ICD_DIAGNOSES.csv", ("ICD9_CODE", "LONG_TITLE"), titles)
    else:
        source = Mimic4(folder=raw.write_mimic4(tmp_path))
        nine: list[tuple[object, ...]] = [(*row, 9) for row in bills]
        write_table(tmp_path / "hosp" / "diagnoses_icd.csv", (*columns, "icd_code", "icd_version"), nine)
        named: list[tuple[object, ...]] = [(code, 9, title) for code, title in titles]
        write_table(tmp_path / "hosp" / "d_icd_diagnoses.csv", ("icd_code", "icd_version", "long_title"), named)
    records = source.load()
    assert records.diagnoses is not None
    assert records.diagnosis_titles is not None
    assert records.diagnoses["icd_code"].to_list() == ["V4581", "V4582"]
    assert set(records.diagnoses.select(diagnosis_group(9)(pl.col("icd_code"))).to_series()) == {"V458"}
    assert records.diagnosis_titles["icd_code"].to_list() == ["V4581", "V45"]
    assert [said.partition(": ")[2][:43] for said in records.warnings if "dot" in said] == [
        "1 of 2 codes are written with a dot, such a"
    ] * 2


def test_the_warning_is_among_those_of_the_source(tmp_path: Path) -> None:
    raw = RawHospital()
    raw.stay(7)
    columns = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE")
    folder = raw.write(tmp_path)
    write_table(folder / "DIAGNOSES_ICD.csv", columns, [(n, 7, 1007, n, str(4000 + n)) for n in range(ENOUGH)])
    assert [said[:40] for said in Mimic3(folder=folder).load().warnings] == ["DIAGNOSES_ICD: no ICD-9 code starts with"]


def test_real_codes_are_not_suspected() -> None:
    assert Mimic3(folder=open_data("mimic-iii-demo-1.4")).load().warnings == ()
    assert Mimic3(folder=open_data("codiesp-as-mimic-iii")).load().warnings == ()
    (notes,) = Mimic4(folder=open_data("mimic-iv-demo-2.2")).load().warnings
    assert notes.startswith("notes: there are none")


def test_real_codes_that_lost_their_zeros_are() -> None:
    diagnoses = Mimic3(folder=open_data("mimic-iii-demo-1.4")).load().diagnoses
    assert diagnoses is not None
    mangled = diagnoses.with_columns(pl.col("icd_code").str.strip_chars_start("0"))
    (said,) = suspicions("DIAGNOSES_ICD", mangled)
    assert "of 1761 rows" in said
