"""Every number of parameters in the repository of Taylor et al. (2024), from the catalog's sizes without weights.

Where it counts otherwise, `convention` says so, and both numbers are given: ours, and how theirs is made of it.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest
from torch import nn

from chartune.adapters.full import Full
from chartune.adapters.ia3 import IA3
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import Backbone, LocalBackbone, sizes_alone
from chartune.models.load import parameters_of
from chartune.models.meta import meta_body
from chartune.published import taylor2024
from chartune.published.taylor2024 import BASES, Parameters
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT

ROWS: Final = taylor2024.parameters()
LARGE: Final = ("MobileBERT", "RoBERTa", "Llama", "Longformer")
NAMED: Final = {
    "query, value": "attention",
    "query, key, value": ("query", "key", "value", "q_lin", "k_lin", "v_lin"),
    "query, key, value, those of global attention": (
        "query", "key", "value", "query_global", "key_global", "value_global",
    ),
}  # fmt: skip
"""Matrices of a row → `targets`."""


@pytest.fixture(autouse=True)
def _nothing_is_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


@lru_cache(maxsize=2)
def base_of(model: str) -> tuple[LocalBackbone, nn.Module, Anatomy]:
    base = sizes_alone(Backbone(name=BASES[model]))
    assert base is not None
    body = meta_body(shape_of(base), base.family, EXACT).module
    return base, body, anatomy_of(body)


def method_of(row: Parameters, body: nn.Module) -> Method:
    first = row.setting.split(" ")[0]
    if row.method == "LoRA":
        targets = NAMED[row.setting.removeprefix("r 8; ")]
        have = {name.rpartition(".")[2] for name, _ in body.named_modules()}
        return LoRA(rank=8, targets=targets if isinstance(targets, str) else tuple(t for t in targets if t in have))
    if row.method == "IA3":
        if "Distil" in row.model:
            return IA3(outputs=("k_lin", "v_lin"), inputs=("lin1", "lin2"))
        return IA3() if row.model == "Llama-2-7B" else IA3(outputs=("key", "value"), inputs=("output.dense",))
    if row.method == "Prefix tuning":
        return Prefix(tokens=int(first))
    if row.method == "Prompt tuning":
        return Prompt(tokens=int(first))
    return PTuning(tokens=int(first), network="mlp", hidden=128)


def classifier_of(base: LocalBackbone) -> int:
    """Weights of transformers' classifier of two labels."""
    width = int(base.config.get("hidden_size") or base.config["dim"])
    within = width**2 + width if base.family.model_type in ("roberta", "longformer", "distilbert") else 0
    bias = 0 if base.family.is_decoder else 2
    return within + 2 * width + bias


def as_published(row: Parameters, base: LocalBackbone, ours: int) -> int:
    """What their convention makes of our number."""
    says = row.convention
    if "pre-classifier" in says:
        return ours + 768 * 768 + 768
    if "two copies of the classifier" in says:
        return ours + 2 * classifier_of(base)
    if "keys and values of 128" in says:
        return ours * 512 // 128
    if "its embeddings have 128" in says:
        wide, narrow, hidden, tokens = 512, 128, 128, 10
        return ours + (wide - narrow) * (tokens + 2 * hidden + 1)
    assert not says
    return ours


@pytest.mark.parametrize("row", [
    pytest.param(row, id=f"{row.model}-{row.method}-{row.commit}",
                 marks=pytest.mark.slow if any(name in row.model for name in LARGE) else ())
    for row in ROWS if row.method != "Full"
])  # fmt: skip
def test_a_layer_has_its_published_number(row: Parameters) -> None:
    base, body, anatomy = base_of(row.model)
    method = method_of(row, body)
    if "takes no prefix" in row.convention:
        with pytest.raises(AdapterError, match="attention that goes through"):
            method.must_suit(body, anatomy, "a test")
        assert 2 * base.config["num_hidden_layers"] * base.config["hidden_size"] * 20 == row.trained
        return
    method.must_suit(body, anatomy, "a test")
    assert as_published(row, base, method.count(body, anatomy)) == row.trained


@pytest.mark.parametrize("row", [
    pytest.param(row, id=row.model, marks=pytest.mark.slow if any(name in row.model for name in LARGE) else ())
    for row in ROWS if row.method == "Full"
])  # fmt: skip
def test_a_model_has_its_published_number(row: Parameters) -> None:
    """A body with the pooler that transformers' classifier reads; with DistilBERT's pre-classifier counted to it."""
    base, body, anatomy = base_of(row.model)
    kind, width = base.family.model_type, anatomy.width
    pooler = width**2 + width if kind in ("bert", "distilbert") else 0
    bare = Full().count(body, anatomy)
    assert bare == parameters_of(base) - (width**2 + width if base.family.pooler and kind != "mobilebert" else 0)
    assert bare + pooler == row.trained
    of_head = classifier_of(base) - (pooler if kind == "distilbert" else 0)
    assert bare + pooler + of_head == row.total


def test_every_model_of_the_table_is_in_the_catalog_and_its_rows_agree() -> None:
    assert {row.model for row in ROWS} == set(BASES)
    totals = {(row.model, row.total) for row in ROWS}
    assert len(totals) == len(BASES)


def test_conventions_are_stated_where_numbers_differ() -> None:
    stated = {(row.model, row.method) for row in ROWS if row.convention}
    assert ("DistilBERT-base", "IA3") in stated
    assert ("BioMobileBERT", "Prefix tuning") in stated
    assert ("BioBERT", "LoRA") not in stated


@pytest.mark.slow
def test_a_plan_gives_a_published_number(hospital: Path, tmp_path: Path) -> None:
    words = [hospital, "--base", "tiny-biobert", "--method", "lora", "--store", tmp_path / "store"]
    said = chartune("plan", "finetune", *words, "--set", "stack.layers.0.method.rank=8", "--set",
                    "stack.layers.0.method.targets=[query, key, value]")  # fmt: skip
    assert said.code in (0, 5), said.err
    assert "LoRA r=8: 59,904 of 59,904" in said.out
