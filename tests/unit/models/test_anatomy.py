"""What is found in a body: matrices, what attention is computed from, where a feed-forward part ends."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.pytorch_utils import Conv1D

from chartune.models.anatomy import Anatomy, anatomy_of, is_matrix, matrix_shape
from chartune.models.families import families

SIZES = {
    "vocab_size": 96, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
OWN = {"distilbert": {"dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2}}
FOUND = {
    # query, key, value | behind attention | feed forward, its ends last
    "llama": ("q_proj k_proj v_proj", "o_proj", "gate_proj up_proj", "down_proj"),
    "mistral": ("q_proj k_proj v_proj", "o_proj", "gate_proj up_proj", "down_proj"),
    "qwen2": ("q_proj k_proj v_proj", "o_proj", "gate_proj up_proj", "down_proj"),
    "gpt_neox": ("query_key_value query_key_value query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
    "bert": ("query key value", "attention.output.dense", "intermediate.dense", "1.output.dense"),
    "roberta": ("query key value", "attention.output.dense", "intermediate.dense", "1.output.dense"),
    "distilbert": ("q_lin k_lin v_lin", "out_lin", "lin1", "lin2"),
}
"""How the names of the second block end, read in the papers' own code."""


def body_of(model_type: str) -> nn.Module:
    with torch.device("meta"):
        body: nn.Module = AutoModel.from_config(AutoConfig.for_model(model_type, **(SIZES | OWN.get(model_type, {}))))
    return body


def looked_at(model_type: str) -> Anatomy:
    return anatomy_of(body_of(model_type))


def in_the_second_block(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if "1" in name.split(".")]


@pytest.mark.parametrize("model_type", families)
def test_the_parts_of_attention_and_of_the_feed_forward_are_told_apart(model_type: str) -> None:
    found = looked_at(model_type)
    projections, output, inner, end = FOUND[model_type]
    for names, ending in zip((found.query, found.key, found.value), projections.split(), strict=True):
        assert [name.endswith("." + ending) for name in in_the_second_block(names)] == [True]
    assert [name.endswith("." + output) for name in in_the_second_block(found.attention_outputs)] == [True]
    assert [name.endswith("." + end) for name in in_the_second_block(found.feed_forward_outputs)] == [True]
    others = set(found.feed_forward) - set(found.feed_forward_outputs)
    assert {name.rpartition("1.")[2].removeprefix("mlp.").removeprefix("ffn.") for name in
            in_the_second_block(tuple(others))} == set(inner.split())  # fmt: skip


@pytest.mark.parametrize("model_type", families)
def test_every_matrix_of_the_blocks_is_found_once_and_no_other(model_type: str) -> None:
    found, body = looked_at(model_type), body_of(model_type)
    blocks = next(name for name, module in body.named_modules() if isinstance(module, nn.ModuleList))
    expected = [n for n, m in body.named_modules() if n.startswith(f"{blocks}.") and isinstance(m, (nn.Linear, Conv1D))]
    assert list(found.matrices) == expected
    attention = {*found.query, *found.key, *found.value, *found.attention_outputs}
    assert {*found.matrices} == attention | {*found.feed_forward}
    assert not attention & {*found.feed_forward}
    assert "pooler.dense" not in found.matrices


@pytest.mark.parametrize("model_type", families)
def test_norms_embeddings_and_attention_are_found(model_type: str) -> None:
    found, body = looked_at(model_type), body_of(model_type)
    assert len(found.attention) == 2
    assert all(name.startswith(f"{found.attention[0]}.") for name in in_first_block(found))
    assert {type(body.get_submodule(name)).__name__ for name in found.embeddings} == {"Embedding"}
    others = {*found.matrices, *found.norms, *found.embeddings, "pooler.dense"}
    parameters = {name.rpartition(".")[0] for name, _ in body.named_parameters()}
    assert parameters <= others
    assert {*found.norms} <= parameters


def in_first_block(found: Anatomy) -> tuple[str, ...]:
    return found.query[0], found.key[0], found.value[0]


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
