"""Triage: the service of the primary diagnosis, with and without the code that lost its zero."""

import polars as pl
import pytest

from chartune.tasks.catalog import further_tasks
from chartune.tasks.stays import Stays
from chartune.tasks.triage import SERVICES, Triage
from chartune.testing.small_charts import answers, note, read_by, records_of, stay


def test_the_published_map_has_twenty_codes_of_seven_services() -> None:
    assert [len(codes) for codes in SERVICES.values()] == [7, 2, 3, 3, 2, 2, 1]
    assert len({code for codes in SERVICES.values() for code in codes}) == 20


@pytest.mark.parametrize(
    ("code", "service"),
    [
        ("41401", "Cardiology"), ("5849", "Acute medicine"), ("V3001", "Obstetrics"), ("486", "Respiratory"),
        ("431", "Neurology"), ("5770", "Gastroenterology"), ("1983", "Oncology"),
    ],
)  # fmt: skip
def test_a_code_belongs_to_its_service_in_both_maps(code: str, service: str) -> None:
    records = records_of(stay(1), diagnoses=[(1, code, 9)], procedures=[(1, "9671", 9)])
    for task in (Triage(), Triage(codes="published")):
        assert answers(task, records) == {1: [service]}


def test_septicaemia_lost_its_zero_and_so_its_service_as_published() -> None:
    records = records_of(
        stay(1), stay(2), diagnoses=[(1, "0389", 9), (2, "389", 9)], procedures=[(1, "1", 9), (2, "1", 9)]
    )
    assert answers(Triage(), records) == {1: ["Acute medicine"]}
    assert answers(Triage(codes="published"), records) == {}


def test_the_primary_diagnosis_counts_alone_and_in_icd_9_alone() -> None:
    records = records_of(
        *(stay(n) for n in (1, 2, 3)), procedures=[(n, "1", 9) for n in (1, 2, 3)],
        diagnoses=[(1, "4019", 9), (1, "486", 9), (2, "486", 9), (2, "431", 9), (3, "486", 10)],
    )  # fmt: skip
    assert answers(Triage(), records) == {2: ["Respiratory"]}


def test_a_first_procedure_is_needed_as_published() -> None:
    second = pl.DataFrame({"subject_id": [2], "hadm_id": [2], "seq_num": [2], "icd_code": ["1"], "icd_version": [9]})
    records = records_of(*(stay(n) for n in (1, 2, 3)), diagnoses=[(n, "486", 9) for n in (1, 2, 3)],
                      procedures=[(1, "9671", 9)])  # fmt: skip
    assert records.procedures is not None
    records.procedures.extend(second)
    assert answers(Triage(), records) == {1: ["Respiratory"]}
    assert set(answers(Triage(with_procedure=False), records)) == {1, 2, 3}
    assert "and a procedure" in Triage().card().who
    assert "and a procedure" not in Triage(with_procedure=False).card().who


def test_macro_f1_decides_as_published_or_the_auroc_of_other_tasks() -> None:
    records = records_of(stay(1), diagnoses=[(1, "486", 9)], procedures=[(1, "9671", 9)])
    for task, kind, headline in (
        (Triage(), "multiclass-f1", "f1_macro"), (Triage(chosen_by="macro-auroc"), "multiclass", "auroc"),
    ):  # fmt: skip
        space = task.label_space(pl.DataFrame(), records)
        assert (space.answer, space.labels) == (kind, tuple(SERVICES))
        assert space.form.headline.metric == headline
    assert (Triage().card().scored, "auroc" in Triage(chosen_by="macro-auroc").card().scored) == ("macro F1", True)


def test_a_source_without_procedures_cannot_tell_who_had_one() -> None:
    records = records_of(stay(1), diagnoses=[(1, "486", 9)])
    assert answers(Triage(), records) == {}
    assert answers(Triage(with_procedure=False), records) == {1: ["Respiratory"]}
    assert answers(Triage(), records_of(stay(1))) == {}


def test_newborns_and_minors_are_kept_and_the_whole_summary_is_read() -> None:
    stays = [stay(1, admission_type="NEWBORN", age=0.0), stay(2, age=12.0)]
    records = records_of(*stays, diagnoses=[(1, "V3000", 9), (2, "486", 9)], procedures=[(1, "1", 9), (2, "1", 9)])
    text = "Admitted.\n\nHospital Course:\nThe patient  died.\n"
    notes = [note(1, text), note(2, text + "2"), note(1, "An addendum.", description="Addendum")]
    examples, _ = read_by(Triage(), stays, notes, records)
    assert examples["asked"].to_list() == [["Obstetrics"], ["Respiratory"]]
    assert examples["text"][0] == "Admitted. Hospital Course: The patient died. An addendum."
    assert examples["prediction_time"].to_list() == [row["dischtime"] for row in stays]
    assert Triage().card().kind == "retrospective-text"


@pytest.mark.parametrize(("preset", "left"), [("sound", [1]), ("paper-text", [1, 2]), ("paper-code", [1, 2])])
def test_the_presets_of_papers_keep_withdrawn_notes_and_odd_times(preset: str, left: list[int]) -> None:
    (task,) = [task for task in further_tasks("mimic3", preset) if isinstance(task, Triage)]  # type: ignore[arg-type]
    assert task.codes == ("published" if preset == "paper-code" else "fixed")
    stays = [stay(1), stay(2, days=-1)]
    records = records_of(*stays, diagnoses=[(1, "486", 9), (2, "486", 9)], procedures=[(1, "1", 9), (2, "1", 9)])
    examples, _ = read_by(task, stays, [note(1, "one"), note(2, "two", is_error=True)], records)
    assert examples["hadm_id"].to_list() == left
    assert task.stays.newborns == "kept"
    assert task.stays.min_age is None


def test_whoever_is_asked_about_is_a_choice() -> None:
    stays = [stay(1, age=12.0), stay(2)]
    records = records_of(*stays, diagnoses=[(1, "486", 9), (2, "486", 9)])
    task = Triage(with_procedure=False, stays=Stays())
    assert read_by(task, stays, [note(1, "a"), note(2, "b")], records)[0]["hadm_id"].to_list() == [2]
