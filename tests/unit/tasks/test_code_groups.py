"""Groups of codes: text against numbers, the whole table against frequent groups, versions apart, titles found."""

from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError
from chartune.sources.source import Records
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.code_groups import billed, frequent_groups, procedure_group, whole_table
from chartune.tasks.code_titles import category_title
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.labels import LabelSpace
from chartune.tasks.procedures import Procedures
from chartune.testing.small_charts import answers, note, read_by, records_of, stay


def grouped(code: str | None, **how: Any) -> Any:
    return pl.select(procedure_group(**how)(pl.lit(code, pl.String))).item()


@pytest.mark.parametrize(
    ("code", "text", "number"),
    [
        ("0331", "033", "331"), ("3310", "331", "331"), ("331", "331", "331"), ("0066", "006", "66"),
        ("0009", "000", "9"), ("9671", "967", "967"), (" 0331 ", "033", "331"), (None, None, None),
    ],
)  # fmt: skip
def test_a_procedure_keeps_its_zeros_as_text_and_loses_them_as_a_number(
    code: str | None, text: str | None, number: str | None
) -> None:
    assert (grouped(code), grouped(code, read_as="numbers")) == (text, number)


def test_two_procedures_fall_together_where_codes_are_numbers_only() -> None:
    records = records_of(stay(1), stay(2), procedures=[(1, "0331", 9), (2, "3310", 9), (2, "0331", 9)])
    assert answers(Procedures(), records) == {1: ["033"], 2: ["033", "331"]}
    assert answers(Procedures(codes="numbers"), records) == {1: ["331"], 2: ["331"]}


def test_letters_are_no_numbers() -> None:
    assert grouped("02HV33Z", read_as="numbers") == "02H"
    with pytest.raises(ConfigError, match="codes of ICD-10 must be read as text"):
        Procedures.parse({"icd_version": 10, "codes": "numbers"})


def test_versions_of_procedures_are_asked_apart() -> None:
    records = records_of(*(stay(n) for n in (1, 2, 3)), procedures=[(1, "0331", 9), (2, "0016070", 10), (3, "0331", 9),
                                                                 (3, "5A1955Z", 10)])  # fmt: skip
    assert answers(Procedures(), records) == {1: ["033"]}
    assert answers(Procedures(icd_version=10), records) == {2: ["001"]}


def test_an_admission_without_a_usable_code_has_no_answer() -> None:
    records = records_of(stay(1), stay(2), diagnoses=[(1, None, 9), (2, "", 9)], procedures=[(1, "", 9)])
    assert answers(Diagnoses(), records) == answers(Procedures(), records) == {}


CODES = [(9, "7746", 9), (1, "V3001", 9), (1, "E8859", 9), (2, "0389", 9), (2, "0381", 9), (1, None, 9), (3, "I50", 10),
         (1, "", 9), (2, "42821", 9)]  # fmt: skip


def test_the_whole_table_is_labelled_in_order_of_first_appearance_newborns_and_all() -> None:
    """Admission 9 is no part of any cohort; its category is a label without a case, as in the published 1,266."""
    records = records_of(stay(1), stay(2), diagnoses=CODES)
    space = Diagnoses(labels="whole-table").label_space(pl.DataFrame(), records)
    assert space.labels == ("774", "V300", "E885", "038", "428")
    assert Diagnoses(labels="whole-table", icd_version=10).label_space(pl.DataFrame(), records).labels == ("I50",)
    examples = pl.DataFrame({"asked": [["V300", "E885"], ["038", "428"]]})
    assert space.number(examples)["label"].to_list() == [[1, 2], [3, 4]]


def test_the_whole_table_of_procedures_follows_how_codes_are_read() -> None:
    records = records_of(stay(1), procedures=[(1, "3310", 9), (1, "0066", 9), (1, "0331", 9), (1, "9671", 9)])
    tasks = [Procedures(labels="whole-table", codes=codes) for codes in ("text", "numbers")]
    spaces = [task.label_space(pl.DataFrame(), records) for task in tasks]
    assert [space.labels for space in spaces] == [("331", "006", "033", "967"), ("331", "66", "967")]


def test_a_frequent_group_has_enough_training_cases() -> None:
    """Ten training cases unless a task says otherwise; those of other splits do not count."""
    rows = [(n, code, 9) for n in range(1, 13) for code in (["0389", "4280"] if n <= 10 else ["4280", "5849"])]
    stays = [stay(n, split="train" if n <= 10 else "test") for n in range(1, 13)]
    records = records_of(*stays, diagnoses=rows)
    examples, _ = read_by(Diagnoses(), stays, [note(n, f"Chief Complaint:\nFever {n}") for n in range(1, 13)], records)
    assert examples.height == 12
    assert Diagnoses().label_space(examples, records).labels == ("038", "428")
    assert Diagnoses(least_cases=11).label_space(examples, records).labels == ()


