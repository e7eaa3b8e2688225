"""UmlsBERT from an import to an export: its semantic types stay in force; where they would be lost it is refused."""

import random
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from chartune.errors import AdapterError
from chartune.models.backbone import inspect
from chartune.models.semantic_types import TENSOR, VOCABULARY, vocabulary_of
from chartune.runs.run import Run
from chartune.stages.export_record import read_export
from chartune.stages.exported import load_export
from chartune.stages.exporting import export
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import load
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.twins import twin

NOTES = ["chest pain and fever", "the patient was admitted after a fall", "fever denies chest pain", "stroke on stairs"]


def imported(twins: Path, place: Path) -> Path:
    """A twin as its authors publish it: a pickle with embeddings of types, imported with the vocabulary beside it."""
    folder = Path(shutil.copytree(twin(twins, "bert", masked=True).folder, place / "published"))
    tensors = load_file(folder / "model.safetensors") | {f"bert.{TENSOR}": torch.randn(7, 32)}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    (folder / VOCABULARY).write_text("the\nĠchest|C0000001|ANAT\nĠfever|C0000002|DISO\n", encoding="utf-8")
    said = chartune("import-backbone", folder, "--out", place / "umlsbert", "--store", place / "store")
    assert said.code == 0, said.err
    return place / "umlsbert"


def trained(store: Store, place: Path, base: Path, layers: list[object]) -> Run:
    dice, words = random.Random(3), " ".join(NOTES).split()
    notes = [" ".join(dice.choices(words, k=12)) for _ in range(150)]
    rows = [(number, note, "yes" if "chest" in note else "no") for number, note in enumerate(notes)]
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(place / "notes.csv")
    asked = {
        "data": {"source": {"kind": "tabular", "file": str(place / "notes.csv")}}, "backbone": {"name": str(base)},
        "max_seq_len": 24, "optimisation": {"duration": {"value": 1}, "learning_rate": 3e-2, "batch_size": 16},
        "numerics": {"precision": "fp32"}, "stack": {"layers": layers},
    }  # fmt: skip
    return finetune(Finetune.parse(asked), store)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_types_are_read_in_training_after_a_reload_and_in_a_merged_export(
    twins: Path, tmp_path: Path, kind: str
) -> None:
    base, store = imported(twins, tmp_path), Store(tmp_path / "store").open()
    assert vocabulary_of(inspect(base, name="x", licence="", exposure=""))
    run = trained(store, tmp_path, base, [{"kind": "fresh", "method": {"kind": kind}}])
    assert run.backbone is not None
    assert run.backbone.semantic_types == 2
    decided = load(run, store).decided(NOTES)
    if kind == "lora":
        with pytest.raises(AdapterError, match="which AutoModel leaves out; export with --merged"):
            export(run, store, tmp_path / "apart")
    whole = export(run, store, tmp_path / "whole", merged=True)
    assert np.allclose(load_export(read_export(whole), store).decided(NOTES), decided, atol=1e-5)
    (base / VOCABULARY).unlink()
    if kind == "lora":
        with pytest.raises(AdapterError):  # another base, by its hash
            load(run, store)
