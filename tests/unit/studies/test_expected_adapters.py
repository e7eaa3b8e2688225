"""A cell whose parent has not run is planned and checked as it will be: frozen where it will be, and on its base."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.forecast import Forecast, forecasts
from chartune.studies.parents import family_of
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.tasks.prepare import prepare
from chartune.testing.short_texts import short_texts
from chartune.testing.twins import make_twin

LORA = {"kind": "lora", "rank": 2, "targets": "attention"}
BELOW = {"from": "clinical"}
ABOVE = {"kind": "fresh", "method": {"kind": "lora", "rank": 1, "targets": "attention"}}
STACKS: dict[str, list[Any]] = {
    "frozen": [{"kind": "frozen", "adapter": BELOW}],
    "frozen_and_fresh": [{"kind": "frozen", "adapter": BELOW}, ABOVE],
    "trainable": [{"kind": "trainable", "adapter": BELOW}],
    "merged": [{"kind": "merged", "adapter": BELOW}, ABOVE],
    "shuffled": [{"kind": "frozen", "adapter": BELOW, "shuffled": 1}],
}
FIGURES = ("trainable_parameters", "peak_bytes", "kept_bytes", "training_bytes")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's rates matter to no test here, nor what a run keeps of its plan or what else a process holds."""
    monkeypatch.setattr("chartune.planning.rates.TRY_SECONDS", 0.0)
    monkeypatch.setattr("chartune.planning.plan.held_memory", lambda: 0)
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


def study_of(folder: Path, base: Path, stages: dict[str, Any], method: Any = None) -> Study:
    data = json.loads(short_texts(folder / "raw", folder / "lists").model_dump_json())
    model = {
        "backbone": {"name": str(base)}, "max_seq_len": 16, "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 1, "unit": "steps"}},
    }  # fmt: skip
    every = {"clinical": {"kind": "pretrain", "method": method or LORA}, **stages}
    return Study.parse({"title": "t", "data": data, "shared": {"pretrain": model, "finetune": model}, "stages": every})


def finetuned(*layers: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": "finetune", "stack": {"layers": list(layers)}, **fields}


def foretold(study: Study, store: Store) -> dict[str, Forecast]:
    each, _ = forecasts(survey(family_of(study)[0], store, {}))
    return {one.cell: one for one in each}


@pytest.mark.parametrize("method", [LORA, {"kind": "prefix", "tokens": 2, "projection_hidden": 8}])
def test_a_layer_that_is_not_made_yet_is_planned_as_it_will_be(
    method: dict[str, Any], tmp_path: Path, store: Store, llama: LocalBackbone
) -> None:
    stacks = STACKS if method is LORA else {name: STACKS[name] for name in ("frozen", "trainable")}
    study = study_of(tmp_path, llama.folder, {name: finetuned(*layers) for name, layers in stacks.items()}, method)
    alone = study.model_copy(update={"stages": {"clinical": study.stages["clinical"]}})
    prepare(study.stage(study.cells()[0], {}).data, store.open())
    before = foretold(study, store)
    conduct(alone, store)
    after = foretold(study, store)
    assert after["clinical"].done
    for name in stacks:
        assert before[name].planned, before[name].note
        assert [getattr(before[name], figure) for figure in FIGURES] == [
            getattr(after[name], figure) for figure in FIGURES
        ]
        assert "not made yet" in before[name].note
        assert "not made yet" not in after[name].note
    head = after["frozen"].trainable_parameters
    assert head is not None
    assert (after["trainable"].trainable_parameters or 0) > head
    if method is LORA:
        assert before["shuffled"].trainable_parameters == head


def test_a_layer_of_another_base_is_refused_before_that_layer_is_trained(
    tmp_path: Path, store: Store, llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("chartune.stages.pretrain.fit")
    make_twin("llama", tmp_path / "other", seed=3)
    study = study_of(
        tmp_path, llama.folder,
        {"stacked": finetuned(*STACKS["frozen"], backbone={"name": str(tmp_path / "other")})},
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"`stacked`: .*clinical belongs to [0-9a-f]{12} and other is [0-9a-f]{12}"):
        conduct(study, store.open())


def test_a_reference_to_a_stage_of_several_layers_is_refused_before_any_is_trained(
    tmp_path: Path, store: Store, llama: LocalBackbone
) -> None:
    above = finetuned({"kind": "frozen", "adapter": {"from": "merged"}})
    study = study_of(tmp_path, llama.folder, {"merged": finetuned(*STACKS["merged"]), "third": above})
    with pytest.raises(ConfigError, match="`merged` leaves 2"):
        conduct(study, store.open())


def test_what_cells_share_on_disk_is_counted_once(tmp_path: Path, store: Store, llama: LocalBackbone) -> None:
    grid = {"seed": [0, 1], "max_seq_len": [4, 24]}
    study = study_of(tmp_path, llama.folder, {"probe": finetuned(head={"start": "probe"}, grid=grid)})
    alone = study.model_copy(update={"stages": {"probe": study.stages["probe"]}})
    prepare(alone.stage(alone.cells()[0], {}).data, store.open())
    each, total = forecasts(survey(family_of(alone)[0], store, {}))
    shared = {size: sum(one.parts.values()) for size in grid["max_seq_len"] for one in each if f"={size}" in one.cell}
    assert len({frozenset(one.parts) for one in each}) == 2  # cells that differ in their seed read the same
    assert shared[24] > shared[4] > 0  # in one digit
    kept, training = sum(one.kept_bytes or 0 for one in each), max(one.training_bytes or 0 for one in each)
    assert total.disk_bytes == kept + training + sum(shared.values())
    assert each[0].to_json()["shared_bytes"] == shared[4]
