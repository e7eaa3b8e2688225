"""rsLoRA, DoRA, PiSSA, OLoRA and LoRA+ learn what stock peft's learn; what cannot be is refused with the reason."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from torch import nn
from torch.optim import SGD, AdamW
from transformers import AutoModel

from chartune.adapters.adapter import read_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.stages.finetune import Finetune
from chartune.testing.adapted import IDS, MASK, body_of, hidden, kept
from chartune.testing.support import TRIED, called
from chartune.testing.twins import twin
from chartune.train.optimizer import Optimisation, make_optimizer

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
OPTIONS: dict[str, tuple[LoRA, dict[str, Any]]] = {
    "rank-stabilised": (LoRA(rank=4, alpha=6, scaling="rank-stabilised"), {"use_rslora": True}),
    "decomposed": (LoRA(rank=4, alpha=6, decomposed=True), {"use_dora": True}),
    "pissa": (LoRA(rank=4, alpha=6, start="pissa"), {"init_lora_weights": "pissa"}),
    "olora": (
        LoRA(rank=4, alpha=6, start="olora", scaling="rank-stabilised"),
        {"init_lora_weights": "olora", "use_rslora": True},
    ),
}
CONV1D = "gpt2"


def fresh(base: LocalBackbone, method: LoRA) -> Attached:
    return attach(Stack(layers=(Fresh(method=method),)), body_of(base), [None], seed=1)


def stock(base: LocalBackbone, own: Attached, further: dict[str, Any]) -> nn.Module:
    """Stock peft's layer on the same base; where it starts at random, with the same numbers."""
    config = own.methods[0].to_peft(body_of(base), None)  # type: ignore[arg-type]
    model: nn.Module = get_peft_model(
        AutoModel.from_pretrained(base.folder, dtype=torch.float32, attn_implementation="eager"),
        LoraConfig(
            r=4, lora_alpha=6, target_modules=config.target_modules, fan_in_fan_out=config.fan_in_fan_out, **further
        ),
    )
    if "init_lora_weights" not in further:
        given = dict(own.module.named_parameters())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(given[name.removeprefix("base_model.model.").replace("default", "layer0")])
    return model


def trained(module: nn.Module) -> None:
    """Three steps, far; without the dropout that GPT-2 has."""
    optimizer = SGD([p for p in module.parameters() if p.requires_grad], lr=0.02)
    for _ in range(3):
        states = module.eval()(input_ids=IDS, attention_mask=MASK).last_hidden_state
        (states * MASK[..., None] * torch.linspace(-1, 1, states.shape[-1])).sum().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize(("model_type", "option"), [
    *(("llama", option) for option in OPTIONS), (CONV1D, "decomposed"), (CONV1D, "pissa"),
])  # fmt: skip
def test_it_learns_what_stock_peft_learns(twins: Path, model_type: str, option: str) -> None:
    base, (method, further) = twin(twins, model_type), OPTIONS[option]
    method = method.model_copy(update={"targets": ("c_attn",) if model_type == CONV1D else ("q_proj", "down_proj")})
    own = fresh(base, method)
    before, other = hidden(own.module), stock(base, own, further)
    assert torch.allclose(hidden(other), before, atol=1e-5)
    for module in (own.module, other):
        trained(module)
    assert torch.allclose(hidden(own.module), hidden(other), atol=1e-5)
    assert not torch.allclose(hidden(own.module), before, atol=1e-2)


def test_a_rank_stabilised_update_of_rank_16_is_four_times_the_plain_one(llama: LocalBackbone) -> None:
    plain, stable = (fresh(llama, LoRA(rank=16, alpha=alpha, scaling=scaling)) for alpha, scaling in (
        (32, "standard"), (8, "rank-stabilised"),
    ))  # fmt: skip
    tensors = {name: torch.ones_like(tensor) / 16 for name, tensor in plain.tensors(0).items()}
    for attached in (plain, stable):
        attached.methods[0].restore(attached.module, "layer0", tensors)
    assert torch.equal(hidden(plain.module), hidden(stable.module))


@pytest.mark.parametrize("scaling", ["standard", "rank-stabilised"])
def test_where_it_started_is_kept_as_half_of_a_plain_lora_and_in_a_checkpoint(
    llama: LocalBackbone, tmp_path: Path, scaling: Any
) -> None:
    method = LoRA(rank=4, alpha=6, scaling=scaling, start="pissa")
    expected = kept(tmp_path, llama, method)
    stock = PeftModel.from_pretrained(AutoModel.from_pretrained(llama.folder, attn_implementation="eager"), tmp_path)
    assert torch.allclose(hidden(stock), expected, atol=1e-5)
    tensors = read_adapter(tmp_path).tensors()
    assert {tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name} == {8}
    (tmp_path / "chartune.json").unlink()  # as stock peft, or anybody else, finds it
    plain = read_adapter(tmp_path).method
    assert isinstance(plain, LoRA)
    assert (plain.rank, plain.start) == (8, "standard")
    again, memory = fresh(llama, method), fresh(llama, method).regimes(1).memory()
    again.methods[0].restore(again.module, "layer0", tensors)
    assert torch.equal(hidden(again.module), expected)
    regimes = again.regimes(1)
    for tensor in regimes.memory().values():
        tensor.zero_()
    assert not torch.allclose(hidden(again.module), expected, atol=1e-2)
    regimes.recall(memory)
    assert torch.equal(hidden(again.module), expected)


