"""`--method` names a method of the catalog: pretrained, stacked, planned, or refused with what may be named."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.adapters.catalog import METHODS, REFUSED
from chartune.adapters.stack import Fresh
from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.testing.chain import FINETUNE, PRETRAIN, steps
from chartune.testing.command_line import chartune

SLOW = ("ia3", "prefix", "p-tuning", "adaptation-prompt", "adalora", "miss")


@pytest.mark.parametrize("method", ["prompt", *(pytest.param(method, marks=pytest.mark.slow) for method in SLOW)])
def test_a_method_pretrains_and_stacks(hospital: Path, llama: LocalBackbone, tmp_path: Path, method: str) -> None:
    words = [hospital, "--method", method, "--base", llama.folder, "--store", tmp_path / "store", "--json"]
    assignments = [one for one in PRETRAIN if "learning_rate" not in one]
    quick = [*assignments, "optimisation.learning_rate=0.05"]
    said = chartune("pretrain", *words, "--name", "clinical", *steps(3, *quick))
    assert said.code == 0, said.err
    scores: dict[str, Any] = json.loads(said.out)["scores"]["test"]
    (tmp_path / "english.txt").write_text("the quick brown fox jumps over the lazy dog")
    general = ("--general-text", tmp_path / "english.txt")
    base = json.loads(chartune("pretrain", *words[:1], *words[3:], *general, *steps(1, *assignments)).out)["scores"]
    assert scores["perplexity_before"] == base["test"]["perplexity_before"]
    assert base["general"]["perplexity"]["value"] != base["general"]["perplexity_before"]["value"]
    assert scores["perplexity"] != scores["perplexity_before"]
    said = chartune("finetune", *words, "--clinical", "clinical", *steps(2, *FINETUNE))
    assert said.code == 0, said.err
    run = Path(json.loads(said.out)["folder"])
    assert {folder.name for folder in (run / "adapter").iterdir()} == {"0-frozen", "1-fresh"}
    assert [layer["method"]["kind"] for layer in json.loads((run / "run.json").read_text())["stack"]] == [method] * 2


def test_a_prefix_takes_positions_of_the_base(hospital: Path, llama: LocalBackbone, tmp_path: Path) -> None:
    words = [hospital, "--method", "prefix", "--base", llama.folder, "--store", tmp_path / "store"]
    for verb in (("finetune",), ("pretrain",), ("plan", "finetune"), ("plan", "pretrain")):
        said = chartune(*verb, *words, "--set", f"max_seq_len={llama.max_positions}")
        assert (said.code, f"must be at most {llama.max_positions - 20}" in said.err) == (2, True), verb


def test_what_is_no_method_is_refused_with_those_that_are(tmp_path: Path) -> None:
    for verb, method in (("finetune", "lorra"), ("pretrain", "head-only"), ("pretrain", "tfidf")):
        said = chartune(verb, tmp_path, "--method", method, "--store", tmp_path / "store")
        assert (said.code, f"must be one of {', '.join(METHODS)}" in said.err) == (2, True)
    (tmp_path / "stage.yaml").write_text("kind: pretrain\n")
    said = chartune("pretrain", "--config", tmp_path / "stage.yaml", "--method", "ia3", "--store", tmp_path / "store")
    assert (said.code, "--set method.kind=" in said.err) == (2, True)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_method_of_peft_that_breaks_a_rule_is_refused_with_it(tmp_path: Path, kind: str) -> None:
    said = chartune("pretrain", tmp_path, "--method", kind, "--store", tmp_path / "store")
    assert (said.code, REFUSED[kind] in " ".join(said.err.split())) == (2, True)
    with pytest.raises(ConfigError, match="is known and not taken"):
        Fresh.parse({"method": {"kind": kind}})


def test_a_method_that_is_misspelt_is_answered_with_the_nearest(tmp_path: Path) -> None:
    for typed, meant in (("p_tuning", "p-tuning"), ("lorra", "lora")):
        said = chartune("pretrain", tmp_path, "--method", typed, "--store", tmp_path)
        assert said.code == 2
        assert f"Did you mean {meant}?" in said.err
    assert "Did you mean" not in chartune("pretrain", tmp_path, "--method", "xyzzy", "--store", tmp_path).err
