"""Patients who stand in two places that must not share any are counted, place by place."""

from pathlib import Path

import polars as pl
import pytest

from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.patients import patients


def rows(folder: Path, name: str, **splits: list[int]) -> Rows:
    parts = [pl.DataFrame({"subject_id": ids, "split": [split] * len(ids)}) for split, ids in splits.items()]
    pl.concat(parts).write_parquet(folder / name)
    return Rows(folder / name)


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, Rows]:
    splits = {"train": [1, 2, 3, 3], "validation": [10], "test": [20, 21, 21]}
    return {name: rows(tmp_path, name, **splits) for name in ("assignment", "mortality", "diagnoses", "corpus")}


def broken(found: dict[str, Rows]) -> dict[str, tuple[object, object]]:
    tasks = {name: found[name] for name in ("mortality", "diagnoses")}
    laws = patients(found["assignment"], tasks, found["corpus"])
    assert len(laws) == 8
    return {row.law: (row.both.count, row.both.of) for row in laws if row.both.some}


def test_a_patient_with_several_admissions_breaks_no_law(clean: dict[str, Rows]) -> None:
    assert broken(clean) == {}


def test_a_patient_in_two_splits_of_a_task_is_counted_once(tmp_path: Path, clean: dict[str, Rows]) -> None:
    twice = rows(tmp_path, "twice", train=[1, 1, 2], test=[2, 2, 20], validation=[2])
    assert broken(clean | {"mortality": twice})["in two splits of mortality"] == (1, 3)


def test_split_lists_that_are_twice_told_are_counted(tmp_path: Path, clean: dict[str, Rows]) -> None:
    twice = rows(tmp_path, "twice", train=[1, 2], test=[2])
    assert broken(clean | {"assignment": twice}) == {"in two splits of the assignment": (1, 2)}


def test_tasks_with_lists_of_their_own_are_held_against_each_other(tmp_path: Path, clean: dict[str, Rows]) -> None:
    other = rows(tmp_path, "other", train=[20, 21, 4], test=[1])
    assert broken(clean | {"diagnoses": other, "corpus": rows(tmp_path, "none", train=[99])}) == {
        "held out in mortality, learnt from in another task": (2, 3),
        "held out in diagnoses, learnt from in another task": (1, 1),
    }


def test_held_out_patients_whose_notes_are_in_the_corpus_are_counted(tmp_path: Path, clean: dict[str, Rows]) -> None:
    leaky = rows(tmp_path, "leaky", train=[1, 10, 20], test=[21])
    assert broken(clean | {"corpus": leaky}) == {
        "held out in mortality, in the training split of the corpus": (2, 3),
        "held out in diagnoses, in the training split of the corpus": (2, 3),
    }


def test_without_a_corpus_and_another_task_their_laws_are_not_asked(clean: dict[str, Rows]) -> None:
    found = patients(clean["assignment"], {"mortality": clean["mortality"]}, None)
    assert [row.law for row in found] == ["in two splits of the assignment", "in two splits of mortality"]
