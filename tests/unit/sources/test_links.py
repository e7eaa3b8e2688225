"""Links: a row whose patient and whose admission or ICU stay disagree belongs to neither's stay, and is counted."""

from pathlib import Path

import polars as pl

from chartune.sources.links import STRANGE_STAY, of_own_stays, own, own_notes
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.tables import Tally
from chartune.sources.ventilation import mimic3
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_3, CHARTEVENTS_4
from chartune.sources.ventilation.mimic4 import episodes
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import Preparation, prepare, read_corpus
from chartune.testing.raw_tables import (
    CHARTEVENTS,
    DIAGNOSES_4,
    ICUSTAYS,
    SUMMARY,
    RawHospital,
    write_table,
)
from chartune.testing.raw_tables import (
    CHARTEVENTS_4 as COLUMNS,
)

ADMISSIONS = pl.DataFrame({"subject_id": [1, 2], "hadm_id": [1001, 1002]})


def hospital() -> RawHospital:
    """Twenty patients, and two notes of the first that name the stay of the second."""
    raw = RawHospital()
    for patient in range(1, 21):
        raw.stay(patient, died=patient % 2)
    for text in ("a", "b"):
        raw.note(1, 1002, SUMMARY.format(text))
    return raw


def test_a_link_counts_where_the_patient_agrees_or_the_admission_is_not_known() -> None:
    rows = pl.DataFrame({"subject_id": [1, 1, 2, 2, 9], "hadm_id": [1001, 1002, 1002, None, 7]})
    kept, count = own(rows, ADMISSIONS)
    assert (kept["hadm_id"].to_list(), count) == ([1001, None, 1002, None, 7], 1)
    tally = Tally()
    assert own_notes(rows, ADMISSIONS, tally)["hadm_id"].null_count() == 2
    assert tally.warnings("NOTES") == [
        "NOTES: 1 rows name an admission of another patient; that they belong to it is not used."
    ]
    tally.restart()
    assert tally.warnings("NOTES") == []


def test_notes_that_name_a_stay_of_another_patient_are_counted_and_are_of_no_stay(tmp_path: Path) -> None:
    source = {"kind": "mimic3", "folder": str(hospital().write(tmp_path / "raw"))}
    made = prepare(Preparation.parse({"source": source, "tasks": [{"kind": "mortality"}]}), Store(tmp_path / "store"))
    (warning,) = [line for line in read_dataset(made).source.warnings if "another patient" in line]
    assert warning.startswith("NOTEEVENTS: 2 rows")
    strange = read_corpus(made).filter(pl.col("note_id").is_in(["21", "22"]))
    assert strange["hadm_id"].null_count() == strange.height > 0


def test_stays_and_codes_of_another_patients_admission_belong_to_none(tmp_path: Path) -> None:
    folder = hospital().write(tmp_path / "raw")
    stays = [(n, n, hadm_id, n, "carevue", "MICU", "2100-07-01 11:00:00", "2100-07-02 11:00:00")
             for n, hadm_id in ((1, 1001), (2, 1003), (3, 9999))]  # fmt: skip
    write_table(folder / "ICUSTAYS.csv.gz", ICUSTAYS, list(stays))
    records = Mimic3(folder=folder).load()
    assert records.stays is not None
    assert records.stays["hadm_id"].to_list() == [1001, None, 9999]
    assert [line for line in records.warnings if "ICUSTAYS" in line] == [
        "ICUSTAYS: 1 stays of admissions that the table of admissions lacks.",
        "ICUSTAYS: 1 rows name an admission of another patient; that they belong to it is not used.",
    ]
    folder = hospital().write_mimic4(tmp_path / "four")
    codes = [(1, 1001, 1, "4280", 9), (1, 1002, 1, "I50", 10)]
    write_table(folder / "hosp" / "diagnoses_icd.csv.gz", DIAGNOSES_4, list(codes))
    records = Mimic4(folder=folder).load()
    assert records.diagnoses is not None
    assert records.diagnoses["hadm_id"].to_list() == [1001, None]
    assert [line for line in records.warnings if line.startswith("diagnoses_icd: 1 rows name")]
    assert sum(batch["hadm_id"].null_count() for batch in records.notes()) == 2


def test_what_was_charted_in_a_stay_of_another_patient_is_passed_over(tmp_path: Path) -> None:
    rows = pl.DataFrame({"subject_id": [1, 2, 3], "stay_id": [11, 11, 33]})
    tally, stays = Tally(), pl.DataFrame({"subject_id": [1], "hadm_id": [1001], "stay_id": [11]})
    assert of_own_stays(rows, stays, tally)["subject_id"].to_list() == [1, 3]
    assert tally.passed_over == {STRANGE_STAY: 1}
    charted = [(1 + (hour > 2), 1001, 11, None, f"2100-07-01 {hour:02}:00:00", None, 223849, "CMV", None, None, 0)
               for hour in range(1, 6)]  # fmt: skip
    write_table(tmp_path / "chartevents.csv", COLUMNS, list(charted))
    tallies = {CHARTEVENTS_4.name: Tally()}
    found = episodes({CHARTEVENTS_4.name: tmp_path / "chartevents.csv"}, tallies, stays)["fixed"]
    assert found.select("subject_id", pl.col("endtime").dt.hour()).rows() == [(1, 2)]
    assert tallies[CHARTEVENTS_4.name].passed_over == {STRANGE_STAY: 3}


def test_in_mimic3_what_was_charted_in_a_stay_of_another_patient_is_passed_over_too(tmp_path: Path) -> None:
    charted = [(hour, 1 + (hour > 2), 1001, 11, 223849, f"2100-07-01 {hour:02}:00:00", None, None, "CMV", *[None] * 6)
               for hour in range(1, 6)]  # fmt: skip
    write_table(tmp_path / "CHARTEVENTS.csv", CHARTEVENTS, list(charted))
    tallies = {CHARTEVENTS_3.name: Tally()}
    stays = pl.DataFrame({"subject_id": [1], "hadm_id": [1001], "stay_id": [11]})
    found = mimic3.episodes({CHARTEVENTS_3.name: tmp_path / "CHARTEVENTS.csv"}, tallies, stays)
    assert found.select("subject_id", pl.col("endtime").dt.hour()).rows() == [(1, 2)]
    assert tallies[CHARTEVENTS_3.name].passed_over == {STRANGE_STAY: 3}
