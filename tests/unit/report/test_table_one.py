"""Table 1 of P1 stands beside our counts, its swapped cells explained and small real counts hidden."""

from typing import Any

from chartune.report.table_one import table_one
from chartune.testing.plain import typed


def dataset(kind: str = "mimic3", *, version: str = "1.4 layout") -> dict[str, Any]:
    def counts(train: int) -> dict[str, dict[str, int]]:
        return {"train": {"admissions": train}, "validation": {"admissions": 7}, "test": {"admissions": 1200}}

    tasks = {
        "length_of_stay": {"title": "Length of stay", "labels": list("abcd"), "counts": counts(30_421)},
        "icd9_triage": {"title": "ICD-9 triage", "labels": list("abcdefg"), "counts": counts(10)},
        "procedures_icd9": {"title": "Procedures (ICD-9)", "labels": ["1"] * 711, "counts": {}},
    }
    return {"source": {"kind": kind, "version": version}, "tasks": tasks}


def test_only_tasks_of_the_paper_stand_there_with_what_was_printed() -> None:
    table = table_one(typed(dataset()))
    assert table is not None
    stay, procedures = table.rows
    assert [cell.text for cell in stay] == ["Length of stay", "4", "30,420+", "<10", "1,200+"]
    assert [cell.detail for cell in stay] == [
        "printed as LOS", "printed 2, meant 4", "printed 30,421", "printed 4,391", "printed 8,797"
    ]  # fmt: skip
    assert [cell.text for cell in procedures][1:] == ["711", "not measured", "not measured", "not measured"]
    assert "swaps two cells" in table.note
    assert table.note.startswith("These data are split otherwise than the paper's.")
    listed = table_one(typed(dataset() | {"splits": {"rule": {"kind": "imported"}}}))
    assert listed is not None
    assert listed.note.startswith("Printed: Gema")


def test_fictional_patients_need_no_care() -> None:
    table = table_one(typed(dataset(version="made-up")))
    assert table is not None
    assert table.rows[0][3].text == "7"


def test_another_source_has_other_counts() -> None:
    assert table_one(typed(dataset("mimic4"))) is None


def test_data_without_a_task_of_the_paper_have_no_such_table() -> None:
    assert table_one(typed({"source": {}, "tasks": {"labels": {"title": "mine"}}})) is None
