"""Scores, tokens and plans of runs, read beside the counts of their data, pin no small count either."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.disclosure import TOO_FEW, digits
from chartune.made_up import make_hospital
from chartune.store import Store
from chartune.testing.attacker import Attacker, true_counts, with_gone
from chartune.testing.chain import FINETUNE
from chartune.testing.command_line import chartune
from chartune.testing.printed import in_proportion
from chartune.testing.twins import twin

LENGTH = 48
EPOCH = ("optimisation.duration.value=1", "optimisation.duration.unit=epochs", *FINETUNE)
ROWS = ("split", "mortality", "train", "admissions")


def _read_prevalence(attacker: Attacker, split: str, rate: float) -> None:
    """The middles of two classes, which tells nothing more, or else as it was measured."""
    names = [("split", "mortality", split, what) for what in ("positives", "admissions")]
    positives, rows = (attacker.known[name][0] for name in names)
    if rate != round((positives + 4.5) / (rows + 4.5), digits(int(rows))):
        attacker.read_rate("mortality", split, rate, _printed_digits(rate))


def _read_scores(attacker: Attacker, shown: dict[str, Any]) -> int:
    every = {split: scores for split, scores in shown["scores"].items() if scores != TOO_FEW}
    for split, scores in every.items():
        _read_prevalence(attacker, split, scores["prevalence"]["value"])
        auroc = scores["auroc"]["value"]
        attacker.read_auroc("mortality", split, auroc, max(2, _printed_digits(auroc)))
    return len(every)


def _printed_digits(value: float) -> int:
    return len(str(value).partition(".")[2])


@pytest.mark.slow  # prepares a larger hospital and trains
def test_scores_and_amounts_of_runs_pin_no_small_count(tmp_path: Path) -> None:
    raw, at = tmp_path / "raw", ("--store", tmp_path / "store")
    make_hospital(raw, subjects=420, seed=3, events=False)
    (raw / "made-up" / "manifest.json").unlink()
    sets = [word for setting in EPOCH for word in ("--set", setting)]
    tune = ("finetune", raw, "--base", twin(tmp_path, "llama").folder, "--method", "lora", "--task", "mortality", *sets)

    def printed(*words: object) -> str:
        done = chartune(*words, *at)
        assert done.code == 0, done.err
        return done.out

    attacker = Attacker()
    attacker.read_console(printed("prepare", raw))
    attacker.read_json(json.loads(printed("prepare", raw, "--json")))
    plan = json.loads(printed("plan", *tune, "--json"))
    printed(*tune, "--name", "lora")
    printed("finetune", raw, "--method", "tfidf", "--task", "mortality", "--name", "tfidf")
    runs = [json.loads(printed("show", name, "--json")) for name in ("lora", "tfidf")]
    before = dict(attacker.known)
    assert sum(_read_scores(attacker, run) for run in runs) >= 2
    assert attacker.constraints == []
    assert {name: attacker.known[name] for name in before} == before
    (data,) = Store(tmp_path / "store").artefacts("data")
    counts = true_counts(json.loads((data.path / "dataset.json").read_text()))
    attacker.bound(ROWS, *in_proportion(runs[0]["cost"]["tokens"], LENGTH))
    attacker.bound(ROWS, *in_proportion(plan["workload"]["epoch_tokens"], LENGTH, typical_only=True))
    assert attacker.known[ROWS] == (290, 299)
    assert attacker.pinned(with_gone(counts, attacker.order)) == {}
