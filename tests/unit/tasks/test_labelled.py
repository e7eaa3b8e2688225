"""Labelled: the labels of a table of one's own become one of two, one of several, or any number."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LabelError
from chartune.sources.source import About, Records
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.labelled import Labelled
from chartune.tasks.prepare import Preparation, prepare, read_task

NOTHING = Records(About("tabular", "", "", ""), pl.DataFrame(), pl.DataFrame(), lambda: iter(()))


def examples(asked: list[list[str]], subjects: list[int] | None = None) -> pl.DataFrame:
    """Training rows, each of a patient of its own unless `subjects` says otherwise."""
    return pl.DataFrame(
        {"subject_id": subjects or range(len(asked)), "split": ["train"] * len(asked), "asked": asked},
        schema={"subject_id": pl.Int64, "split": pl.String, "asked": pl.List(pl.String)},
    )


def rows(**counts: int) -> list[list[str]]:
    return [[name] for name, count in counts.items() for _ in range(count)]


def test_two_labels_are_binary_and_the_later_in_sorting_is_asked_about() -> None:
    space = Labelled().label_space(examples(rows(yes=2, no=3)), NOTHING)
    assert (space.answer, space.labels) == ("binary", ("no", "yes"))


def test_the_positive_label_can_be_named() -> None:
    space = Labelled(positive="dead").label_space(examples(rows(dead=2, survived=2)), NOTHING)
    assert space.labels == ("survived", "dead")
    with pytest.raises(LabelError, match="none of them"):
        Labelled(positive="died").label_space(examples(rows(dead=2, survived=2)), NOTHING)


def test_several_labels_are_multiclass_and_several_in_a_row_multilabel() -> None:
    assert Labelled().label_space(examples(rows(a=2, b=2, c=2)), NOTHING).answer == "multiclass"
    assert Labelled().label_space(examples([["a", "b"], ["b"]]), NOTHING).answer == "multilabel"
    assert Labelled(answer="multilabel").label_space(examples([["a"], ["b"]]), NOTHING).answer == "multilabel"


def test_a_rare_label_of_many_is_not_learnt_and_so_not_named() -> None:
    often = Labelled().label_space(examples([["a", "b"]] * 10 + [["Mrs Smith of room 17", "a"]] * 9), NOTHING)
    assert often.labels == ("a", "b")


def test_an_answer_that_the_rows_contradict_is_refused() -> None:
    with pytest.raises(LabelError, match="1 rows have several"):
        Labelled(answer="multiclass").label_space(examples([["a", "b"], *rows(b=2, c=2)]), NOTHING)
    with pytest.raises(LabelError, match="must have two labels, but the training rows have 3"):
        Labelled(answer="binary").label_space(examples(rows(a=2, b=2, c=2)), NOTHING)


SENTENCE = "Mrs Smith of room 17 fell"


def refused(task: Labelled, frame: pl.DataFrame, match: str) -> None:
    """The refusal names no label and says what to do."""
    with pytest.raises(LabelError, match=match) as caught:
        task.label_space(frame, NOTHING)
    assert SENTENCE not in str(caught.value)
    assert "7." not in str(caught.value)
    assert "name the column of classes" in str(caught.value)


def test_numbers_are_refused_as_classes_without_being_quoted() -> None:
    refused(Labelled(), examples([[f"7.{n}13"] for n in range(101)]), "101 distinct ones .* more than 100")


@pytest.mark.parametrize(
    "counts",
    [{"yes": 14, "no": 14}, {"yes": 27, "no": 2}, {"mild": 90, "severe": 60, "unclear": 4}, {"a": 5, "b": 4, "c": 3}],
)
def test_classes_of_ordinary_size_are_learnt_a_rare_one_too(counts: dict[str, int]) -> None:
    assert Labelled().label_space(examples(rows(**counts)), NOTHING).labels == tuple(sorted(counts))


def test_a_column_of_comments_is_refused_and_none_is_named() -> None:
    comments = [["ok"]] * 20 + [[f"{SENTENCE} {n}"] for n in range(40)]
    refused(Labelled(), examples(comments), "40 of the 41 distinct ones belong to fewer than 10 training patients")
    # Shared by two each, they are still no classes where there are many.
    refused(Labelled(least_cases=2), examples(comments * 2), "40 of the 41 distinct ones")
    assert Labelled(least_cases=10).label_space(examples(comments), NOTHING).labels == ("ok",)


def test_what_one_patient_alone_has_is_no_class_however_often_it_is_repeated() -> None:
    asked = [*rows(better=30, worse=30), *[[SENTENCE]] * 12]
    refused(Labelled(), examples(asked, [*range(60), *[60] * 12]), "1 of the 3 distinct ones belong to fewer than 2")
    both = [[*one, "seen"] for one in asked]
    assert Labelled().label_space(examples(both, [*range(60), *[60] * 12]), NOTHING).labels == (
        "better", "seen", "worse",
    )  # fmt: skip


def test_a_sentence_is_refused_though_many_patients_share_it() -> None:
    refused(Labelled(), examples([["no"]] * 20 + [[SENTENCE * 5]] * 20), "1 of the 2 distinct ones have more than 100")
    assert Labelled().label_space(examples([["no"]] * 20 + [["x" * 100]] * 20), NOTHING).labels == ("no", "x" * 100)


def test_a_rare_class_of_many_can_be_left_out() -> None:
    many = rows(**{f"class {n}": 10 for n in range(10)}, rare=9)
    refused(Labelled(), examples(many), "1 of the 11 distinct ones belong to fewer than 10 .* `least_cases: 10`")
    assert len(Labelled(least_cases=10).label_space(examples(many), NOTHING).labels) == 10


@pytest.mark.parametrize("several", [False, True])
def test_a_label_that_no_training_patient_has_is_left_out_and_counted(
    tmp_path: Path, store: Store, several: bool
) -> None:
    """A row whose only class was never learnt is no row of the task; of many labels it is a row without that label."""
    asked = {"train": ["a", "b"] * 6, "validation": ["a", "b"] * 3, "test": ["a", "b", "never seen"] * 3}
    rows = [(split, label) for split, labels in asked.items() for label in labels]
    lists: dict[str, list[int]] = {split: [] for split in asked}
    for number, (split, _) in enumerate(rows):
        lists[split].append(number)
    for split, ids in lists.items():
        (tmp_path / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    labels = [f"{label};a" if several else label for _, label in rows]
    texts = [f"note number {n} of a patient" for n in range(len(rows))]
    pl.DataFrame({"subject_id": range(len(rows)), "text": texts, "label": labels}).write_csv(tmp_path / "notes.csv")
    data = prepare(
        Preparation.parse({
            "source": {"kind": "tabular", "file": tmp_path / "notes.csv", **({"separator": ";"} if several else {})},
            "splits": {"kind": "imported", "folder": tmp_path},
        }),
        store,
    )  # fmt: skip
    ((name, task),) = read_dataset(data).tasks.items()
    removed = {step.step: step.removed_admissions for step in task.attrition if step.removed_admissions}
    assert "never seen" not in task.labels
    assert removed == ({} if several else {"label learnt": 3})
    kept = read_task(data, name).filter(pl.col("split") == "test")
    assert kept.height == (9 if several else 6)


def test_rows_without_a_label_are_not_asked_about() -> None:
    labels = pl.DataFrame(
        {"subject_id": [1, 2, 2], "hadm_id": [1, 2, 2], "label": [None, " b ", "a"]},
        schema={"subject_id": pl.Int64, "hadm_id": pl.Int64, "label": pl.String},
    )
    records = Records(About("t", "", "", ""), pl.DataFrame(), pl.DataFrame(), lambda: iter(()), labels=labels)
    assert Labelled().asked(records).rows() == [(2, 2, ["a", "b"])]
