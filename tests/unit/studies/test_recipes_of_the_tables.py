"""Tables 3 and 4 of Gema et al. as studies: the rows that are printed, and what each profile says of them."""

from functools import cache
from math import log10
from pathlib import Path
from typing import Any

import pytest

from chartune.config import read_yaml
from chartune.models.catalog import catalog
from chartune.published import outcome_rows
from chartune.studies.cell import Cell
from chartune.studies.profiles import profiled
from chartune.studies.study import Study
from chartune.tasks.charts import Preparation

RECIPES = Path(__file__).parents[3] / "recipes" / "gema2023"
RATE, HEAD_RATE = "optimisation.learning_rate", "optimisation.head_learning_rate"


@cache
def asked(table: str, profile: str | None) -> Study:
    return Study.parse(profiled(_read(table), profile))


@cache
def _read(table: str) -> dict[str, Any]:
    return read_yaml(RECIPES / f"{table}.yaml")


def cells(table: str, profile: str | None, task: str = "mortality") -> dict[str, Cell]:
    """Cells of one task, and stages of pretraining, by stage."""
    every = asked(table, profile).cells()
    return {cell.stage: cell for cell in every if cell.axes.get("task", task) == task}


def preset(study: Study) -> str:
    assert isinstance(study.data, Preparation)
    return study.data.preset


@pytest.mark.parametrize(("table", "count"), [("table3", 16), ("table4", 5)])
def test_every_printed_row_is_a_row_of_that_name(table: str, count: int) -> None:
    printed = {row.same_as or row.model for row in outcome_rows() if row.table == table.replace("table", "Table ")}
    assert len(printed) == count
    assert printed <= {cell.name for cell in cells(table, None).values()}
    both = cells("table3", None).keys() & cells("table4", None).keys() - {"ensemble"}  # of the best rows of each
    assert all(cells("table3", None)[name].asked == cells("table4", None)[name].asked for name in both)


@pytest.mark.parametrize("table", ["table3", "table4"])
def test_every_base_is_of_the_catalog_and_can_be_planned_without_weights(table: str) -> None:
    names = {cell.asked["backbone"]["name"] for cell in cells(table, None).values() if "backbone" in cell.asked}
    assert {name for name in names if name not in catalog or not catalog[name].sizes} == set()


def test_as_they_stand_they_are_what_the_text_says() -> None:
    for table in ("table3", "table4"):
        for cell in cells(table, None).values():
            if cell.asked["kind"] != "finetune" or cell.stage == "core_recipe":
                continue
            how = cell.asked["optimisation"]
            assert (how["learning_rate"], how["head_learning_rate"], how["batch_size"]) == (5e-5, 5e-5, 100)
            assert (how["warmup_fraction"], how["duration"], cell.asked["max_seq_len"]) == (0.06, {"value": 10}, 128)
            assert (cell.asked["balance"], cell.asked["chosen_by"]) == ("classes-if-single", "log-loss")
            fresh = [layer["method"]["kind"] for layer in cell.asked["stack"]["layers"] if layer["kind"] == "fresh"]
            assert (cell.space is not None and cell.space.size == 48 and cell.trials == 20) == (fresh == ["lora"])
        study = asked(table, None)
        assert (preset(study), study.data.source.kind) == ("paper-text", "mimic3")
        assert study.stage(cells(table, None)["clinical"], {}).data.source.kind == "mimic4"


def test_as_coded_rows_have_the_batches_the_trials_and_the_idle_layer_of_the_code() -> None:
    third, fourth = (cells(table, "as-coded") for table in ("table3", "table4"))
    sizes = {name: cell.asked["optimisation"]["batch_size"] for name, cell in (third | fourth).items()
             if cell.asked["kind"] == "finetune"}  # fmt: skip
    assert {name for name, size in sizes.items() if size == 20} == {"llama_lora", "pmc_lora", "core_recipe"}
    assert {size for name, size in sizes.items() if "bert" in name or name.startswith("core")} == {64, 20}
    assert {sizes[name] for name in sizes if name.startswith(("llama", "pmc"))} == {80, 20}
    for cells_ in (third, fourth):
        for cell in cells_.values():
            if cell.asked["kind"] in ("finetune", "pretrain") and cell.stage != "core_recipe":
                how = cell.asked["optimisation"]
                assert (how["schedule"], how["warmup_fraction"]) == ("constant", 0.0), cell.title()
    idle = [cell.stage for cell in (*third.values(), *fourth.values()) if cell.asked["kind"] == "finetune"
            and any(layer.get("active") is False for layer in cell.asked["stack"]["layers"])]  # fmt: skip
    assert sorted({*idle}) == [
        f"{base}_{state}_downstream" for base in ("llama", "pmc") for state in ("frozen", "trainable")
    ]
    assert {name: cell.trials for name, cell in (third | fourth).items() if cell.trials > 1} == {
        "llama_lora": 20, "pmc_lora": 20, "bluebert_lora": 10, "umlsbert_lora": 10, "bio_clinicalbert_lora": 10,
        "core_lora": 10,
    }  # fmt: skip
    assert preset(asked("table3", "as-coded")) == "paper-code"


def test_core_s_own_recipe_is_a_row() -> None:
    own = cells("table4", None, "diagnoses_icd9")["core_recipe"].asked
    assert (own["max_seq_len"], own["chosen_by"], own["stopping"]["patience"]) == (512, "score", 10)
    how = own["optimisation"]
    assert (how["learning_rate"], how["batch_size"], how["warmup_steps"], how["duration"]) == (
        1e-5,
        20,
        5000,
        {"value": 200},
    )


@pytest.mark.parametrize("table", ["table3", "table4"])
def test_at_equal_budgets_every_claimed_row_has_as_many_trials_and_five_rates_over_two_decades(table: str) -> None:
    study = asked(table, "equal-budgets")
    assert {claim.budget for claim in study.claims.values()} == {"equal"}
    assert {claim.budget for claim in asked(table, None).claims.values()} == {"any"}
    named = {side for claim in study.claims.values() for side in claim.sides}
    for name, cell in cells(table, "equal-budgets").items():
        if name not in named:
            continue
        assert (cell.trials, cell.asked["chosen_by"]) == (20, "score")
        assert cell.space is not None
        rates = cell.space.dimensions.get(RATE) or cell.space.dimensions[HEAD_RATE]
        values = list(rates.listed or ())
        assert len(values) == 5
        assert log10(values[-1] / values[0]) == pytest.approx(2)
    assert preset(study) == "sound"
