"""Variants: runs are seeds of one another only where all else that they were asked agrees."""

import json
import shutil
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from chartune.report.variants import numbered
from chartune.runs import Run, finished_runs
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.signing import rewrite, sign_again


def test_the_same_seed_twice_or_other_settings_are_never_taken_for_seeds(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path)
    about = store.root / "runs" / past.LORA_SEED_1 / "run.json"
    rewrite(about, {**json.loads(about.read_text()), "seed": 0})
    stage = store.root / "runs" / past.LORA_SEED_2 / "stage.yaml"
    stage.write_text("kind: finetune\nseed: 2\noptimisation: {learning_rate: 0.1}\n")
    sign_again(stage.parent)
    variants = numbered([run for run in finished_runs(store) if run.task == "mortality"])
    assert [len(v.runs) for v in variants] == [1] * 7


def _edited(store: Store, fingerprint: str, method: dict[str, Any] | None = None, **facts: Any) -> None:
    """A run whose `run.json` tells something else, of itself or of the method of its layers."""
    path = store.root / "runs" / fingerprint / "run.json"
    about = {**json.loads(path.read_text()), **facts}
    if method:
        about["stack"] = [{**layer, "method": {**layer["method"], **method}} for layer in about["stack"]]
    rewrite(path, about)


def test_runs_that_differ_in_alpha_or_dropout_are_no_seeds_of_each_other(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path)
    names = (past.LORA, past.LORA_SEED_1, past.LORA_SEED_2)
    assert len(numbered([Run.of(store, name) for name in names])) == 1
    _edited(store, past.LORA_SEED_1, {"alpha": 32})
    _edited(store, past.LORA_SEED_2, {"dropout": 0.5})
    assert len(numbered([Run.of(store, name) for name in names])) == 3


@pytest.mark.parametrize(
    "facts",
    [{"data": "f" * 16}, {"backbone": {"name": "base", "content_hash": "f" * 64}}, {"task": "other"}, {"kind": "x"},
     {"max_seq_len": 7}],
    ids=lambda facts: next(iter(facts)),
)  # fmt: skip
def test_runs_on_other_data_or_another_base_are_no_seeds_of_each_other(tmp_path: Path, facts: dict[str, Any]) -> None:
    store = past.past_runs(tmp_path)
    _edited(store, past.LORA_SEED_1, **facts)
    variants = numbered([Run.of(store, name) for name in (past.LORA, past.LORA_SEED_1, past.LORA_SEED_2)])
    assert sorted(len(variant.runs) for variant in variants) == [1, 2]


def _with_second_parent(store: Store, learning_rate: float) -> list[Run]:
    """Two clinical runs with other seeds; so have their parents, and the second has this learning rate."""
    for twin, of in (("c" * 16, past.PRETRAIN), ("f" * 16, past.CLINICAL)):
        shutil.copytree(store.root / "runs" / of, store.root / "runs" / twin)
        _edited(store, twin, seed=1)
    for fingerprint, seed, rate in ((past.PRETRAIN, 0, 0.1), ("c" * 16, 1, learning_rate)):
        asked = (
            f"kind: pretrain\nseed: {seed}\nname: n{seed}\ndata: {{path: /{seed}}}\noptimisation: {{rate: {rate}}}\n"
        )
        (store.root / "runs" / fingerprint / "stage.yaml").write_text(asked)
        sign_again(store.root / "runs" / fingerprint)
    (store.root / "runs" / ("f" * 16) / "stage.yaml").write_text("kind: finetune\nseed: 1\n")
    sign_again(store.root / "runs" / ("f" * 16))
    stack = Run.of(store, past.CLINICAL).about.to_json()["stack"]
    _edited(store, "f" * 16, stack=[{**stack[0], "run": "c" * 16, "sha256": "01" * 32}, stack[1]], parents=["c" * 16])
    return [Run.of(store, past.CLINICAL), Run.of(store, "f" * 16)]


@pytest.mark.parametrize(("learning_rate", "variants"), [(0.1, 1), (0.2, 2)])
def test_seeds_of_one_variant_stand_on_parents_that_were_asked_the_same(
    tmp_path: Path, learning_rate: float, variants: int
) -> None:
    store = past.past_runs(tmp_path)
    runs = _with_second_parent(store, learning_rate)
    every = {run.fingerprint: run for run in finished_runs(store)}
    assert len(numbered(runs, every=every)) == variants
    assert len(numbered(runs)) == 2  # parents that are not at hand count by their weights


def test_grouping_does_not_depend_on_the_order_of_runs(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path)
    _edited(store, past.LORA_SEED_1, seed=0)
    names = (past.LORA, past.LORA_SEED_1, past.LORA_SEED_2)
    for order in permutations(names):
        found = numbered([Run.of(store, name) for name in order])
        assert {tuple(run.fingerprint for run in v.runs) for v in found} == {(name,) for name in names}
