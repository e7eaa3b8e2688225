"""An adapter that stock peft trained and saved is a layer like our own, to the sixth digit, or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoHaConfig, LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from chartune.adapters.adapter import read_adapter
from chartune.adapters.fit import body_of
from chartune.adapters.lora import LoRA
from chartune.adapters.method import endings
from chartune.adapters.stack import Attached, Fresh, Frozen, Stack, attach
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.testing.twins import EXACT, PAIRED, make_twin, twin

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),  # stock peft's old name
    pytest.mark.filterwarnings("ignore:.*(lora_bias=True|invalid shape)"),  # a case that is refused is made
]
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301], [9, 9, 17, 2, 60, 311, 4]])
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def stock(backbone: LocalBackbone, folder: Path, config: Any) -> Tensor:
    """Save what stock peft makes of a model with a head, B drawn at random; returns the hidden states of its body."""
    make = AutoModelForCausalLM if backbone.family.is_decoder else AutoModelForSequenceClassification
    model = get_peft_model(
        make.from_pretrained(backbone.folder, dtype=torch.float32, attn_implementation="eager"), config
    )
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=generator)
    model.save_pretrained(folder, save_embedding_layers=False)
    return hidden(getattr(model.base_model.model, backbone.family.prefix))


def hidden(module: nn.Module) -> Tensor:
    module.eval()
    with torch.no_grad():
        states: Tensor = module(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


def attached(backbone: LocalBackbone, folder: Path) -> Attached:
    adapter = read_adapter(folder)
    adapter.must_fit(backbone)
    stack = Stack(layers=(Frozen(adapter="x"), Fresh()))
    return attach(stack, load_body(backbone, EXACT).module, [adapter, None], 1)


def plain(**fields: Any) -> LoraConfig:
    return LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]} | fields)


@pytest.mark.parametrize("model_type", PAIRED)
def test_a_lora_of_a_model_with_a_head_makes_the_same_hidden_states_here(
    twins: Path, tmp_path: Path, model_type: str
) -> None:
    backbone = twin(twins, model_type)
    body = body_of(backbone)
    expected = stock(
        backbone,
        tmp_path,
        plain(
            target_modules=list(
                endings(anatomy_of(body).matrices, [*dict(body.named_modules()), "classifier.dense", "pooler.dense"])
            )
        ),
    )
    assert torch.allclose(hidden(attached(backbone, tmp_path).module), expected, atol=1e-6)
    assert not torch.allclose(hidden(load_body(backbone, EXACT).module), expected, atol=1e-2)


CHOICES: dict[str, dict[str, Any]] = {
    "all-linear": {"target_modules": "all-linear", "task_type": "CAUSAL_LM"},
    "a regular expression": {"target_modules": r".*layers\.1\..*(q|down)_proj"},
    "some layers": {"layers_to_transform": [1]},
    "all but some": {"target_modules": "all-linear", "exclude_modules": ["k_proj"], "task_type": "CAUSAL_LM"},
    "whole names": {"target_modules": ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"]},
    "names that do not exist": {"target_modules": ["q_proj", "query_key_value"]},
    "rank-stabilised": {"use_rslora": True, "r": 5},
    "decomposed": {"use_dora": True, "use_rslora": True},
    "gaussian start": {"init_lora_weights": "gaussian", "lora_dropout": 0.3},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_way_to_name_targets_and_to_scale_is_read_exactly(
    llama: LocalBackbone, tmp_path: Path, choice: str
) -> None:
    expected = stock(llama, tmp_path, plain(**CHOICES[choice]))
    assert torch.allclose(hidden(attached(llama, tmp_path).module), expected, atol=1e-6)


def test_the_numbers_and_the_maker_s_name_of_the_base_are_kept(llama: LocalBackbone, tmp_path: Path) -> None:
    stock(llama, tmp_path, plain(lora_dropout=0.25, use_rslora=True))
    adapter = read_adapter(tmp_path)
    method = adapter.method
    assert isinstance(method, LoRA)
    assert (method.rank, method.dropout, method.targets) == (4, 0.25, ("q_proj", "v_proj"))
    assert (method.alpha, method.scaling) == (6, "rank-stabilised")
    assert (adapter.base, adapter.base_hash, adapter.run) == (str(llama.folder), None, None)


def test_half_precision_weights_are_used_in_full_precision(llama: LocalBackbone, tmp_path: Path) -> None:
    stock(llama, tmp_path, plain())
    halves = {name: tensor.bfloat16() for name, tensor in load_file(tmp_path / WEIGHTS).items()}
    save_file(halves, tmp_path / WEIGHTS)
    tensors = attached(llama, tmp_path).tensors(0)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert torch.equal(
        tensors["base_model.model.layers.0.self_attn.q_proj.lora_B.weight"],
        halves["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"].float(),
    )


def test_a_classifier_s_adapter_is_refused_with_its_head_and_read_without(bert: LocalBackbone, tmp_path: Path) -> None:
    expected = stock(bert, tmp_path, plain(target_modules=["query", "dense"], task_type="SEQ_CLS"))
    with pytest.raises(AdapterError, match=r"classifier, score"):
        read_adapter(tmp_path)
    edit(tmp_path, modules_to_save=None)
    with pytest.raises(AdapterError, match="classifier"):
        read_adapter(tmp_path)
    lora = {name: tensor for name, tensor in load_file(tmp_path / WEIGHTS).items() if "lora_" in name}
    assert any("pooler" in name for name in lora)
    save_file(lora, tmp_path / WEIGHTS)
    assert torch.allclose(hidden(attached(bert, tmp_path).module), expected, atol=1e-6)


def edit(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | fields))


MORE_THAN_LORA: dict[str, tuple[dict[str, Any], str]] = {
    "ranks": ({"rank_pattern": {"q_proj": 2}}, "rank_pattern: a layer has one rank"),
    "alphas": ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern: a layer has one alpha"),
    "biases": ({"bias": "lora_only"}, "bias='lora_only'; merge it"),
    "its own biases": ({"lora_bias": True}, "lora_bias: it trains biases"),
    "a saved head": ({"modules_to_save": ["lm_head"]}, "holds lm_head; if that head is not wanted"),
    "a LoRA on the head": ({"target_modules": ["q_proj", "lm_head"]}, "holds lm_head; if that head is not wanted"),
    "a LoRA on embeddings": ({"target_modules": ["embed_tokens"]}, r"model\.embed_tokens\.lora_embedding_A"),
    "repeated blocks": ({"layer_replication": [(0, 2), (1, 2)]}, "layer_replication: it repeats blocks"),
    "PiSSA": ({"init_lora_weights": "pissa"}, "started by pissa, which rewrites it"),
    "tokens": ({"trainable_token_indices": [1, 2]}, "trainable_token_indices: it trains embeddings"),
}


@pytest.mark.parametrize("what", MORE_THAN_LORA)
def test_more_than_a_plain_lora_is_refused_with_the_reason(llama: LocalBackbone, tmp_path: Path, what: str) -> None:
    fields, reason = MORE_THAN_LORA[what]
    stock(llama, tmp_path, plain(**fields))
    with pytest.raises(AdapterError, match=reason):
        read_adapter(tmp_path)


def test_magnitudes_without_a_word_in_the_config_are_refused_with_the_way_out(
    llama: LocalBackbone, tmp_path: Path
) -> None:
    stock(llama, tmp_path, plain(use_dora=True))
    edit(tmp_path, use_dora=False)
    with pytest.raises(AdapterError, match="DoRA"):
        read_adapter(tmp_path)


def test_another_type_of_adapter_is_refused(llama: LocalBackbone, tmp_path: Path) -> None:
    config = LoHaConfig(task_type="CAUSAL_LM", target_modules=["q_proj"])
    get_peft_model(AutoModelForCausalLM.from_pretrained(llama.folder), config).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="LOHA"):
        read_adapter(tmp_path)


def test_a_field_of_a_later_peft_is_refused_by_its_name(llama: LocalBackbone, tmp_path: Path) -> None:
    stock(llama, tmp_path, plain())
    edit(tmp_path, use_something_new=True, something_unused=None)
    with pytest.raises(AdapterError, match="use_something_new"):
        read_adapter(tmp_path)


def test_a_library_that_an_adapter_names_is_not_imported(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(llama, tmp_path, plain())
    edit(tmp_path, auto_mapping={"base_model_class": "Model", "parent_library": "evil_library"})
    (tmp_path / "evil_library.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AdapterError, match="evil_library"):
        read_adapter(tmp_path)
    assert not (tmp_path / "touched").exists()


def cut_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:200])


def cut_config(folder: Path) -> None:
    (folder / CONFIG).write_text("{")


def pickled(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(b"never opened")


@pytest.mark.parametrize(
    ("harm", "law"),
    [
        (cut_weights, "must be whole"),
        (cut_config, "must be a JSON object"),
        (pickled, "a pickle can run code.* safe_serialization=True"),
    ],
)
def test_a_damaged_or_pickled_adapter_is_refused(
    llama: LocalBackbone, tmp_path: Path, harm: Callable[[Path], None], law: str
) -> None:
    stock(llama, tmp_path, plain())
    harm(tmp_path)
    with pytest.raises(AdapterError, match=law):
        read_adapter(tmp_path)


def test_an_adapter_of_a_wider_base_is_refused_by_the_first_tensor_that_does_not_fit(
    llama: LocalBackbone, tmp_path: Path
) -> None:
    make_twin("llama", tmp_path / "wide", hidden_size=64)
    wide = LocalBackbone("wide", tmp_path / "wide", llama.family, {}, "0", "none", "none")
    stock(wide, tmp_path / "adapter", plain())
    with pytest.raises(
        AdapterError,
        match=r"adapter of \S+/wide, has \S+layers\.0\.self_attn\.q_proj\.lora_A\.weight of shape \[4, 64\] "
        r"where this base needs of shape \[4, 32\]; name its own base",
    ):
        attached(llama, tmp_path / "adapter")


def test_an_adapter_of_another_family_is_refused_by_the_first_target_that_is_not_there(
    llama: LocalBackbone, bert: LocalBackbone, tmp_path: Path
) -> None:
    stock(llama, tmp_path, plain())
    with pytest.raises(AdapterError, match=r"q_proj .*bert.* query, key"):
        attached(bert, tmp_path)


def test_an_adapter_of_a_deeper_base_is_refused(llama: LocalBackbone, tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(llama.folder)
    config.num_hidden_layers = 3
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "deep")
    deep = LocalBackbone("deep", tmp_path / "deep", llama.family, {}, "0", "none", "none")
    stock(deep, tmp_path / "adapter", plain())
    with pytest.raises(AdapterError, match=r"layers\.2\.self_attn\.q_proj\.lora_A\.weight"):
        attached(llama, tmp_path / "adapter")
