"""Releases are recognised by nearness, so that what is missing of one is told and not taken for another hospital."""

from pathlib import Path

import pytest

from chartune.sources import mimic3, mimic4
from chartune.sources.releases import CREDENTIALED, Layout
from chartune.testing.raw_tables import mark

THREE, FOUR = mimic3.LAYOUT, mimic4.LAYOUT


@pytest.mark.parametrize(
    ("layout", "rows", "title"),
    [
        (THREE, {"PATIENTS": 46_520, "ADMISSIONS": 58_976}, "MIMIC-III 1.4"),
        (THREE, {"PATIENTS": 46_520, "ADMISSIONS": 58_975}, "MIMIC-III 1.4"),
        (THREE, {"PATIENTS": 46_520, "ADMISSIONS": 1}, "MIMIC-III 1.4"),
        (THREE, {"PATIENTS": 46_519, "ADMISSIONS": 58_387}, "MIMIC-III 1.4"),
        (THREE, {"PATIENTS": 46_519, "ADMISSIONS": 58_386}, None),
        (THREE, {"PATIENTS": 46_519, "ADMISSIONS": 12_000, "ICUSTAYS": 61_000}, "MIMIC-III 1.4"),
        (THREE, {"PATIENTS": 46_519, "ADMISSIONS": None}, None),
        (THREE, {"PATIENTS": 5_000, "ADMISSIONS": 7_000, "D_ICD_DIAGNOSES": 14_567}, None),
        (THREE, {"PATIENTS": 100, "ADMISSIONS": 129}, "MIMIC-III demo 1.4"),
        (THREE, {"PATIENTS": 100, "ADMISSIONS": 129, "ICUSTAYS": 135}, None),
        (THREE, {"PATIENTS": 100, "ADMISSIONS": 130}, None),
        (THREE, {"PATIENTS": 100}, None),
        (THREE, {}, None),
        (FOUR, {"patients": 299_712, "admissions": 431_230}, "MIMIC-IV 2.2"),
        (FOUR, {"patients": 364_626, "admissions": 546_027}, "MIMIC-IV 3.1"),
        (FOUR, {"patients": 299_712, "admissions": 546_027, "diagnoses_icd": 6_364_488}, "MIMIC-IV 3.1"),
        (FOUR, {"patients": 100, "admissions": 275}, "MIMIC-IV demo 2.2"),
    ],
)
def test_one_large_table_to_the_row_or_two_nearly_tell_a_release(
    layout: Layout, rows: dict[str, int | None], title: str | None, tmp_path: Path
) -> None:
    found = layout.release(tmp_path, [], rows)
    assert (found.title if found else None) == title


def test_a_made_up_hospital_is_no_release_whatever_its_size(tmp_path: Path) -> None:
    table = tmp_path / "PATIENTS.csv"
    table.write_text("SUBJECT_ID")
    mark(tmp_path)
    assert THREE.release(tmp_path, [table], {"PATIENTS": 46_520, "ADMISSIONS": 58_976}) is None
    table.write_text("subject_id")
    assert THREE.release(tmp_path, [table], {"PATIENTS": 46_520, "ADMISSIONS": 58_976}) is not None


def test_both_counts_of_discharge_notes_that_physionet_gives_are_accepted() -> None:
    for release in FOUR.releases[:2]:
        assert release.accepted()["discharge"] == (331_793, 331_794)
        assert release.accepted()["radiology"] == (2_321_355,)


def test_an_unknown_version_that_was_published_has_the_strictest_terms_of_its_layout(tmp_path: Path) -> None:
    (tmp_path / "hosp").mkdir()
    file = tmp_path / "hosp" / "patients.csv.gz"
    unknown = FOUR.about(tmp_path, [file], None, "", "")
    assert (unknown.title, unknown.licence) == ("a hospital in the MIMIC-IV layout", "unknown")
    (tmp_path / "SHA256SUMS.txt").write_text(f"{'0' * 64} hosp/patients.csv.gz\n")
    published = FOUR.about(tmp_path, [file], None, "", "")
    assert (published.version, published.licence) == (FOUR.version, CREDENTIALED)
    assert FOUR.about(tmp_path, [file], None, "", "in-house").licence == "in-house"
    assert FOUR.about(tmp_path, [file], FOUR.releases[2], "", "").licence == "ODbL 1.0"
