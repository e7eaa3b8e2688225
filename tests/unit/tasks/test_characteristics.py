"""Who the patients of a task are, counted from small charts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from chartune.disclosure import released
from chartune.tasks.characteristics import characteristics, groups_of
from chartune.tasks.dataset import Characteristic
from chartune.tasks.labels import LabelSpace
from chartune.testing.small_charts import records_of, stay

SPACE = LabelSpace("binary", ("survived", "died"), ("survived", "died"))
MANY = LabelSpace("multilabel", ("428", "584"), ("428", "584"))
DAY = datetime(2150, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def _known(admissions: dict[str, list[Any]], rows: int = 24) -> dict[str, Characteristic]:
    records = records_of(*(stay(n) for n in range(1, rows + 1)))
    table = records.admissions.with_columns(**{name: pl.Series(name, values) for name, values in admissions.items()})
    return {c.name: c for c in characteristics(_examples(rows), replace(records, admissions=table), SPACE)}


def _examples(rows: int) -> pl.DataFrame:
    return pl.DataFrame({
        "subject_id": list(range(1, rows + 1)), "hadm_id": list(range(1, rows + 1)),
        "split": ["train" if n % 2 else "test" for n in range(rows)], "label": [int(n < 4) for n in range(rows)],
        "text": ["one two  three\nfour"] * rows,
    })  # fmt: skip


def test_numbers_have_quartiles_by_split_and_outcome_and_what_is_not_known_is_counted() -> None:
    known = _known({"age": [None, *[float(20 + n) for n in range(23)]],
                    "admittime": [DAY] * 24, "dischtime": [DAY + timedelta(hours=36)] * 24})  # fmt: skip
    age = known["age"]
    assert list(age.missing) == ["train", "test", "outcome: survived", "outcome: died"]
    assert (age.missing["test"], age.missing["train"], age.missing["outcome: died"]) == (1, 0, 1)
    assert age.quartiles["outcome: died"] == (20.5, 21.0, 21.5)
    assert known["length of stay"].quartiles["test"] == (1.5, 1.5, 1.5)
    assert known["text"].quartiles["train"] == (4.0, 4.0, 4.0)


def test_levels_of_few_patients_are_not_named() -> None:
    known = _known({"race": ["WHITE"] * 12 + ["Mr Smith"] * 9 + [" "] * 3})
    race = known["race"]
    assert list(race.levels) == ["white", "other"]
    assert sum(race.levels["other"][split] for split in ("train", "test")) == 9
    assert race.missing["train"] + race.missing["test"] == 3


def test_what_nobody_knows_has_no_row_and_many_labels_have_no_columns() -> None:
    assert "insurance" not in _known({"insurance": [None] * 24})
    groups = groups_of(_examples(24), SPACE)
    assert groups["outcome: died"] == {"subjects": 4, "admissions": 4}
    assert list(groups_of(_examples(24), MANY)) == ["train", "test"]


def test_a_program_gets_cells_in_classes_of_twenty_and_no_quartile() -> None:
    row = Characteristic(
        name="race", levels={"white": {"test": 37}}, quartiles={"test": (1, 2, 3)}, missing={"test": 4}
    )
    answer = released({"tasks": {"a": {"characteristics": [row.to_json()]}}}, exact=False)
    assert answer["tasks"]["a"]["characteristics"] == [
        {"name": "race", "unit": "", "levels": {"white": {"test": "20+"}}, "missing": {"test": "<10"}}
    ]


def test_no_more_levels_are_named_than_a_whole_has_parts() -> None:
    race = _known({"race": [f"r{n // 10}" for n in range(90)]}, rows=90)["race"]
    assert list(race.levels) == [*(f"r{n}" for n in range(7)), "other"]
