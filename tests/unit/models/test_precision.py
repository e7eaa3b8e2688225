"""Precision: which numbers a device computes in by rule, and what is refused."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.precision import Precision, computing, precision_in_force
from chartune.store import Store
from chartune.testing.twins import twin


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A GPU of some compute capability, as torch speaks of it: it counts the emulation of bf16, too."""

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or request.param >= (8, 0)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: request.param)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)


GPUS = [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((7, 0), "fp16"), ((6, 1), "fp32")]


@pytest.mark.parametrize(("gpu", "expected"), GPUS, indirect=["gpu"], ids=["H100", "A100", "T4", "V100", "GTX 1080"])
def test_a_gpu_without_bf16_takes_fp16_where_it_has_tensor_cores(gpu: None, expected: str) -> None:
    resolved = resolve(Numerics(), 256)
    assert (resolved.device, resolved.precision) == ("cuda", expected)
    assert resolved.reason.startswith(f"{expected}: ")
    assert ("fast fp16" in resolved.reason) == (expected == "fp16")
    choices: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
    assert [resolve(Numerics(precision=choice), 256).precision for choice in choices] == list(choices)


def test_the_precision_is_part_of_a_run_s_name() -> None:
    hashed = [Resolved("cuda", precision, "sdpa", "a test").hashable() for precision in ("fp32", "bf16", "fp16")]
    assert [each["precision"] for each in hashed] == ["fp32", "bf16", "fp16"]


def test_fp16_is_refused_on_a_processor_with_what_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"fp16 needs a GPU, .* numerics\.precision is fp16 .* choose `auto`"):
        precision_in_force("fp16", "cpu")
    for instructions, expected in (
        ((), "fp32"),
        (("avx2", "avx512"), "fp32"),
        (("avx512_bf16",), "bf16"),
        (("amx_bf16",), "bf16"),
        (("bf16",), "bf16"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=instructions: dict.fromkeys(able, True))
        assert precision_in_force("auto", "cpu")[0] == expected


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_what_is_computed_in_fp16_is_nearer_to_fp32_than_in_bf16(family: str, twins: Path) -> None:
    base, ids = twin(twins, family), torch.arange(5, 53).reshape(2, 24)
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    states = {}
    for precision in ("fp32", "bf16", "fp16"):
        body = load_body(base, Resolved("cpu", precision, "sdpa", "a test")).module.eval()
        with torch.inference_mode(), computing("cpu", precision):
            states[precision] = body(input_ids=ids, attention_mask=mask).last_hidden_state.float()[mask.bool()]
    far = [float((states[half] - states["fp32"]).abs().max()) for half in ("bf16", "fp16")]
    assert 0 < 4 * far[1] < far[0] < 0.1


def test_a_weight_that_fp16_cannot_hold_is_refused_and_not_taken_for_damaged(
    llama: LocalBackbone, tmp_path: Path
) -> None:
    copy = shutil.copytree(llama.folder, tmp_path / "base")
    tensors, name = load_file(copy / "model.safetensors"), "model.layers.1.mlp.up_proj.weight"
    tensors[name][0, 0] = 70_000.0
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    base = find_backbone(Backbone(name=str(copy)), Store(tmp_path / "store").open())
    assert base is not None
    with pytest.raises(AdapterError, match=r"exceed 65,504, but layers\.1\.mlp\.up_proj of base .*precision=fp32"):
        load_body(base, Resolved("cuda", "fp16", "eager", "a test"))
    for precision in ("bf16", "fp32"):
        load_body(base, Resolved("cpu", precision, "eager", "a test"))
