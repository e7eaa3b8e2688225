"""Every number that is printed of real patients is of a kind that the attacker reads, or that tells no count."""

import json
from pathlib import Path

import pytest
import yaml

from chartune.made_up import make_hospital
from chartune.testing.chain import FINETUNE, PRETRAIN, steps
from chartune.testing.command_line import chartune
from chartune.testing.printed import unknown_in_json, unknown_in_page, unknown_in_text
from chartune.testing.twins import twin


@pytest.mark.slow  # plans, trains and draws
def test_every_number_of_plans_runs_and_pages_is_of_a_kind_that_is_read_or_harmless(tmp_path: Path) -> None:
    raw, page, base = tmp_path / "raw", tmp_path / "report.html", twin(tmp_path, "llama").folder
    make_hospital(raw, subjects=140, seed=3, events=False)
    (raw / "made-up" / "manifest.json").unlink()
    stages = {
        "tuned": ("finetune", raw, "--method", "lora", "--base", base, *steps(6, *FINETUNE)),
        "adapted": ("pretrain", raw, "--base", base, *steps(6, *PRETRAIN)),
    }

    def printed(*words: object) -> str:
        done = chartune(*words, "--store", tmp_path / "store")
        assert done.code == 0, done.err
        assert unknown_in_text(done.err) == []
        return done.out

    for name, stage in stages.items():
        assert unknown_in_text(printed("plan", *stage)) == []
        assert list(unknown_in_json(json.loads(printed("plan", *stage, "--json")))) == []
        assert unknown_in_page(printed(*stage, "--name", name, *(["--baseline"] if name == "tuned" else []))) == []
        assert list(unknown_in_json(yaml.safe_load(printed("show", name)))) == []
        assert list(unknown_in_json(json.loads(printed("show", name, "--json")))) == []
        assert unknown_in_page(printed("show", name, "--card")) == []
    for words in (("clean",), ("clean", "tuned"), ("export", "tuned", "--to", tmp_path / "out", "--merged")):
        assert unknown_in_text(printed(*words)) == []
    assert unknown_in_page((tmp_path / "out" / "MODEL_CARD.md").read_text()) == []
    assert list(unknown_in_json(json.loads(printed("clean", "--json")))) == []
    assert list(unknown_in_json(json.loads(printed("export", "adapted", "--to", tmp_path / "adapted", "--json")))) == []
    printed("report", "--out", page)
    assert unknown_in_page(page.read_text()) == []


@pytest.mark.parametrize("row", ["Tokens trained on | 3,100", "deaths | 7", "test | perplexity | 3.123 | none | 1,020"])
def test_a_number_of_no_kind_is_met_in_a_page_and_in_a_card(row: str) -> None:
    cells = "".join(f"<td>{cell}</td>\n" for cell in row.split(" | "))
    assert unknown_in_page(f"<html><table><tr>{cells}</tr></table></html>")
    assert unknown_in_page(f"| {row} |")


def test_an_amount_of_more_than_one_digit_is_met() -> None:
    assert list(unknown_in_json({"best_step": 1200})) == [".best_step: 1200"]
    assert list(unknown_in_json({"best_step": 1000})) == []


@pytest.mark.parametrize(
    "line", ["7 deaths", "test: 31 patients", "tokens 1,179", "a share of 0.2143", "13 of 31 texts"]
)
def test_a_number_of_no_kind_is_met(line: str) -> None:
    assert unknown_in_text(line)
    assert list(unknown_in_json({"tasks": {"told": line, "deaths": 7}}))[1:] == [".tasks.deaths: 7"]
    assert list(unknown_in_json({"tasks": {"labels": {"deaths": 7}}})) == [".tasks.labels.deaths: 7"]
