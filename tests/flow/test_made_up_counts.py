"""Preparation against the manifest of a made-up hospital: every oddity that it planted is found and counted, exactly.

The manifest counts oddities while it writes them, and knows nothing of readers and filters.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.source import ANCIENT, Records
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.plain import plain_dataset

SEED: Final = 17
"""Chosen so that every oddity that is asked about occurs, and that none hides another."""


@dataclass(frozen=True)
class Read:
    """A hospital, what it says of itself, and what the reader made of it."""

    told: dict[str, int]
    """Oddity → how many."""
    rows: dict[str, int]
    """Table → its rows."""
    records: Records
    dataset: dict[str, Any]

    def left(self, part: str, step: str, what: str = "admissions") -> int:
        """What a filter of a task, or of the corpus, has left."""
        return self._step(part, step)[what]  # type: ignore[no-any-return]

    def removed(self, part: str, step: str, what: str = "admissions") -> int:
        """What a filter has removed."""
        return self._step(part, step)[f"removed_{what}"]  # type: ignore[no-any-return]

    def _step(self, part: str, step: str) -> dict[str, Any]:
        filters = (self.dataset["corpus"] if part == "corpus" else self.dataset["tasks"][part])["attrition"]
        (found,) = [one for one in filters if one["step"] == step]
        return found  # type: ignore[no-any-return]


def _read(aside: Path, layout: Literal["mimic3", "mimic4"]) -> Read:
    make_hospital(aside / "raw", layout=layout, subjects=250, seed=SEED, events=False)
    manifest = json.loads((aside / "raw" / "made-up" / "manifest.json").read_text())
    preparation = Preparation.parse({"source": {"kind": layout, "folder": str(aside / "raw")}})
    dataset = plain_dataset(prepare(preparation, Store(aside / "store").open()))
    records = preparation.source.load()
    for _ in records.notes():
        pass
    rows = {name.rpartition("/")[2]: table["rows"] for name, table in manifest["tables"].items()}
    return Read(manifest["oddities"], rows, records, dataset)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return _read(tmp_path_factory.mktemp("three"), "mimic3")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return _read(tmp_path_factory.mktemp("four"), "mimic4")


@pytest.fixture(params=["three", "four"])
def read(request: pytest.FixtureRequest) -> Read:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def _agree(counted: dict[str, int], told: dict[str, int]) -> None:
    assert counted == {name: told[name] for name in counted}
    assert all(counted.values()), "an oddity that does not occur proves nothing: choose another seed"


def test_every_row_of_every_table_is_read(read: Read) -> None:
    assert {name: tally.rows for name, tally in read.records.tallies.items()} == {
        name: read.rows[name] for name in read.records.tallies
    }
    assert all(tally.blank_lines == 0 for tally in read.records.tallies.values())
    replaced = sum(tally.replaced for tally in read.records.tallies.values())
    _agree({"texts_with_a_latin1_byte": replaced}, read.told)


def test_the_filters_of_both_layouts_find_what_was_planted(read: Read) -> None:
    removed = read.removed
    _agree(
        {
            "notes_without_hadm_id": removed("mortality", "note of an admission", "notes"),
            "admissions_ending_before_they_begin": removed("mortality", "ends after it begins"),
            "admissions_without_summary": removed("mortality", "discharge summary"),
            "summaries_without_sections": removed("mortality", "states why the patient came"),
            "deaths_told_on_admission": removed("mortality", "does not state the death"),
        },
        read.told,
    )
    for step in ("patient in a split", "of age", "outcome known", "has a report"):
        assert removed("mortality", step) == 0
    assert all(read.left(task, "all admissions") == read.records.admissions.height for task in read.dataset["tasks"])


@pytest.mark.parametrize("noun", ["diagnoses", "procedures"])
def test_an_admission_is_asked_for_its_codes_in_one_version_or_left_out_for_having_none(read: Read, noun: str) -> None:
    kept = read.left("mortality", "ends after it begins") - read.removed("mortality", "not a newborn")
    versions = [name.rpartition("icd")[2] for name in read.dataset["tasks"] if name.startswith(noun)]
    coded = [read.left(f"{noun}_icd{version}", f"coded in ICD-{version}") for version in versions]
    codes: pl.DataFrame = getattr(read.records, noun)
    without = read.records.admissions.join(codes.filter(pl.col("icd_code") != ""), on="hadm_id", how="anti")
    _agree({f"admissions_without_{noun}": without.height}, read.told)
    adults = without.filter(pl.col("dischtime") >= pl.col("admittime"), pl.col("admission_type") != "NEWBORN")
    assert kept - sum(coded) == adults.height > 0


def test_the_filters_that_only_mimic3_needs_find_what_was_planted(three: Read) -> None:
    _agree(
        {
            "newborns": three.removed("mortality", "not a newborn"),
            "summaries_marked_as_error": three.removed("mortality", "not withdrawn", "notes"),
            "summaries_filed_twice": three.removed("mortality", "no duplicate", "notes"),
            "admissions_without_diagnoses": three.removed("diagnoses_icd9", "coded in ICD-9"),
        },
        three.told,
    )
    assert three.removed("corpus", "not withdrawn", "notes") == three.told["summaries_marked_as_error"]
    marked = sum(int(batch["is_error"].sum()) for batch in three.records.notes())
    assert marked == three.told["summaries_marked_as_error"] + three.told["ward_notes_marked_as_error"]
    blanks = sum(int(batch["category"].str.ends_with(" ").sum()) for batch in three.records.notes())
    assert blanks == 0 < three.told["categories_with_a_trailing_blank"]


def test_nothing_is_withdrawn_and_nobody_newborn_in_mimic4(four: Read) -> None:
    assert four.removed("mortality", "not a newborn") == 0
    assert four.removed("mortality", "not withdrawn", "notes") == 0
    assert four.removed("corpus", "wanted category", "notes") == 0


def _code_counts(records: Records) -> dict[str, int]:
    assert records.diagnoses is not None
    assert records.diagnosis_titles is not None
    assert records.procedures is not None
    assert records.procedure_titles is not None
    key, known = ["icd_code", "icd_version"], records.diagnoses.filter(pl.col("icd_code") != "")
    zeros = pl.col("icd_code").str.starts_with("0")
    return {
        "diagnosis_codes_missing_from_dictionary": known.join(records.diagnosis_titles, on=key, how="anti").height,
        "procedure_codes_missing_from_dictionary": records.procedures.join(
            records.procedure_titles, on=key, how="anti"
        ).height,
        "diagnosis_codes_starting_with_0": known.filter(zeros).height,
        "procedure_codes_starting_with_0": records.procedures.filter(zeros).height,
        "diagnosis_codes_repeated": known.height - known.unique(["hadm_id", *key]).height,
    }


def test_codes_keep_their_zeros_and_find_their_titles(read: Read) -> None:
    _agree(_code_counts(read.records), read.told)
    assert not [said for said in read.records.warnings if "code" in said]


def test_empty_padded_and_double_codes_are_told_apart(three: Read, four: Read) -> None:
    assert three.records.diagnoses is not None
    assert four.records.diagnoses is not None
    assert four.records.diagnosis_titles is not None
    empty = three.records.diagnoses.filter(pl.col("icd_code").fill_null("") == "").height
    _agree({"diagnosis_codes_empty": empty}, three.told)
    versions = four.records.diagnosis_titles.group_by("icd_code").agg(pl.col("icd_version").n_unique())
    both = versions.filter(pl.col("icd_version") == 2)
    rows = four.records.diagnoses.join(both, on="icd_code", how="semi").height
    _agree(
        {"code_strings_in_both_versions": both.height, "diagnosis_rows_whose_code_is_in_both_versions": rows},
        four.told,
    )
    assert four.told["diagnosis_codes_padded_with_blanks"] > 0
    assert not four.records.diagnoses["icd_code"].str.contains(" ").any()


def test_patients_above_89_have_the_age_of_the_ancient(read: Read) -> None:
    hidden = read.records.admissions.filter(pl.col("age") == ANCIENT)["subject_id"].n_unique()
    _agree({"subjects_over_89": hidden}, read.told)
    several = int((read.records.admissions.group_by("subject_id").len()["len"] > 1).sum())
    _agree({"subjects_with_several_admissions": several}, read.told)
