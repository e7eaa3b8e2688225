"""MEDS: labels and splits of prepared data in the Medical Event Data Standard, version 0.4.

    labels/mortality/train.parquet         subject_id · prediction_time · boolean_value     binary
    labels/triage/tuning.parquet           subject_id · prediction_time · integer_value     number of the class
    labels/diagnoses_icd9/held_out.parquet subject_id · prediction_time · categorical_value a row per label
    metadata/subject_splits.parquet        subject_id · split
    metadata/dataset.json                  what it is, from what, and under which licence

The columns are those of its LabelSchema and SubjectSplitSchema and no others, none of them null. Texts stay behind:
MEDS labels say whom and when, and whoever has the data finds the rest.
"""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from chartune.errors import DataError
from chartune.sources.splits import CORPUS_ONLY, SPLITS
from chartune.store import Artefact, write_bytes, write_json
from chartune.tasks.dataset import Dataset
from chartune.tasks.frames import read_frame
from chartune.tasks.labels import LabelSpace

VERSION: Final = "0.4.1"
NAMES: Final = {"validation": "tuning", "test": "held_out"}
"""What MEDS calls a split, where it has a word of its own."""
_KEY: Final = (pa.field("subject_id", pa.int64(), nullable=False), pa.field("prediction_time", pa.timestamp("us")))
BOOLEAN, CATEGORICAL = "boolean_value", "categorical_value"
_VALUES: Final = {BOOLEAN: pa.bool_(), "integer_value": pa.int64(), CATEGORICAL: pa.string()}
_SPLITS: Final = pa.schema([("subject_id", pa.int64()), ("split", pa.string())])


def write_meds(artefact: Artefact, dataset: Dataset, tasks: list[str], folder: Path) -> None:
    """Write the labels of these tasks, and the splits, into an empty folder.

    Args:
        artefact: prepared data.
        dataset: its `dataset.json`.
        tasks: their names.
        folder: exists and is private.

    Raises:
        DataError: a task has examples whose time of prediction is not known.
        StoreError: a file of the store is damaged.
    """
    counts = {}
    for name in tasks:
        space = dataset.tasks[name].space()
        examples = read_frame(artefact.path / f"{name}.parquet")
        _refuse_timeless(examples, name)
        for split in SPLITS:
            rows = examples.filter(pl.col("split") == split)
            if rows.height:
                write_arrow(labels_of(rows, space), folder / "labels" / name / f"{NAMES.get(split, split)}.parquet")
        counts[name] = _without(examples, space)
    splits = read_frame(artefact.path / "splits.parquet").with_columns(pl.col("split").replace(NAMES))
    write_arrow(splits.sort("subject_id").to_arrow().cast(_SPLITS), folder / "metadata" / "subject_splits.parquet")
    write_json(folder / "metadata" / "dataset.json", _about(artefact, dataset, tasks, counts))


def labels_of(examples: pl.DataFrame, space: LabelSpace) -> pa.Table:
    """Examples in the LabelSchema of MEDS, sorted by patient and time.

    Args:
        examples: subject_id · prediction_time · label, as prepared.
        space: the task's answers.

    Returns:
        subject_id int64 · prediction_time timestamp[us] · one column of values, as the form of the answer says:
        `boolean_value`, `integer_value` (the number of the class), or `categorical_value` (the name of a label) with a
        row per label; an admission without any has no row.
    """
    column = space.form.meds_column
    rows = examples.select("subject_id", "prediction_time", value=pl.col("label"))
    if column == BOOLEAN:
        rows = rows.with_columns(pl.col("value") == 1)
    if column == CATEGORICAL:
        names = dict(enumerate(space.labels))
        rows = rows.explode("value", empty_as_null=True).drop_nulls("value")
        rows = rows.with_columns(pl.col("value").replace_strict(names, return_dtype=pl.String))
    ordered = rows.sort("subject_id", "prediction_time", "value").rename({"value": column})
    return ordered.to_arrow().cast(pa.schema([*_KEY, pa.field(column, _VALUES[column])]))


def write_arrow(table: pa.Table, file: Path) -> None:
    """Write a table with its very schema; made in memory first, so that a full disk is reported as such."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(file, sink.getvalue())


def _refuse_timeless(examples: pl.DataFrame, name: str) -> None:
    timeless = examples["prediction_time"].null_count()
    if timeless:
        raise DataError(
            f"MEDS labels must have a time of prediction each, but {timeless} of {examples.height} examples of {name} "
            f"have none; name the column of times of your table (source.time) and prepare again, or export as parquet."
        )


def _without(examples: pl.DataFrame, space: LabelSpace) -> int:
    return examples.filter(pl.col("label").list.len() == 0).height if space.form.several else 0


def _about(artefact: Artefact, dataset: Dataset, tasks: list[str], without: dict[str, int]) -> dict[str, Any]:
    """The DatasetMetadataSchema of MEDS; what chartune adds stands under its own name."""
    source, made = dataset.source, (artefact.path / "dataset.json").stat().st_mtime
    words = {"title", "asked", "answer", "labels", "titles", "kind", "citation"}
    return {
        "dataset_name": source.title, "dataset_version": source.version, "etl_name": "chartune",
        "etl_version": dataset.chartune, "meds_version": VERSION,
        "created_at": datetime.fromtimestamp(made, UTC).isoformat(timespec="seconds"), "license": source.licence,
        "chartune": {
            "data": artefact.fingerprint, "sensitivity": artefact.manifest().sensitivity,
            "splits": f"validation is tuning, test is held_out; {CORPUS_ONLY}: text for adaptation only",
            "tasks": {name: dataset.tasks[name].model_dump(mode="json", include=words)
                      | {"examples_without_any_label": without[name]} for name in tasks},
        },
    }  # fmt: skip
