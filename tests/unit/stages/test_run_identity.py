"""The name of a run says what it was made from: other weights below it, or other arithmetic, are another run."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.stages.stage import Outcome, perform
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.tasks.prepare import Preparation
from chartune.testing.raw_tables import RawHospital
from chartune.testing.twins import make_twin

SIZES = {"train": 8, "validation": 6, "test": 6}
WORDS = ("fever", "chest pain", "fall", "stroke")
TEXT = "Chief Complaint:\n{} number {}\n\nAllergies:\n{}\n"
Place = tuple[Preparation, Path]
LORA = {"kind": "lora", "rank": 2, "dropout": 0.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Eight stays to learn from and six each to validate and to test with; every second patient dies."""
    raw, lists = RawHospital(), tmp_path_factory.mktemp("lists")
    for first, (split, count) in zip((1, 101, 201), SIZES.items(), strict=True):
        ids = range(first, first + count)
        (lists / f"{split}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))
        for n in ids:
            # Of the test patients every third has the other outcome: their AUROC is not that of validation.
            raw.stay(n, TEXT.format(WORDS[n % 4], n, WORDS[n % 3]), died=(n + (split == "test" and n % 3 == 0)) % 2)
    folder = raw.write(tmp_path_factory.mktemp("raw"))
    data = Preparation.parse(
        {"source": {"kind": "mimic3", "folder": folder}, "splits": {"kind": "imported", "folder": lists},
         "tasks": [{"kind": "mortality"}]}
    )  # fmt: skip
    return data, tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def other_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same architecture and tokenizer as the twin, other weights."""
    return make_twin("llama", tmp_path_factory.mktemp("other") / "llama", seed=1)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages name their run and do nothing."""

    def without_work(*asked: Any, **further: Any) -> Run:
        return perform(*asked, **{**further, "work": lambda _: Outcome({})})

    for stage in ("pretrain", "finetune"):
        monkeypatch.setattr(f"chartune.stages.{stage}.perform", without_work)


def common(place: Place, base: Path) -> dict[str, Any]:
    return {
        "data": place[0], "backbone": {"name": str(base)}, "max_seq_len": 32,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 1, "unit": "steps"}},
    }  # fmt: skip


def pretrained(place: Place, base: Path, **changed: Any) -> Run:
    return pretrain(Pretrain.parse({**common(place, base), "method": LORA, **changed}), Store(place[1]).open())


def fine_tuned(place: Place, base: Path, *layers: Mapping[str, Any], **changed: Any) -> Run:
    stack = {"layers": [*layers, {"kind": "fresh", "method": LORA}]}
    return finetune(Finetune.parse({**common(place, base), "stack": stack, **changed}), Store(place[1]).open())


@pytest.fixture(scope="module")
def trained(place: Place, llama: LocalBackbone) -> Run:
    """A run that really was trained; its seed is its own, so that nobody finds it who means to do nothing."""
    return fine_tuned(place, llama.folder, seed=3)


Make = Callable[..., Run]


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("make", [pretrained, fine_tuned])
def test_other_weights_of_the_base_make_another_run_and_a_copy_of_the_base_finds_it(
    make: Make, place: Place, llama: LocalBackbone, other_base: Path, tmp_path: Path
) -> None:
    run = make(place, llama.folder)
    assert make(place, other_base).fingerprint != run.fingerprint
    assert make(place, shutil.copytree(llama.folder, tmp_path / "copy")).fingerprint == run.fingerprint


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("make", [pretrained, fine_tuned])
def test_a_machine_that_computes_otherwise_makes_another_run_of_the_same_config(
    make: Make, place: Place, llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_machine(*, fast: bool) -> str:
        monkeypatch.setattr("chartune.models.precision.multiplies_bf16", lambda device: fast)
        return make(place, llama.folder, numerics={"precision": "auto", "attention": "eager"}).fingerprint

    assert on_a_machine(fast=False) != on_a_machine(fast=True)


@pytest.mark.parametrize("kind", ["frozen", "trainable"])
def test_other_weights_or_another_method_of_a_parent_make_another_run(
    kind: str, trained: Run, idle: None, place: Place, llama: LocalBackbone, tmp_path: Path
) -> None:
    def stacked(folder: Path) -> str:
        return fine_tuned(place, llama.folder, {"kind": kind, "adapter": str(folder)}).fingerprint

    parent = trained.path / "adapter"
    same, moved, scaled = (shutil.copytree(parent, tmp_path / name) for name in ("same", "moved", "scaled"))
    weights = {name: tensor + 1e-3 for name, tensor in load_file(parent / "adapter_model.safetensors").items()}
    save_file(weights, moved / "adapter_model.safetensors", metadata={"format": "pt"})
    about = json.loads((parent / "chartune.json").read_text())
    about["method"]["alpha"] *= 2
    (scaled / "chartune.json").write_text(json.dumps(about))
    first = stacked(parent)
    assert stacked(same) == first
    assert len({first, stacked(moved), stacked(scaled)}) == 3


def test_each_split_has_the_scores_of_its_own_predictions_though_both_are_of_one_size(
    place: Place, trained: Run
) -> None:
    words = tfidf(Tfidf.parse({"data": place[0], "least_documents": 1}), Store(place[1]).open())
    for run in (words, trained):
        reached = {}
        for split in ("validation", "test"):
            rows = run.predictions(split)
            assert rows.height == SIZES["test"]
            reached[split] = roc_auc_score(rows["label"], rows["logit"])
            assert run.scores[split]["auroc"].value == pytest.approx(reached[split])
        assert reached["validation"] != reached["test"]
        held = [run.predictions(split)["logit"].to_list() for split in ("validation", "test")]
        assert held[0] != held[1]  # other texts, other predictions
