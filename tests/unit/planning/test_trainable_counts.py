"""Numbers of trainable parameters that were published: the ten of Gema et al. (Table 2).

Those of Taylor et al. stand in `test_counts_of_taylor2024.py`.
"""

import csv
import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import pytest
from torch import nn

from chartune.config import read_yaml
from chartune.errors import ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import Backbone, find_backbone, sizes_alone
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
