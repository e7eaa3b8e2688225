"""MEDS and Parquet exports: exact columns and types, private folders, no repository, nothing half-written."""

import json
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chartune.errors import ConfigError, DataError
from chartune.sources.meds_labels import MedsLabels
from chartune.sources.splits import ImportedSplit
from chartune.store import Artefact, Store, sha256, write_json
from chartune.tasks import export as exporting
from chartune.tasks.export import export
from chartune.tasks.frames import write_frame
from chartune.tasks.prepare import AnnotatedPreparation, prepare
from chartune.testing.annotated_corpora import write_2010
from chartune.testing.past_data import dataset

TIME = datetime.fromisoformat("2100-07-01 10:00")
WORDS = "Chief Complaint: SECRET"
SPLITS = {7: "train", 5: "train", 4: "validation", 3: "calibration", 2: "test", 1: "test", 9: "corpus"}
LABELS: dict[str, tuple[str, list[str], list[Any]]] = {
    "mortality": ("binary", ["survived", "died"], [1, 0, 0, 1, 1, 0]),
    "stay": ("multiclass", ["short", "long", "longer"], [2, 0, 1, 1, 2, 0]),
    "diagnoses": ("multilabel", ["428", "584"], [[0, 1], [1], [], [0], [], [0, 1]]),
}
ROWS = {"train": 2, "tuning": 1, "calibration": 1, "held_out": 2}


@pytest.fixture
def prepared(store: Store) -> Callable[..., Artefact]:
    """Prepared data of three tasks, six patients and one more for the corpus."""

    def make(time: datetime | None = TIME) -> Artefact:
        content = dataset("mimic3", 40, 90)
        card = content["tasks"]["mortality"]
        folder = store.partial("data", "f" * 16)
        for name, (answer, labels, values) in LABELS.items():
            content["tasks"][name] = card | {"answer": answer, "labels": labels, "titles": labels, "title": name}
            dtype = pl.List(pl.Int32) if answer == "multilabel" else pl.Int64()
            frame = pl.DataFrame(
                {"subject_id": list(SPLITS)[:6], "hadm_id": [100 + n for n in list(SPLITS)[:6]],
                 "split": list(SPLITS.values())[:6], "text": [WORDS] * 6, "label": pl.Series(values, dtype=dtype),
                 "prediction_time": pl.Series([time] * 6, dtype=pl.Datetime("us")),
                 "text_time": pl.Series([time] * 6, dtype=pl.Datetime("us"))}
            )  # fmt: skip
            write_frame(frame, folder / f"{name}.parquet")
        content["tasks"] = {name: content["tasks"][name] for name in LABELS}
        splits = pl.DataFrame({"subject_id": list(SPLITS), "split": list(SPLITS.values())})
        write_frame(splits.sort("subject_id"), folder / "splits.parquet")
        write_json(folder / "dataset.json", content)
        return store.publish("data", "f" * 16, {"sensitivity": "restricted"})

    return make


def shards(folder: Path, task: str) -> dict[str, pa.Table]:
    return {file.stem: pq.read_table(file) for file in (folder / "labels" / task).glob("*.parquet")}


@pytest.mark.parametrize(
    ("task", "column", "dtype"),
    [("mortality", "boolean_value", pa.bool_()), ("stay", "integer_value", pa.int64()),
     ("diagnoses", "categorical_value", pa.string())],
)  # fmt: skip
def test_labels_have_exactly_the_columns_of_the_meds_label_schema(
    prepared: Callable[..., Artefact], tmp_path: Path, task: str, column: str, dtype: pa.DataType
) -> None:
    folder = export(prepared(), tmp_path / "out", "meds")
    for table in shards(folder, task).values():
        assert table.schema.names == ["subject_id", "prediction_time", column]
        assert table.schema.types == [pa.int64(), pa.timestamp("us"), dtype]
        assert all(table[name].null_count == 0 for name in table.schema.names)


def test_values_are_truths_numbers_of_classes_and_a_row_per_label(
    prepared: Callable[..., Artefact], tmp_path: Path
) -> None:
    folder = export(prepared(), tmp_path / "out", "meds")
    assert {split: table.num_rows for split, table in shards(folder, "mortality").items()} == ROWS
    assert shards(folder, "mortality")["train"].to_pylist() == [
        {"subject_id": 5, "prediction_time": TIME, "boolean_value": False},
        {"subject_id": 7, "prediction_time": TIME, "boolean_value": True},
    ]
    assert shards(folder, "stay")["held_out"]["integer_value"].to_pylist() == [0, 2]
    diagnoses = shards(folder, "diagnoses")
    assert [(r["subject_id"], r["categorical_value"]) for r in diagnoses["train"].to_pylist()] == [
        (5, "584"), (7, "428"), (7, "584"),
    ]  # fmt: skip
    about = json.loads((folder / "metadata" / "dataset.json").read_text())
    assert about["chartune"]["tasks"]["diagnoses"]["examples_without_any_label"] == 2
    assert about["license"] == "PhysioNet Credentialed Health Data License 1.5.0"
    assert about["chartune"]["sensitivity"] == "restricted"


