"""What is found in a body: matrices, what attention is computed from, where a feed-forward part ends."""

import re

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.pytorch_utils import Conv1D

from chartune.models.anatomy import Anatomy, anatomy_of, is_matrix, matrix_shape
from chartune.testing.twins import FAMILIES, sizes_of

FUSED = "query_key_value query_key_value query_key_value"
ROPE = ("q_proj k_proj v_proj", "o_proj", "gate_proj up_proj", "down_proj")
BERT = ("query key value", "attention.output.dense", "intermediate.dense", "output.dense")
FOUND = {
    # query, key, value | behind attention | feed forward, its ends last
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma3_text", "smollm3", "olmo", "olmo2", "granite"), ROPE),
    **dict.fromkeys(("bert", "roberta", "electra", "longformer", "megatron-bert"), BERT),
    "phi3": ("qkv_proj qkv_proj qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
    "opt": ("q_proj k_proj v_proj", "out_proj", "fc1", "fc2"),
    "gpt2": ("c_attn c_attn c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"),
    "gpt_neox": (FUSED, "attention.dense", "dense_h_to_4h", "dense_4h_to_h"),
    "falcon": (FUSED, "self_attention.dense", "dense_h_to_4h", "dense_4h_to_h"),
    "distilbert": ("q_lin k_lin v_lin", "out_lin", "lin1", "lin2"),
    "mobilebert": ("query key value", "attention.output.dense",
                   "bottleneck.dense input.dense attention.dense intermediate.dense", "output.dense"),
    "albert": ("query key value", "attention.dense", "ffn", "ffn_output"),
    "modernbert": ("Wqkv Wqkv Wqkv", "attn.Wo", "Wi", "mlp.Wo"),
    "deberta-v2": ("query_proj,pos_query_proj key_proj,pos_key_proj value_proj", "attention.output.dense",
                   "intermediate.dense", "output.dense"),
    "xlnet": (None, None, "layer_1", "layer_2"),
}  # fmt: skip
"""How names end, read in transformers' own code. XLNet's projections are no modules."""
WITHOUT_INTERFACE = {"falcon", "deberta-v2", "longformer", "xlnet", "megatron-bert"}


def body_of(model_type: str) -> nn.Module:
    with torch.device("meta"):
        body: nn.Module = AutoModel.from_config(AutoConfig.for_model(model_type, **sizes_of(model_type)))
    return body


def looked_at(model_type: str) -> Anatomy:
    return anatomy_of(body_of(model_type))


def ending(names: tuple[str, ...], endings: str | None) -> bool:
    """Whether each name has one of the endings, and each ending a name in every block."""
    wanted = tuple(f".{end}" for end in (endings or "").replace(",", " ").split())
    return all(name.endswith(wanted) for name in names) and all(
        any(name.endswith(end) for name in names) for end in wanted
    )


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_parts_of_attention_and_of_the_feed_forward_are_told_apart(model_type: str) -> None:
    found = looked_at(model_type)
    projections, output, inner, end = FOUND[model_type]
    for names, endings in zip((found.query, found.key, found.value), (projections or "- - -").split(), strict=True):
        assert ending(names, None if projections is None else endings)
    assert ending(found.attention_outputs, output)
    assert ending(found.feed_forward_outputs, end)
    assert ending(tuple(set(found.feed_forward) - set(found.feed_forward_outputs)), inner)
    assert len(found.query) == len(found.key)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_matrix_of_the_blocks_is_found_once_and_no_other(model_type: str) -> None:
    found, body = looked_at(model_type), body_of(model_type)
    blocks = next(name for name, module in body.named_modules() if isinstance(module, nn.ModuleList))
    expected = [n for n, m in body.named_modules() if n.startswith(f"{blocks}.") and isinstance(m, (nn.Linear, Conv1D))]
    # a Longformer's global projections are reached by no text of ours
    assert list(found.matrices) == [name for name in expected if not name.endswith("_global")]
    attention = {*found.query, *found.key, *found.value, *found.attention_outputs}
    assert {*found.matrices} == attention | {*found.feed_forward}
    assert not attention & {*found.feed_forward}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_norms_and_embeddings_are_what_is_left_beside_the_matrices(model_type: str) -> None:
    found, body = looked_at(model_type), body_of(model_type)
    parameters = {name.rpartition(".")[0] for name, _ in body.named_parameters()}
    left = parameters - {*found.matrices, *found.norms, *found.embeddings}
    assert not any("norm" in name.lower() or ("embeddings." in name and "transformation" not in name) for name in left)
    assert {*found.norms} | {*found.embeddings} <= parameters
    assert bool(re.search(r"norm|\bln", " ".join(found.norms).lower())) == (model_type != "olmo")


@pytest.mark.parametrize("model_type", FAMILIES)
def test_attention_is_found_where_it_uses_the_interface(model_type: str) -> None:
    found = looked_at(model_type)
    assert (found.attention == ()) == (model_type in WITHOUT_INTERFACE)
    assert len(found.attention) in (0, 1 if model_type == "albert" else 2)  # ALBERT's blocks are one
    for module, query in zip(found.attention, found.query, strict=False):
        assert query.startswith(f"{module}.")


@pytest.mark.parametrize("model_type", ["llama", "opt", "electra", "xlnet"])
def test_the_width_is_that_of_the_last_hidden_states(model_type: str) -> None:
    assert looked_at(model_type).width == (16 if model_type == "opt" else 32)


def test_an_anatomy_does_not_change_when_layers_are_put_into_the_body() -> None:
    body = body_of("llama")
    before = anatomy_of(body)
    wrapped = nn.Sequential(body.get_submodule("layers.0.self_attn.q_proj"))
    body.get_submodule("layers.0.self_attn").q_proj = wrapped
    assert anatomy_of(body) == before


def test_both_kinds_of_matrices_tell_their_outputs_first() -> None:
    assert matrix_shape(nn.Linear(3, 5)) == matrix_shape(Conv1D(5, 3)) == (5, 3)
    assert not is_matrix(nn.Embedding(3, 5))


def test_what_is_no_model_has_no_anatomy() -> None:
    with pytest.raises(TypeError, match="transformers model"):
        anatomy_of(nn.Linear(2, 2))


def test_a_body_is_looked_at_once_wherever_its_model_lies() -> None:
    body = body_of("llama")
    known = anatomy_of(body)
    body.config.name_or_path = "elsewhere"  # type: ignore[union-attr]
    assert anatomy_of(body) is known
