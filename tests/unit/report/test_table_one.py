"""Table 1 of P1 stands beside our counts, its swapped cells explained and small real counts hidden."""

from typing import Any

from chartune.report.table_one import table_one
from chartune.report.ventilated import ventilated_lines, ventilated_table
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


def ventilated(version: str = "1.4 layout", reads: str = "admission-note") -> dict[str, Any]:
    steps = [{"step": step, "subjects": n, "admissions": n, "why": ""} for step, n in
             (("all admissions", 900), ("ventilated long enough", 268), ("has text", 255))]  # fmt: skip
    counts = {"train": {"admissions": 200, "positives": 95}, "test": {"admissions": 55, "positives": 21}}
    task = {"title": "Ventilation", "labels": ["short", "long"], "counts": counts, "attrition": steps,
            "config": {"reads": {"kind": reads}}}  # fmt: skip
    return {"source": {"kind": "mimic3", "version": version},
            "tasks": {"prolonged_ventilation_in_hindsight_negative": task}}  # fmt: skip


def test_the_cohort_of_ventilation_stands_beside_the_published_ones() -> None:
    table = ventilated_table(typed(ventilated("made-up")))
    assert table is not None
    assert [[cell.text for cell in row[1:]] for row in table.rows] == [
        ["268", "9,483"], ["255", "7,079"], ["45.5\N{NO-BREAK SPACE}%", "45.3\N{NO-BREAK SPACE}%"],
    ]  # fmt: skip
    bedside = ventilated_table(typed(ventilated("made-up", "bedside-notes")))
    assert bedside is not None
    assert bedside.rows[1][2].text == "7,287"
    assert ventilated_table(typed(ventilated() | {"source": {"kind": "mimic4", "version": "x"}})) is None


def test_of_real_patients_the_cohort_of_ventilation_is_shown_by_classes() -> None:
    table = ventilated_table(typed(ventilated()))
    assert table is not None
    middles = (100 + 4.5 + 10) / (250 + 4.5)  # 116 of 255, by the middles of their classes
    assert [row[1].text for row in table.rows] == ["260+", "250+", f"{100 * middles:.2g}\N{NO-BREAK SPACE}%"]
    few = ventilated()
    few["tasks"]["prolonged_ventilation_in_hindsight_negative"]["counts"] = {"test": {"admissions": 55, "positives": 3}}
    assert ventilated_lines(typed(few))[-1].startswith("  of them prolonged: too few to show; printed 45.3")
