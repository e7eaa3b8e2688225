"""A search that is killed as a process and given again: the same trials, the same choice, the same weights."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.store import Store
from chartune.testing.command_line import chartune, started, wait_until

SHORT = ("steps=4", "max_length=32", "validation_blocks=4", "held_out_blocks=6", "notes=first-tokens", "batch_size=4")


def words(hospital: Path, base: Path, store: Path) -> list[object]:
    settings = [word for setting in SHORT for word in ("--set", setting)]
    space = ["--space", "rank=[2, 4, 8]", "--space", "lr={low: 1e-4, high: 1e-1, log: true}"]
    return ["search", "pretrain", hospital, "--base", base, *space, "--trials", 7, "--share", 0.5, *settings,
            "--store", store, "--json"]  # fmt: skip


def trials(said: str) -> Any:
    """What must not depend on a kill."""
    known = json.loads(said)
    return {name: known[name] for name in ("run", "settings", "ended", "trials", "in_full")}


def trials_done(store: Path) -> int:
    """Trials that have ended, as the record of the search has them."""
    records = list((store / "searches").glob("*/search.json"))
    return len(json.loads(records[0].read_text())["trials"]) if records else 0


@pytest.mark.slow
def test_a_killed_search_ends_as_one_that_was_left_alone(hospital: Path, llama: LocalBackbone, tmp_path: Path) -> None:
    whole, broken = (tmp_path / name for name in ("whole", "broken"))
    assert chartune("prepare", hospital, "--store", whole).code == 0
    shutil.copytree(whole, broken)
    undisturbed = chartune(*words(hospital, llama.folder, whole))
    assert undisturbed.code == 0, undisturbed.err
    process = started(*words(hospital, llama.folder, broken))
    wait_until(lambda: trials_done(broken) >= 3, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = chartune(*words(hospital, llama.folder, broken))
    assert again.code == 0, again.err
    assert trials(again.out) == trials(undisturbed.out)
    _choice_is_right(json.loads(undisturbed.out), Store(whole))


def _choice_is_right(said: dict[str, Any], store: Store) -> None:
    """Of the trials in full the one with the lowest perplexity, trained on its share of the tokens before."""
    low, full = said["trials"], said["in_full"]
    assert len(full) == 4
    best = min(full, key=lambda trial: float(trial["score"].split()[0]))
    assert best["settings"] == said["settings"]
    ranked = sorted((trial for trial in low if trial["same_as"] is None), key=lambda t: float(t["score"].split()[0]))
    assert [trial["settings"] for trial in full] == [trial["settings"] for trial in ranked[:4]]
    tokens = [Run.of(store, trial["run"]).cost.tokens for trial in (ranked[0], full[0])]
    assert tokens[0] == pytest.approx(0.5 * (tokens[1] or 0), rel=0.05)
    assert Run.of(store, said["run"]).about.trained_in == best["run"]
