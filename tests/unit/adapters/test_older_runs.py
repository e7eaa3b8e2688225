"""A clinical adapter may have cost a day: one of an older version, or of another, is still a layer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from chartune.adapters.adapter import write_adapter
from chartune.adapters.fit import body_of
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Frozen, Stack, attach
from chartune.artefact import MANIFEST
from chartune.errors import StoreError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.runs.ledger import rename
from chartune.runs.run import Run
from chartune.stages.inputs import find_adapter
from chartune.store import Store, write_json
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT

RUN = "0a1b2c3d4e5f6071"
METHOD = LoRA(rank=4, alpha=8)
FIRST: dict[str, Any] = {
    "kind": "pretrain", "name": "clinical", "data": "d" * 16, "backbone": {"name": "tiny-llama"}, "parents": [],
    "stack": [{"state": "fresh", "method": {"kind": "lora", "rank": 4}, "run": None, "sha256": None}],
    "seed": 0, "finished": "2026-03-01T08:07:00+00:00",
}  # fmt: skip
"""`run.json` as the first version wrote it: neither classes nor answer, neither notes nor what was planned."""
STRANGE = {**FIRST, "stack": "fresh LoRA r=4", "told_by_another_version": 1}


def older_run(store: Store, base: LocalBackbone, about: dict[str, Any]) -> dict[str, Tensor]:
    """A pretraining run whose manifest nobody signed, and its weights."""
    torch.manual_seed(1)
    body = body_of(base)
    shapes = METHOD.shapes(body, anatomy_of(body))
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    folder = store.partial("runs", RUN)
    write_adapter(folder / "adapter", tensors, METHOD, base, {"run": RUN, "stage": "pretrain"})
    write_json(folder / "run.json", about)
    for name in ("scores.json", "cost.json", "environment.json"):
        write_json(folder / name, {})
    manifest = store.publish("runs", RUN, {"sensitivity": "restricted"}).path / MANIFEST
    write_json(manifest, {field: of for field, of in json.loads(manifest.read_text()).items() if field != "signature"})
    return tensors


@pytest.mark.parametrize(("about", "asked"), [(FIRST, "clinical"), (FIRST, RUN[:6]), (STRANGE, RUN[:6])])
def test_an_adapter_of_an_older_version_is_a_layer(
    store: Store, llama: LocalBackbone, about: dict[str, Any], asked: str
) -> None:
    tensors = older_run(store, llama, about)
    adapter = find_adapter(asked, store)
    adapter.must_fit(llama)
    stack = Stack(layers=(Frozen(adapter=asked), Fresh(method=LoRA(rank=2))))
    body = load_body(llama, EXACT).module
    attached = attach(stack, body, [adapter, None], seed=0)
    held = attached.tensors(0)
    assert held.keys() == tensors.keys()
    assert all(torch.equal(held[name], tensor) for name, tensor in tensors.items())


def test_a_record_that_this_version_cannot_read_is_told_and_its_run_can_be_named(
    store: Store, llama: LocalBackbone
) -> None:
    older_run(store, llama, STRANGE)
    run = Run.of(store, RUN)
    with pytest.raises(StoreError, match="made by an older version or another"):
        _ = run.about
    assert rename(run, "clinical").names == (RUN, "clinical")
    assert find_adapter("clinical", store).run == RUN
    listed = json.loads(chartune("ls", "--store", store.root, "--json").out)
    assert "older version" in listed["damaged"][RUN]


def test_a_flipped_bit_in_an_older_run_is_noticed(store: Store, llama: LocalBackbone) -> None:
    older_run(store, llama, FIRST)
    file = Path(store.root / "runs" / RUN / "adapter" / "adapter_model.safetensors")
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match="has the SHA-256"):
        find_adapter("clinical", store)