def test_what_was_exported_can_be_imported_again(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    folder = export(prepared(), tmp_path / "out", "meds")
    splits = ImportedSplit(folder=folder).assign(pl.DataFrame({"subject_id": list(SPLITS)})).frame
    assert dict(splits.iter_rows()) == SPLITS
    back = MedsLabels(path=folder / "labels" / "mortality").answers(with_split=True)
    assert back.select("subject_id", "asked", "split").rows()[-1] == (7, ["true"], "train")
    several = MedsLabels(path=folder / "labels" / "diagnoses").answers(with_split=False)
    assert several.filter(pl.col("subject_id") == 7)["asked"].to_list() == [["428", "584"]]


def test_a_meds_export_holds_no_text(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    folder = export(prepared(), tmp_path / "out", "meds")
    for file in folder.rglob("*.parquet"):
        assert "text" not in pq.read_schema(file).names
        assert b"SECRET" not in file.read_bytes()


def test_labels_without_a_time_are_no_meds_labels(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    artefact = prepared(None)
    with pytest.raises(DataError, match="6 of 6 examples of mortality have none"):
        export(artefact, tmp_path / "out", "meds")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    export(artefact, tmp_path / "out", "parquet", "mortality")


def test_a_parquet_export_holds_a_file_per_split_and_names_of_labels(
    prepared: Callable[..., Artefact], tmp_path: Path
) -> None:
    folder = export(prepared(), tmp_path / "out", "parquet", "mort")
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {
        "README.md", "SHA256SUMS", "dataset.json", "splits.parquet", "data/train-00000.parquet",
        "data/validation-00000.parquet", "data/calibration-00000.parquet", "data/test-00000.parquet",
    }  # fmt: skip
    schema = pq.read_schema(folder / "data" / "train-00000.parquet")
    assert schema.names == ["subject_id", "hadm_id", "text", "label", "prediction_time", "text_time"]
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["label"] == {"names": ["survived", "died"], "_type": "ClassLabel"}
    about = json.loads((folder / "dataset.json").read_text())
    assert (about["task"], about["sensitivity"], about["definition"]["answer"]) == ("mortality", "restricted", "binary")
    assert "- split: test\n    path: data/test-00000.parquet" in (folder / "README.md").read_text()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert sha256(folder / name) == digest


def test_the_card_of_an_export_tells_of_what_was_exported_only(
    prepared: Callable[..., Artefact], tmp_path: Path
) -> None:
    card = (export(prepared(), tmp_path / "out", "parquet", "stay") / "README.md").read_text()
    assert "## Task stay: stay" in card
    assert "| data/calibration-00000.parquet | examples of calibration |" in card
    assert not re.search(r"mortality|diagnoses|[Cc]orpus|manifest", card)
    meds = (export(prepared(), tmp_path / "meds", "meds") / "README.md").read_text()
    assert "labels of MEDS 0.4, without texts" in meds
    assert "configs" not in meds
    assert "text_time" not in meds
    assert "| text_time |" in card
    assert "| split | " not in card.split("## Task")[0]
    assert all(f"## Task {name}: " in meds for name in LABELS)


@pytest.mark.parametrize("task", ["assertions", "concepts", "relations"])
def test_examples_of_an_annotated_corpus_keep_their_own_columns(store: Store, tmp_path: Path, task: str) -> None:
    source = {"kind": "i2b2_2010", "folder": str(write_2010(tmp_path / "corpus"))}
    artefact = prepare(AnnotatedPreparation.parse({"source": source}), store)
    table = pq.read_table(export(artefact, tmp_path / "out", "parquet", task) / "data" / "train-00000.parquet")
    whole = pl.read_parquet(artefact.path / f"{task}.parquet")
    assert table.schema.names == [name for name in whole.columns if name != "split"]
    assert table.num_rows == whole.filter(pl.col("split") == "train").height > 0


def test_one_parquet_export_is_of_one_task(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be of one task, but there are mortality, stay, diagnoses"):
        export(prepared(), tmp_path / "out", "parquet")
    with pytest.raises(DataError, match="must be among those prepared"):
        export(prepared(), tmp_path / "out", "meds", "nothing")


@pytest.mark.parametrize("form", ["meds", "parquet"])
def test_folders_and_files_are_for_their_owner_alone(
    prepared: Callable[..., Artefact], tmp_path: Path, form: exporting.Form
) -> None:
    artefact, mask = prepared(), os.umask(0o000)
    try:
        folder = export(artefact, tmp_path / "out", form, "mortality")
    finally:
        os.umask(mask)
    written = [folder, *folder.rglob("*")]
    modes = {kind: {p.stat().st_mode & 0o777 for p in written if p.is_dir() is kind} for kind in (True, False)}
    assert modes == {True: {0o700}, False: {0o600}}
    assert "**Restricted.**" in (folder / "README.md").read_text()


def test_nothing_is_written_into_a_git_working_tree(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    tree = tmp_path / "repository"
    (tree / "sub").mkdir(parents=True)
    (tree / ".git").write_text("gitdir: elsewhere\n")  # as in a linked worktree
    (tmp_path / "link").symlink_to(tree / "sub")
    for place in (tree / "sub" / "out", tmp_path / "link" / "out", tree / "sub"):
        with pytest.raises(ConfigError, match="must not lie in a git working tree"):
            export(prepared(), place, "meds")
    assert list((tree / "sub").iterdir()) == []


def test_a_folder_that_is_taken_is_left_alone(prepared: Callable[..., Artefact], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("x")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        export(prepared(), taken, "meds")
    (taken / "mine").unlink()
    assert export(prepared(), taken, "meds") == taken


def test_an_export_that_fails_leaves_nothing_behind(
    prepared: Callable[..., Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefact = prepared()
    monkeypatch.setattr(exporting, "sha256", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(artefact, tmp_path / "new" / "out", "meds")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("form", ["meds", "parquet"])
def test_exported_twice_all_files_are_equal(
    prepared: Callable[..., Artefact], tmp_path: Path, form: exporting.Form
) -> None:
    artefact = prepared()
    one, two = (export(artefact, tmp_path / name, form, "diagnoses") for name in "ab")
    assert (one / "SHA256SUMS").read_text() == (two / "SHA256SUMS").read_text()
