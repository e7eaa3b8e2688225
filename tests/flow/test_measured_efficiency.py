"""What a run records of its efficiency, and that its seed changes initial weights, order and sampling."""

import random
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from chartune.models.backbone import LocalBackbone
from chartune.runs.efficiency import efficiency_of
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune, finetune
from chartune.store import Store
from chartune.train.plan import epoch_steps

WORDS: Final = ("septic", "afebrile", "stable", "fall", "stroke", "pain")
SEEDS: Final = (12, 34, 56)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """120 patients with a short note; a label goes with a word."""
    chance, rows = random.Random(3), []
    for number in range(120):
        words = [chance.choice(WORDS) for _ in range(chance.randint(3, 20))]
        rows.append((number, " ".join(words), "yes" if "afebrile" in words else "no"))
    file = tmp_path_factory.mktemp("efficiency") / "notes.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return {"source": {"kind": "tabular", "file": str(file)}}


@pytest.fixture(autouse=True)
def as_many_texts_as_in_earnest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {"SAMPLE": 64, "SINGLE": 9, "LEAST": 3}.items():
        monkeypatch.setattr(f"chartune.stages.efficiency.{name}", count)


def tuned(store: Store, data: dict[str, Any], base: LocalBackbone, method: str | None, **further: Any) -> Run:
    layers = [{"kind": "fresh", "method": {"kind": method}}] if method else []
    optimisation = {"duration": {"value": 2}, "learning_rate": 1e-2, "batch_size": 16}
    asked = {"data": data, "backbone": {"name": str(base.folder)}, "stack": {"layers": layers}, "max_seq_len": 24}
    return finetune(Finetune.parse({**asked, "optimisation": optimisation, **further}), store)


def test_every_method_measures_its_efficiency(store: Store, data: dict[str, Any], bert: LocalBackbone) -> None:
    known = {}
    for method in ("full", None, "lora"):
        run = tuned(store, data, bert, method)
        one = known[method] = efficiency_of(run.artefact)
        assert one.flops is not None
        assert one.best_flops is not None
        assert 0 <= one.best_flops <= one.flops
        assert one.flops > 0
        for name in ("adding_seconds", "reading_seconds", "latency_seconds", "latency_unmerged_seconds", "base_bytes",
                     "reading_peak_bytes", "reading_texts", "reading_tokens", "epoch_seconds"):  # fmt: skip
            assert getattr(one, name) > 0, (method, name)
        assert one.best_seconds is not None
        assert run.cost.seconds is not None
        assert one.best_seconds <= run.cost.seconds
        assert (one.joules is None) == (one.counters == ())
    assert known["lora"].flops > known[None].flops  # type: ignore[operator]
    best, lora = run.about.best_step, known["lora"]
    assert best
    assert [event.tokens for event in run.events("loss", "train") if event.step == best] == [lora.best_tokens]
    assert lora.flops == pytest.approx(lora.best_flops * run.cost.tokens / lora.best_tokens)  # type: ignore[operator]
    assert known["lora"].base_bytes == known["full"].base_bytes == sum(p.stat().st_size for p in bert.weights)


def test_a_seed_changes_initial_weights_order_and_sampling(
    store: Store, data: dict[str, Any], bert: LocalBackbone
) -> None:
    """As published: 12, 34 and 56. One step at a rate of next to nothing leaves the weights as they were drawn."""
    still = {"optimisation": {"duration": {"value": 1, "unit": "steps"}, "learning_rate": 1e-12, "batch_size": 16}}
    drawn = []
    for seed in SEEDS:
        run = tuned(store, data, bert, "lora", seed=seed, **still)
        weights = load_file(run.path / "adapter" / "adapter_model.safetensors")
        drawn.append(next(tensor for name, tensor in sorted(weights.items()) if "lora_A" in name))
    assert len({tuple(tensor.flatten().tolist()) for tensor in drawn}) == 3
    lengths = np.arange(64) % 7
    orders = {tuple(np.concatenate(epoch_steps(lengths, 8, seed, 0)).tolist()) for seed in SEEDS}
    assert len(orders) == 3