def test_one_that_never_left_its_start_is_doubted(llama: LocalBackbone, tmp_path: Path) -> None:
    from chartune.adapters.adapter import write_adapter

    attached = fresh(llama, LoRA(rank=4, start="olora"))
    write_adapter(tmp_path, attached.tensors(0), attached.methods[0], llama, {"run": None})
    assert "where it started" in (read_adapter(tmp_path).warning() or "")


def test_b_learns_faster_as_stock_peft_s_does(llama: LocalBackbone) -> None:
    attached = fresh(llama, LoRA(rank=4, targets="attention", b_rate_ratio=16))
    own = make_optimizer(
        attached.module, Optimisation(learning_rate=1e-3), attached.undecayed(), attached.rate_ratios()
    )
    model = get_peft_model(
        AutoModel.from_pretrained(llama.folder), LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    )
    of_stock = create_loraplus_optimizer(model, AdamW, lr=1e-3, loraplus_lr_ratio=16)

    def rates(module: nn.Module, groups: Any, rate: str) -> dict[str, float]:
        names = {id(p): n.rpartition("model.")[2].replace("default", "layer0") for n, p in module.named_parameters()}
        return {names[id(p)]: group[rate] for group in groups for p in group["params"]}

    assert rates(attached.module, own.param_groups, "peak") == rates(model, of_stock.param_groups, "lr")


def test_what_starts_in_the_base_s_matrices_is_not_pulled_out_of_them(llama: LocalBackbone) -> None:
    attached = fresh(llama, LoRA(rank=4, start="pissa"))
    before = copy.deepcopy(attached.trainable())
    for parameter in attached.trainable().values():
        parameter.grad = torch.zeros_like(parameter)
    make_optimizer(attached.module, Optimisation(weight_decay=0.5), attached.undecayed()).step()
    assert all(torch.equal(parameter, before[name]) for name, parameter in attached.trainable().items())


@pytest.mark.parametrize(("method", "why"), [
    ({"start": "pissa_niter_4"}, r"random approximation.* use `pissa`"),
    ({"start": "pissa", "decomposed": True}, r"choose one of the two"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_the_reason(llama: LocalBackbone, method: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Finetune.parse({"data": {"source": {"kind": "mimic3", "folder": "x"}}, "backbone": {"name": "x"},
                        "stack": {"layers": [{"kind": "fresh", "method": {"kind": "lora", **method}}]}})  # fmt: skip


def test_a_rank_beyond_the_matrices_it_starts_in_is_refused(llama: LocalBackbone) -> None:
    with pytest.raises(AdapterError, match=r"of 33 and layers\.0\.self_attn\.k_proj has 16; lower `rank`"):
        fresh(llama, LoRA(rank=33, start="pissa"))


def test_a_decomposed_one_above_another_is_refused_with_the_way_out(llama: LocalBackbone) -> None:
    layers = (Fresh(method=LoRA(rank=2)), Fresh(method=LoRA(rank=2, decomposed=True)))
    with pytest.raises(AdapterError, match="export the run below with --merged"):
        attach(Stack(layers=layers), body_of(llama), [None, None], seed=1)


def test_a_run_of_a_plain_lora_keeps_the_name_that_it_had_before_there_were_options() -> None:
    assert LoRA().hashable() == {
        "kind": "lora", "rank": 16, "alpha": 32, "dropout": 0.0, "targets": "all-linear",
    }  # fmt: skip
    assert LoRA(decomposed=True, b_rate_ratio=2).hashable() == LoRA().hashable() | {
        "decomposed": True, "b_rate_ratio": 2,
    }  # fmt: skip


@pytest.mark.parametrize("method", TRIED, ids=called)
def test_layers_learn_in_fp32_on_a_base_in_bf16(llama: LocalBackbone, method: Any) -> None:
    body = load_body(llama, Resolved("cpu", "bf16", "eager", "a test")).module
    with torch.autocast("cpu", torch.bfloat16):
        before = hidden(body)
    attached = attach(Stack(layers=(Fresh(method=method),)), body, [None], 1, lambda _: [5])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(hidden(body), before, atol=0.05) == method.starts_as_identity
    assert {parameter.dtype for parameter in attached.trainable().values()} == {torch.float32}