def test_a_category_takes_its_own_title_or_else_what_its_codes_have_in_common() -> None:
    records = records_of(
        stay(1), stay(2), diagnoses=[(1, "0389", 9), (2, "0389", 9), (2, "0381", 9), (1, "4280", 9), (1, "9999", 9)],
        titles=[("0381", 9, "Staph"), ("0389", 9, "Septicemia"), ("428", 9, "Heart failure"), ("4280", 9, "CHF"),
                ("0389", 10, "Another thing")],
    )  # fmt: skip
    space = Diagnoses(labels="whole-table").label_space(pl.DataFrame(), records)
    assert dict(zip(space.labels, space.titles, strict=True)) == {
        "038": "Septicemia …", "428": "Heart failure", "999": "999"
    }  # fmt: skip


def test_a_source_without_codes_has_neither_answers_nor_labels() -> None:
    nothing = records_of(stay(1))
    empty = LabelSpace("multilabel", (), ())
    for task in (Diagnoses(), Procedures()):
        billing = task.billing(nothing)
        assert billed(billing).is_empty()
        assert whole_table(billing) == empty
        assert (
            frequent_groups(
                pl.DataFrame({"split": [], "asked": []}, {"split": pl.String, "asked": pl.List(pl.String)}), 1, billing
            )
            == empty
        )


def test_an_admission_coded_in_another_version_is_told_apart_from_one_without_codes() -> None:
    def left(records: Records, task: Diagnoses) -> list[int]:
        stays = [stay(n) for n in (1, 2, 3)]
        examples, _ = read_by(task, stays, [note(n, f"Chief Complaint:\nFever {n}") for n in (1, 2, 3)], records)
        return examples["hadm_id"].to_list()

    source_records = records_of(stay(1), stay(2), stay(3), diagnoses=[(1, "0389", 9), (2, "A419", 10)])
    assert (left(source_records, Diagnoses()), left(source_records, Diagnoses(icd_version=10))) == ([1], [2])


def test_the_card_says_which_codes_and_labels() -> None:
    task = Procedures(icd_version=10, least_cases=30)
    assert (task.name, task.question().title) == ("procedures_icd10", "Procedures (ICD-10)")
    assert "30 training cases" in task.card().asked
    assert task.card().kind == "retrospective-text"


@pytest.mark.parametrize("sections", ["chartune", "core"])
@pytest.mark.parametrize("version", [9, 10])
def test_admissions_of_both_versions_are_counted_apart_from_those_without_a_code(version: Any, sections: Any) -> None:
    stays = [stay(n) for n in (1, 2, 3, 4)]
    records = records_of(*stays, diagnoses=[(1, "4280", 9), (2, "I509", 10), (3, "4280", 9), (3, "I509", 10)])
    notes = [note(n, f"Chief Complaint:\nFever {n}\n\nPlan:\nnone") for n in (1, 2, 3, 4)]
    task = Diagnoses(icd_version=version, reads=AdmissionNote(sections=sections))
    examples, steps = read_by(task, stays, notes, records)
    assert examples["hadm_id"].to_list() == [1 if version == 9 else 2]
    assert steps["coded in one version"]["removed_admissions"] == 1
    assert steps[f"coded in ICD-{version}"]["removed_admissions"] == 2


@pytest.mark.parametrize(
    ("titles", "called"),
    [
        (["Congestive heart failure, unspecified", "Left heart failure", "Acute systolic heart failure"],
         "Heart failure"),
        (["Unspecified essential hypertension", "Benign essential hypertension"], "Essential hypertension"),
        (["Acute kidney failure with lesion of tubular necrosis", "Acute kidney failure, unspecified"],
         "Acute kidney failure"),
        (["Atrial fibrillation", "Cardiac arrest", "Ventricular flutter"], "Atrial fibrillation …"),
        (["Other disorders of bone", "Other disorders of skin"], "Other disorders of bone …"),
        (["Gout, unspecified"], "Gout, unspecified"),
        (["Crohn's disease of colon"] * 4 + ["Regional enteritis"], "Crohn's disease of colon"),
    ],
)  # fmt: skip
def test_a_category_is_called_by_the_longest_run_of_words_in_four_of_five_titles(
    titles: list[str], called: str
) -> None:
    assert category_title(titles, titles[0]) == called
