"""Numbers of trainable parameters that were published: the ten of Gema et al. (Table 2), and those of Taylor et al.

The latter include DistilBERT's pre-classifier of 590,592 weights, a part of a head, which is taken off; of its prefix
the published one has 20 tokens. What they count of a MobileBERT's prefix is no number that its attention could read.
"""

import csv
import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from transformers import AutoConfig

from chartune.adapters.ia3 import IA3
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.prefix import Prefix
from chartune.config import read_yaml
from chartune.errors import ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import Backbone, find_backbone, sizes_alone
from chartune.models.families import family_of
from chartune.models.meta import meta_body
from chartune.stages.pretrain import Pretrain
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT

RECIPE = Path(__file__).parents[3] / "recipes" / "gema2023" / "table2.yaml"
PUBLISHED = [
    int(row["trainable_parameters"])
    for row in csv.DictReader(files("chartune.published").joinpath("p1_pretraining.csv").read_text().splitlines())
]
BERT = {"model_type": "bert", "vocab_size": 28996}
TINY = BERT | {"hidden_size": 312, "num_hidden_layers": 4, "num_attention_heads": 12, "intermediate_size": 1200}
MOBILE = {"model_type": "mobilebert"}
DISTIL = {"model_type": "distilbert"}
SIX = BERT | {"num_hidden_layers": 6}
PRE_CLASSIFIER = 768 * 768 + 768
QKV = ("query", "key", "value")
BY_DEFAULT = IA3(outputs=("key", "value"), inputs=("output.dense",))
"""As peft's table of targets has it for BERT: the output of attention is scaled, too."""
COUNTS: list[tuple[str, dict[str, Any], Method, int]] = [
    ("TinyBERT", TINY, LoRA(rank=8, targets=QKV), 59_904),
    ("TinyBERT", TINY, BY_DEFAULT, 8_544),
    ("TinyBERT", TINY, Prefix(tokens=10), 24_960),
    ("MobileBERT", MOBILE, LoRA(rank=8, targets=QKV), 221_184),
    ("MobileBERT", MOBILE, BY_DEFAULT, 58_368),
    ("MobileBERT", MOBILE, Prefix(tokens=10), 245_760 // 4),  # of 128 numbers: 245,760 takes its width of 512
    ("DistilBERT", DISTIL, LoRA(rank=8, targets=("q_lin", "k_lin", "v_lin")), 811_776 - PRE_CLASSIFIER),
    ("DistilBERT", DISTIL, IA3(outputs=("k_lin", "v_lin"), inputs=("lin1", "lin2")), 622_848 - PRE_CLASSIFIER),
    ("DistilBERT", DISTIL, Prefix(tokens=20), 774_912 - PRE_CLASSIFIER),
    ("distil-biobert", SIX, LoRA(rank=8, targets="attention"), 147_456),
    ("distil-biobert", SIX, BY_DEFAULT, 32_256),
    ("distil-biobert", SIX, Prefix(tokens=10), 92_160),
    ("BioBERT", BERT, LoRA(rank=8, targets="attention"), 294_912),
    ("BioBERT", BERT, BY_DEFAULT, 64_512),
    ("BioBERT", BERT, Prefix(tokens=10), 184_320),
    ("RoBERTa", {"model_type": "roberta", "vocab_size": 50265}, LoRA(rank=8, targets="attention"), 294_912),
    ("RoBERTa", {"model_type": "roberta", "vocab_size": 50265}, BY_DEFAULT, 64_512),
    ("RoBERTa", {"model_type": "roberta", "vocab_size": 50265}, Prefix(tokens=10), 184_320),
    ("Llama-2-7B", {"model_type": "llama"}, LoRA(rank=8, targets="attention"), 4_194_304),
    ("Llama-2-7B", {"model_type": "llama"}, IA3(), 614_400),
    ("Llama-2-7B", {"model_type": "llama"}, Prefix(tokens=10), 2_621_440),
]

SLOW = ("MobileBERT", "RoBERTa", "Llama-2-7B")


@lru_cache(maxsize=2)
def body_of(sizes: str) -> nn.Module:
    """A body without memory, by the fields of its config.json."""
    config = AutoConfig.for_model(**json.loads(sizes))
    return meta_body(config, family_of(str(config.model_type), "a test"), EXACT).module


@lru_cache(maxsize=2)
def body_at(name: str) -> nn.Module:
    """That of a row of the catalog."""
    base = sizes_alone(Backbone(name=name))
    assert base is not None
    return meta_body(shape_of(base), base.family, EXACT).module


@pytest.mark.parametrize("number", range(10))
def test_the_recipe_of_table_2_has_the_published_numbers(number: int) -> None:
    stages = list(read_yaml(RECIPE)["stages"].values())
    name = stages[number].get("backbone", {"name": "llama-7b"})["name"]
    method = Pretrain.parse({"data": {"source": {"kind": "mimic4", "folder": "x"}}, "backbone": {"name": name},
                             "method": stages[number]["method"]}).method  # fmt: skip
    body = body_at(name)
    assert method.count(body, anatomy_of(body)) == PUBLISHED[number]


@pytest.mark.slow
def test_a_plan_of_the_recipe_gives_them_without_weights(tmp_path: Path) -> None:
    said = chartune("study", "plan", RECIPE, "--json", "--store", tmp_path / "store")
    assert said.code in (0, 5), said.err  # whether they fit is another question
    planned = [cell["trainable_parameters"] for cell in json.loads(said.out)["cells"]]
    assert planned == PUBLISHED


@pytest.mark.parametrize(("sizes", "method", "count"), [
    pytest.param(sizes, method, count, id=f"{name}-{method.kind}", marks=pytest.mark.slow if name in SLOW else ())
    for name, sizes, method, count in COUNTS
])  # fmt: skip
def test_the_layers_of_taylor_et_al_have_their_numbers(sizes: dict[str, Any], method: Method, count: int) -> None:
    body = body_of(json.dumps(sizes))
    anatomy = anatomy_of(body)
    method.must_suit(body, anatomy, "a test")
    assert method.count(body, anatomy) == count


@pytest.mark.slow
def test_what_is_known_by_its_sizes_is_planned(hospital: Path, tmp_path: Path) -> None:
    words = [hospital, "--base", "llama-7b", "--store", tmp_path / "store"]
    planned = chartune("plan", "pretrain", *words, "--set", "method.rank=2", "--set", "numerics.precision=bf16")
    assert planned.code in (0, 5), planned.err
    assert "LoRA r=2: 4,997,120 of 4,997,120" in planned.out
    assert "name the folder of its weights to train" in planned.out


def test_what_is_known_by_its_sizes_is_not_trained(tmp_path: Path) -> None:
    study, store = tmp_path / "study.yaml", tmp_path / "store"
    study.write_text("title: t\nquestion: q\nstages: {a: {kind: pretrain, backbone: {name: llama-7b}}}\n")
    said = chartune("study", study, tmp_path, "--source", "mimic3", "--store", store)  # before data are prepared
    assert (said.code, "name the folder that holds its weights" in " ".join(said.err.split())) == (2, True), said.err
    with pytest.raises(ConfigError, match="name the folder that holds its weights"):
        find_backbone(Backbone(name="llama-7b"), Store(store).open())
