"""ICD codes: what a spreadsheet has done to them does not go unsaid."""

from pathlib import Path

import polars as pl
import pytest

from chartune.sources.codes import ENOUGH, suspicions
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
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
