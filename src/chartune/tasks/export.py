"""Export: prepared data in a folder of its own, for other tools. Private, aside from any repository, with its papers.

    chartune-store/data/<fingerprint> ─┬─ meds ────▶ labels/<task>/*.parquet  metadata/                 (no texts)
                                       └─ parquet ─▶ data/<split>-00000.parquet  dataset.json  splits.parquet
                                                     README.md  SHA256SUMS

The folder appears whole or not at all. What was made from patients' charts stays as restricted as they are.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa

from chartune.errors import ConfigError
from chartune.outputs import must_be_new_outside_repositories, new_folder, placed
from chartune.sources.splits import SPLITS
from chartune.store import Artefact, sha256, write_bytes, write_json
from chartune.tasks.dataset import DATASET, Dataset, read_dataset
from chartune.tasks.dataset_card import COLUMNS, README, dataset_card
from chartune.tasks.frames import read_frame
from chartune.tasks.labels import LabelSpace
from chartune.tasks.meds import write_arrow, write_meds
from chartune.tasks.prepare import task_named

Form = Literal["meds", "parquet"]
SUMS: Final = "SHA256SUMS"
_COLUMNS: Final = {
    "subject_id": pa.int64(), "hadm_id": pa.int64(), "text": pa.large_string(), "label": pa.int64(),
    "prediction_time": pa.timestamp("us"), "text_time": pa.timestamp("us"),
}  # fmt: skip
_HASHES: Final = {SUMS: "SHA-256 of every file"}
_PARQUET_FILES: Final = {DATASET: "what it is, in full", "splits.parquet": "who stands in which split"} | _HASHES
_MEDS_FILES: Final = {
    "labels/": "labels of MEDS 0.4, without texts: a folder per task, a file per split",
    "metadata/": "who stands in which split, and what it is",
} | _HASHES
_COPIED: Final = ("source", "splits", "chartune")


def export(artefact: Artefact, to: Path, form: Form, task: str = "") -> Path:
    """Write prepared data into a new folder.

    Args:
        artefact: prepared data.
        to: the folder; it must not exist or be empty, and must not lie in a git working tree.
        form: `meds`: labels and splits as MEDS has them; `parquet`: one task, loadable by Hugging Face datasets, polars
            and others without a script.
        task: the task, or its beginning; empty: all of them (meds), or the only one (parquet).

    Returns:
        The folder.

    Raises:
        ConfigError: the folder cannot be taken, or `parquet` is to write several tasks.
        DataError: the data were prepared without the task, or MEDS needs times that are not known.
        StoreError: no room, or a file of the store is damaged.
    """
    dataset, folder = read_dataset(artefact), placed(to, "--to")
    names = [task_named(dataset.tasks, task)] if task else list(dataset.tasks)
    if form == "parquet" and len(names) != 1:
        raise ConfigError(
            f"a Parquet export must be of one task, but there are {', '.join(names) or 'none'}; say --task."
        )
    must_be_new_outside_repositories(folder, "--to")
    with new_folder(folder, "--to", artefact.path.parent.parent) as aside:
        if form == "meds":
            write_meds(artefact, dataset, names, aside)
        else:
            _write_parquet(artefact, dataset, names[0], aside)
        write_bytes(aside / README, _readme(artefact, dataset, names, form, aside).encode())
        sums = (f"{sha256(file)}  {file.relative_to(aside).as_posix()}\n" for file in _files(aside))
        write_bytes(aside / SUMS, "".join(sums).encode())
        for path in aside.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def _write_parquet(artefact: Artefact, dataset: Dataset, name: str, folder: Path) -> None:
    """One task: a file per split, what it is, and who stands where."""
    examples, space = read_frame(artefact.path / f"{name}.parquet"), dataset.tasks[name].space()
    for split in SPLITS:
        rows = examples.filter(pl.col("split") == split).drop("split")
        if rows.height:
            table = rows.to_arrow()
            write_arrow(table.cast(_schema(table.schema, space)), folder / _part(split))
    shutil.copyfile(artefact.file("splits.parquet"), folder / "splits.parquet")
    about = {"data": artefact.fingerprint, "sensitivity": artefact.manifest().sensitivity, "task": name}
    entry = dataset.only([name]).to_json()
    write_json(folder / DATASET, about | {key: entry[key] for key in _COPIED} | {"definition": entry["tasks"][name]})


def _part(split: str) -> str:
    return f"data/{split}-00000.parquet"


def _schema(written: pa.Schema, space: LabelSpace) -> pa.Schema:
    """The columns, and beside them their names of labels in the words of Hugging Face datasets.

    Annotated spans have no labels to be named, and columns that it reads without a feature type.
    """
    several = space.form.several
    known = _COLUMNS | {"label": pa.list_(pa.int64()) if several else pa.int64()}
    columns = {field.name: known.get(field.name, field.type) for field in written}
    if "label" not in columns:
        return pa.schema(list(columns.items()))
    named = {"names": list(space.labels), "_type": "ClassLabel"}
    features: dict[str, Any] = {name: {"dtype": str(dtype), "_type": "Value"} for name, dtype in columns.items()}
    features["label"] = {"feature": named, "_type": "List"} if several else named
    return pa.schema(list(columns.items()), metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _readme(artefact: Artefact, dataset: Dataset, names: list[str], form: Form, folder: Path) -> str:
    """The card of the data, of what was exported only."""
    exported = dataset.only(names)
    if form == "meds":
        return dataset_card(exported, artefact.fingerprint, _MEDS_FILES, {})
    parts = {split: file for split in SPLITS if (folder / (file := _part(split))).is_file()}
    examples = {file: f"examples of {split}" for split, file in parts.items()}
    columns = {name: holds for name, holds in COLUMNS.items() if name != "split"}
    return dataset_card(exported, artefact.fingerprint, examples | _PARQUET_FILES, columns, parts)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())
