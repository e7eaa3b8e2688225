"""Lineage: what else determined prepared data stands in dataset.json, with its hash and its terms."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import DataError
from chartune.sources.releases import CREDENTIALED
from chartune.sources.splits import ImportedSplit
from chartune.store import Store
from chartune.tasks.dataset_card import README
from chartune.tasks.external import External
from chartune.tasks.lineage import inputs
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.plain import plain_dataset
from chartune.testing.raw_tables import RawHospital


def sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def hospital(folder: Path) -> Path:
    raw = RawHospital()
    for subject_id in (1, 2, 3, 4, 11, 21):
        raw.stay(subject_id)
    return raw.write(folder)


def lists(folder: Path) -> Path:
    folder.mkdir()
    for name, ids in {"train": (1, 2, 3, 4), "validation": (11,), "test": (21,)}.items():
        (folder / f"core_{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
    return folder


def test_labels_lists_and_data_to_avoid_are_told_with_hash_and_licence(tmp_path: Path, store: Store) -> None:
    source = {"kind": "mimic3", "folder": hospital(tmp_path / "raw"), "licence": "in-house"}
    first = prepare(Preparation.parse({"source": source, "tasks": [{"kind": "mortality"}]}), store)
    assert plain_dataset(first)["inputs"] == []
    assert "Other inputs" not in (first.path / README).read_text()
    labels = tmp_path / "labels.csv"
    labels.write_text("hadm_id,label\n1001,1\n1002,0\n1003,1\n1004,0\n1011,0\n1021,1\n")
    table: dict[str, Any] = {"kind": "table", "file": labels, "licence": "CC BY 4.0"}
    asked: dict[str, Any] = {
        "source": source, "splits": {"kind": "imported", "folder": lists(tmp_path / "lists"), "licence": "MIT"},
        "tasks": [{"kind": "external", "name": name, "labels": table} for name in ("one", "two")],
        "corpus": {"without": {"against": [first.fingerprint]}},
    }  # fmt: skip
    made = prepare(Preparation.parse(asked), store)
    names = [f"core_{split}.csv" for split in ("train", "validation", "test")]
    assert plain_dataset(made)["inputs"] == [
        {"file": "labels.csv", "sha256": sha(labels), "licence": "CC BY 4.0"},
        *({"file": name, "sha256": sha(tmp_path / "lists" / name), "licence": "MIT"} for name in names),
        {"file": f"data/{first.fingerprint}", "sha256": first.content_hash(), "licence": "in-house"},
    ]
    assert f"| labels.csv | {sha(labels)} | CC BY 4.0 |" in (made.path / README).read_text()
    table["licence"] = "another"
    assert prepare(Preparation.parse(asked), store) == made  # terms are no part of the name


def test_terms_that_nobody_tells_are_unknown_but_for_labels_of_mimics_admissions(tmp_path: Path, store: Store) -> None:
    shard = tmp_path / "readmission" / "train" / "0.parquet"
    shard.parent.mkdir(parents=True)
    for file in (shard, tmp_path / "pmv.pkl"):
        file.write_bytes(b"x")
    labels = ({"kind": "meds", "path": tmp_path / "readmission"}, {"kind": "beep", "file": tmp_path / "pmv.pkl"})
    tasks = [External.parse({"name": f"x{n}", "labels": one}) for n, one in enumerate(labels)]
    meds, beep = inputs(tasks, ImportedSplit(folder=lists(tmp_path / "lists")), None, store)[:2]
    assert (meds["file"], meds["licence"]) == ("readmission", "unknown")
    assert beep == {"file": "pmv.pkl", "sha256": sha(tmp_path / "pmv.pkl"), "licence": CREDENTIALED}


def test_data_to_avoid_that_are_gone_are_refused(tmp_path: Path, store: Store) -> None:
    source = {"kind": "mimic3", "folder": hospital(tmp_path / "raw")}
    asked = Preparation.parse({"source": source, "corpus": {"without": {"against": ["0" * 16]}}})
    with pytest.raises(DataError, match="`without` must name prepared data"):
        inputs(asked.tasks, asked.splits, asked.corpus, store)
