"""Labels of others: tables and MEDS shards become the same frame; what is wrong is counted and never quoted."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from chartune.errors import ConfigError, SchemaError
from chartune.sources.answers import ANSWERS
from chartune.sources.catalog import AnyLabels
from chartune.sources.external_labels import TableLabels
from chartune.sources.meds_labels import MedsLabels
from chartune.sources.pickled_labels import PickledLabels

NOON, LATER = (datetime.fromisoformat(time) for time in ("2100-07-02 12:00", "2100-07-03 13:05"))


def table(folder: Path, text: str, name: str = "labels.csv", **fields: Any) -> TableLabels:
    (folder / name).write_text(text)
    return TableLabels(file=folder / name, **fields)


def shard(file: Path, **columns: list[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns, schema_overrides={"prediction_time": pl.Datetime("us")}, strict=False)
    frame.write_parquet(file)
    return file


def test_a_table_of_admissions_is_read_as_it_stands(tmp_path: Path) -> None:
    labels = table(tmp_path, "text,HADM_ID,label\nx,1002,1.0\ny,1001.0,0\nz,1003,\n")
    answers = labels.answers(with_split=False)
    assert answers.schema == pl.Schema(ANSWERS)
    assert answers.select("hadm_id", "asked", "split").rows() == [
        (1002, ["1"], None), (1001, ["0"], None), (1003, None, None),
    ]  # fmt: skip
    assert not labels.timed


def test_a_row_whose_cell_of_the_split_is_blank_stands_in_none(tmp_path: Path) -> None:
    labels = table(tmp_path, 'hadm_id,label,split\n1,yes,train\n2,no,\n3,no,"  "\n')
    assert labels.answers(with_split=True)["split"].to_list() == ["train", None, None]


def test_columns_may_have_other_names_and_cells_several_labels(tmp_path: Path) -> None:
    text = "stay\tpatient\twhat\tset\n7\t70\tI10; E11 ;I10\tdev\n8\t80\t\theld_out\n"
    labels = table(
        tmp_path, text, "a.tsv", admission="stay", subject="patient", label="what", split="set", separator=";"
    )
    assert labels.answers(with_split=True).drop("prediction_time").rows() == [
        (70, 7, ["E11", "I10"], "validation"), (80, 8, None, "test"),
    ]  # fmt: skip


def test_a_table_of_patients_and_times_is_timed(tmp_path: Path) -> None:
    text = "subject_id,prediction_time,label\n1,2100-07-02 12:00:00,yes\n1,2100-07-03 13:05:00,no\n"
    labels = table(tmp_path, text, admission=None, subject="subject_id", time="prediction_time")
    assert labels.timed
    assert labels.answers(with_split=False).select("subject_id", "hadm_id", "prediction_time", "asked").rows() == [
        (1, None, NOON, ["yes"]), (1, None, LATER, ["no"]),
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_other_formats_and_truth_values_are_read(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame({"hadm_id": [1, 2], "label": [True, False]})
    file = tmp_path / f"l.{ending}"
    frame.write_ndjson(file) if ending == "jsonl" else frame.write_parquet(file)
    assert TableLabels(file=file).answers(with_split=False)["asked"].to_list() == [["true"], ["false"]]


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("hadm_id,outcome\n1,SECRET\n", {}, r"must have the columns label.*say what its columns are called with"),
        ("subject_id,label\n1,SECRET\n", {}, "must have the columns hadm_id"),
        ("hadm_id,label\nSECRET,1\n", {}, "every cell of hadm_id must be a whole number, but 1 is not"),
        ("hadm_id,label\n,1\n", {}, "every cell of hadm_id must be a whole number"),
        ("hadm_id,label\n1,SECRET\n1,b\n2,a\n", {}, "every hadm_id must occur once, but 2 rows share theirs"),
        ("hadm_id,label\n1,\"SECRET\nb\"\n", {}, "must be one label, but 1 hold lists"),
        ("hadm_id,at,label\n1,SECRET,0\n", {"time": "at"}, "every cell of at must be a time"),
        ("hadm_id,label,split\n1,0,SECRET\n2,0,train\n", {}, "but 1 of 2 rows name another"),
        ("hadm_id,label\n1,0\n", {}, "must have the columns split"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_without_a_cell(
    tmp_path: Path, text: str, fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SchemaError, match=expected) as refused:
        table(tmp_path, text, **fields).answers(with_split="split" in expected or "rows name" in expected)
    assert "SECRET" not in str(refused.value)


def test_rows_that_cannot_be_found_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rows must name an `admission`, or a `subject` and a `time`"):
        TableLabels.parse({"file": tmp_path, "admission": None, "subject": "p"})


def test_bytes_and_not_paths_make_the_fingerprint(tmp_path: Path) -> None:
    one, two = table(tmp_path, "hadm_id,label\n1,0\n", "a.csv"), table(tmp_path, "hadm_id,label\n1,0\n", "b.csv")
    assert one.hashable() == two.hashable()
    assert one.hashable() != table(tmp_path, "hadm_id,label\n1,1\n", "c.csv").hashable()
    assert one.hashable() != one.model_copy(update={"label": "other"}).hashable()


@pytest.mark.parametrize("labels", [TableLabels, PickledLabels])
def test_a_file_that_is_not_there_is_told_with_its_place(
    tmp_path: Path, labels: type[TableLabels] | type[PickledLabels]
) -> None:
    for missing in (tmp_path / "nowhere.csv", tmp_path):  # a folder is no file
        expected = re.escape(
            f"labels must stand in a file, but there is none at {missing}; correct `file` of these labels"
        )
        with pytest.raises(SchemaError, match=expected):
            labels(file=missing).hashable()
        with pytest.raises(SchemaError, match=expected):
            labels(file=missing).answers(with_split=False)


@pytest.mark.parametrize(
    ("head", "column", "there"), [("hadm_id,label, Split", "split", True), ("hadm_id,label,split", "set", False)]
)
def test_a_table_knows_whether_it_has_splits(tmp_path: Path, head: str, column: str, there: bool) -> None:
    assert table(tmp_path, f"{head}\n1,0,x\n", split=column).has_splits() is there


def test_an_aces_cohort_is_read_from_its_shards(tmp_path: Path) -> None:
    empty: dict[str, list[Any]] = {"integer_value": [None], "float_value": [None], "categorical_value": [None]}
    shard(
        tmp_path / "readmission/train/0.parquet", subject_id=[2], prediction_time=[NOON], boolean_value=[True], **empty
    )
    shard(tmp_path / "readmission/tuning/0.parquet", subject_id=[1], prediction_time=[LATER], boolean_value=[False])
    labels = MedsLabels(path=tmp_path / "readmission")
    answers = labels.answers(with_split=False)
    assert answers.schema == pl.Schema(ANSWERS)
    assert answers.drop("hadm_id", "split").rows() == [(1, LATER, ["false"]), (2, NOON, ["true"])]
    assert labels.answers(with_split=True)["split"].to_list() == ["validation", "train"]


@pytest.mark.parametrize(
    ("column", "values", "asked"),
    [
        ("integer_value", [3, 0], [["3"], ["0"]]),
        ("float_value", [1.0, 0.5], [["1"], ["0.5"]]),
        ("categorical_value", ["I10", None], [["I10"], None]),
    ],
)
def test_every_kind_of_meds_value_becomes_a_name(tmp_path: Path, column: str, values: list[Any], asked: Any) -> None:
    shard(tmp_path / "l.parquet", subject_id=[1, 2], prediction_time=[NOON, NOON], **{column: values})
    assert MedsLabels(path=tmp_path / "l.parquet").answers(with_split=False)["asked"].to_list() == asked


def test_categories_of_one_time_are_several_labels(tmp_path: Path) -> None:
    shard(
        tmp_path / "l.parquet",
        subject_id=[1, 1, 2],
        prediction_time=[NOON] * 3,
        categorical_value=["b", "a", "b"],
    )
    assert MedsLabels(path=tmp_path).answers(with_split=False)["asked"].to_list() == [["a", "b"], ["b"]]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"subject_id": [1], "boolean_value": [True]}, "but these are Int64 and missing"),
        ({"subject_id": ["SECRET"], "prediction_time": [NOON], "boolean_value": [True]}, "are String and Datetime"),
        ({"subject_id": [1], "prediction_time": [None], "boolean_value": [True]}, "but 1 cells are empty"),
        ({"subject_id": [1], "prediction_time": [NOON], "boolean_value": [True], "categorical_value": ["SECRET"]},
         "must hold one column of values, but m has values in boolean_value, categorical_value"),
        ({"subject_id": [1], "prediction_time": [NOON], "integer_value": [None]}, "has values in none"),
        ({"subject_id": [1, 1], "prediction_time": [NOON] * 2, "boolean_value": [True, False]},
         "1 patients and times have several of the kind boolean_value"),
    ],
)  # fmt: skip
def test_what_is_no_meds_label_is_refused(tmp_path: Path, columns: dict[str, list[Any]], expected: str) -> None:
    shard(tmp_path / "m" / "l.parquet", **columns)
    with pytest.raises(SchemaError, match=expected) as refused:
        MedsLabels(path=tmp_path / "m").answers(with_split=False)
    assert "SECRET" not in str(refused.value)


def test_a_folder_without_shards_or_with_a_damaged_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="must be a Parquet file or a folder of such files"):
        MedsLabels(path=tmp_path).answers(with_split=False)
    (tmp_path / "l.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(SchemaError, match=r"l\.parquet must be readable as PARQUET"):
        MedsLabels(path=tmp_path).answers(with_split=False)


def test_a_shard_whose_place_names_no_split_has_none(tmp_path: Path) -> None:
    shard(tmp_path / "0.parquet", subject_id=[1], prediction_time=[NOON], boolean_value=[True])
    with pytest.raises(SchemaError, match=r"must say by its folder or name in which split it stands"):
        MedsLabels(path=tmp_path).answers(with_split=True)


def test_names_of_shards_count_only_as_far_as_they_name_splits(tmp_path: Path) -> None:
    for name in ("a/0", "b/1", "c/train"):
        shard(tmp_path / f"{name}.parquet", subject_id=[1], prediction_time=[NOON], boolean_value=[True])
    one, same, other = (MedsLabels(path=tmp_path / name).hashable() for name in "abc")
    assert one == same != other


def test_every_kind_of_labels_can_be_told_in_yaml(tmp_path: Path) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AnyLabels)
    for labels in (
        {"kind": "table", "file": "l.csv"},
        {"kind": "meds", "path": "l"},
        {"kind": "beep", "file": "l.pkl"},
    ):
        parsed = adapter.validate_python(labels)
        assert adapter.validate_python(parsed.model_dump(mode="json")) == parsed
