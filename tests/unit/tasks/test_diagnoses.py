"""Diagnoses: codes stay text, versions stay apart, rare categories are no labels, titles come from the dictionary."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.sources.mimic3 import Mimic3
from chartune.sources.source import About, Records
from chartune.sources.splits import ImportedSplit
from chartune.store import Store
from chartune.tasks.code_groups import diagnosis_group
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.prepare import Preparation, label_space, prepare, read_task
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import RawHospital, write_table

CODES = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE")
TITLES = ("ROW_ID", "ICD9_CODE", "SHORT_TITLE", "LONG_TITLE")


@pytest.mark.parametrize(
    ("code", "version", "expected"),
    [
        ("0389", 9, "038"), ("389", 9, "389"), ("042", 9, "042"), ("42821", 9, "428"), ("V4581", 9, "V458"),
        ("E8859", 9, "E885"), (" 4280 ", 9, "428"), ("v4581", 9, "V458"), ("I5023", 10, "I50"), ("E119", 10, "E11"),
        ("V4581XA", 10, "V45"), ("U071", 10, "U07"),
    ],
)  # fmt: skip
def test_a_code_belongs_to_its_category(code: str, version: Any, expected: str) -> None:
    assert pl.select(diagnosis_group(version)(pl.lit(code))).item() == expected


def records(rows: list[tuple[int, str | None, int]]) -> Records:
    diagnoses = pl.DataFrame(
        [(1, hadm, None, code, version) for hadm, code, version in rows],
        schema={"subject_id": pl.Int64, "hadm_id": pl.Int64, "seq_num": pl.Int64, "icd_code": pl.String,
                "icd_version": pl.Int64},
        orient="row",
    )  # fmt: skip
    return Records(About("t", "t", "t", "t"), pl.DataFrame(), pl.DataFrame(), lambda: iter(()), diagnoses)


def test_versions_are_asked_apart_and_a_mixed_admission_has_no_answer() -> None:
    coded = records([(10, "V4581", 9), (10, "0389", 9), (10, "0381", 9), (11, "V4581XA", 10), (12, "4280", 9),
                    (12, "I50", 10), (13, None, 9), (14, "", 9)])  # fmt: skip
    nine, ten = (
        Diagnoses(icd_version=v).asked(coded).drop_nulls("asked").select("hadm_id", "asked").rows() for v in (9, 10)
    )
    assert nine == [(10, ["038", "V458"])]
    assert ten == [(11, ["V45"])]


def test_a_source_without_diagnoses_has_no_answers() -> None:
    empty = Records(About("t", "t", "t", "t"), pl.DataFrame(), pl.DataFrame(), lambda: iter(()))
    assert Diagnoses().asked(empty).is_empty()


def test_raw_codes_become_labels_with_titles(tmp_path: Path) -> None:
    raw = RawHospital()
    codes: list[tuple[object, ...]] = []
    for n, split in ((n, s) for s in range(3) for n in range(4)):
        subject = 100 * split + n + 1
        raw.stay(subject, died=int(n == 3))
        for code in ["0389" if n % 2 else "4280", "4019"] + (["E8859"] if subject == 1 else []):
            codes.append((len(codes) + 1, subject, 1000 + subject, 1, code))
    raw.stay(400)  # of no split; nor has it codes
    folder = raw.write(tmp_path / "raw")
    write_table(folder / "DIAGNOSES_ICD.csv.gz", CODES, codes)
    dictionary: list[tuple[object, ...]] = [
        (1, "0381", "", "Staphylococcal septicemia"), (2, "0389", "", "Unspecified septicemia"),
        (3, "428", "", "Heart failure"), (4, "4280", "", "Congestive heart failure"),
    ]  # fmt: skip
    write_table(folder / "D_ICD_DIAGNOSES.csv.gz", TITLES, dictionary)
    lists = tmp_path / "lists"
    lists.mkdir()
    for place, name in enumerate(("train", "validation", "test")):
        (lists / f"{name}.csv").write_text("subject_id\n" + "".join(f"{100 * place + n}\n" for n in range(1, 5)))
    preparation = Preparation(
        source=Mimic3(folder=folder), splits=ImportedSplit(folder=lists), tasks=(Diagnoses(least_cases=2),), corpus=None
    )
    data = prepare(preparation, Store(tmp_path / "store").open())
    space = label_space(data, "diagnoses")
    assert space.labels == ("038", "401", "428")  # E885 has one case only; 038 has kept its zero
    assert space.titles == ("Septicemia", "401", "Heart failure")
    examples = read_task(data, "diagnoses_icd9")
    assert examples.filter(split="train")["label"].to_list() == [[1, 2], [0, 1], [1, 2], [0, 1]]
    entry = plain_dataset(data)["tasks"]["diagnoses_icd9"]
    assert entry["answer"] == "multilabel"
    assert entry["counts"]["test"] == {"subjects": 4, "admissions": 4, "labels_assigned": 8}
