"""Live windows of a service: filled by what it scores, shown without a note, begun anew when a task is replaced."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from chartune.metrics.drifting import Baseline
from chartune.monitoring.live import Live
from chartune.monitoring.reference import Reference
from chartune.monitoring.textfile import write_metrics
from chartune.monitoring.vocabulary import Vocabulary
from chartune.monitoring.windows import judged
from chartune.runs.monitored import LENGTH, SCORE, TRUNCATED, UNKNOWN, Drifted, Monitored, Rule, Window
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.serving.textfiles import shown_files
from chartune.serving.watch import MOST_WAITING, Watch
from chartune.testing.asked import ask
from chartune.testing.served_runs import Served, notes

RARE: Final = "zebrafinch"
RULE: Final = Rule(window=40)


@pytest.fixture
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["rslora", "head only"], served.store), served.store)


def score(app: Any, texts: list[str], task: str = "rslora") -> None:
    for start in range(0, len(texts), 20):
        body = {"notes": [{"text": text} for text in texts[start : start + 20]], "tasks": [task]}
        assert ask(app, "POST", "/v1/score", body).status == 200


def drift(app: Any) -> dict[str, float]:
    lines = [line for line in ask(app, "GET", "/metrics").text.splitlines() if line.startswith("chartune_drift")]
    return {
        name.removeprefix("chartune_drift_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)
    }


def test_a_full_window_is_shown_and_what_has_changed_raises_an_alarm(
    bank: Bank, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = Queue(bank, 100_000)
    watch = Watch(bank.store, queue.metrics.registry, RULE)
    app = service(bank, Limits(), queue, watch=watch)
    score(app, notes(20, seed=5, longest=16))
    watch.settle()
    assert drift(app) == {'windows_total{task="rslora"}': 0}
    score(app, notes(20, seed=6, longest=16))
    watch.settle()
    shown = drift(app)
    assert shown['windows_total{task="rslora"}'] == 1
    measures = {name: shown[f'alarm{{task="rslora",measure="{name}"}}'] for name in (LENGTH, TRUNCATED, UNKNOWN, SCORE)}
    assert measures == dict.fromkeys(measures, 0)
    score(app, [f"{RARE} {text} {text} {text}" for text in notes(20, seed=7, longest=40)] * 2)
    watch.settle()
    shown = drift(app)
    assert shown[f'alarm{{task="rslora",measure="{UNKNOWN}"}}'] == 1
    assert shown[f'alarm{{task="rslora",measure="{LENGTH}"}}'] == 1
    assert shown[f'alarms_total{{task="rslora",measure="{LENGTH}"}}'] == 1
    assert shown['windows_total{task="rslora"}'] == 2
    assert "head only" not in str(shown)
    bank.exchange({"rslora": served.runs["second head"]}, [], None)
    score(app, notes(20, seed=8, longest=16))
    watch.settle()
    assert drift(app)['windows_total{task="rslora"}'] == 0
    queue.close()
    watch.close()
    said = capsys.readouterr()
    assert f"alarm: drift of rslora, {LENGTH}: PSI " in said.err
    assert RARE not in said.err + said.out + str(shown)


def test_more_notes_than_may_wait_are_not_watched_and_the_rest_is(bank: Bank) -> None:
    queue = Queue(bank, 100_000)
    watch = Watch(bank.store, queue.metrics.registry, RULE)
    task = bank.tasks[0]
    texts = notes(30, seed=9)
    reading = bank.read({task.name: texts})[task.name]
    watch.scored(task, [texts[0]] * (MOST_WAITING + 1), reading)
    for _ in range(3):
        watch.scored(task, texts, reading)
    watch.settle()
    assert f'chartune_drift_windows_total{{task="{task.name}"}} 2' in queue.metrics.registry.text()
    watch.close()
    queue.close()


def test_notes_that_were_looked_at_wait_no_longer(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.serving.watch.MOST_WAITING", 40)
    queue = Queue(bank, 100_000)
    watch = Watch(bank.store, queue.metrics.registry, Rule(window=30))
    task, texts = bank.tasks[0], notes(30, seed=9)
    reading = bank.read({task.name: texts})[task.name]
    for _ in range(3):
        watch.scored(task, texts, reading)
        watch.settle()
    assert f'chartune_drift_windows_total{{task="{task.name}"}} 3' in queue.metrics.registry.text()
    watch.close()
    queue.close()


def test_an_error_of_a_look_is_said_without_its_words_and_the_next_one_is_made(
    bank: Bank, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(bank, 100_000)
    watch = Watch(bank.store, queue.metrics.registry, Rule(window=30))
    task, texts = bank.tasks[0], notes(30, seed=9)
    reading = bank.read({task.name: texts})[task.name]
    with monkeypatch.context() as patched:
        patched.setattr(Live, "add", lambda *_: (_ for _ in ()).throw(ValueError(RARE)))
        watch.scored(task, texts, reading)
        watch.settle()
    watch.scored(task, texts, reading)
    watch.settle()
    watch.close()
    queue.close()
    assert "scored notes were not watched (ValueError)" in capsys.readouterr().err
    assert f'chartune_drift_windows_total{{task="{task.name}"}} 1' in queue.metrics.registry.text()


def test_windows_are_slices_of_what_came_however_it_came() -> None:
    chance = np.random.default_rng(0)
    every = {SCORE: chance.random(700), LENGTH: chance.integers(1, 50, 700).astype(float)}
    own = Reference("test", 300, {name: Baseline.of(chance.random(300) * 30) for name in every}, Vocabulary.of(()), ())
    live, said, start = Live(own, Rule(window=150)), list[tuple[Drifted, ...]](), 0
    for size in (1, 149, 10, 330, 5, 205):
        said += live.add({name: each[start : start + size] for name, each in every.items()})
        start += size
    whole = [
        judged(own, {name: each[n : n + 150] for name, each in every.items()}, live.rule) for n in range(0, 600, 150)
    ]
    assert said == whole
    assert live.closed == 4
    assert live.last == whole[-1]


def test_files_of_monitoring_are_shown_together_and_others_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Drifted(measure=LENGTH, own=3, here=9, psi=1.25, p=0.0, alarm=True)
    seen = Monitored(
        rule=Rule(), split="test", own_rows=10, rows=500, windows=(Window(first=1, last=500, drift=(one,)),)
    )
    for task in ("a", 'b"\\\n'):
        write_metrics(tmp_path / f"{task[0]}.prom", task, seen)
    (tmp_path / "other.prom").write_text(f'chartune_monitor_psi{{task="a",measure="x"}} 1\nup{{job="{RARE}"}} 1\n')
    files = [tmp_path / name for name in ("a.prom", "b.prom", "other.prom", "missing.prom")]
    shown = shown_files(files)
    assert shown.count("# TYPE chartune_monitor_psi gauge") == 1
    assert f'chartune_monitor_psi{{task="a",measure="{LENGTH}"}} 1.25' in shown
    assert f'chartune_monitor_alarm{{task="b\\"\\\\\\n",measure="{LENGTH}"}} 1' in shown
    assert (RARE in shown, 'measure="x"' in shown) == (False, False)
    assert "other.prom is not shown in /metrics" in capsys.readouterr().err


def test_the_metrics_of_a_service_end_with_the_files(bank: Bank, tmp_path: Path) -> None:
    queue = Queue(bank, 100_000)
    app = service(bank, Limits(), queue, files=[tmp_path / "a.prom"])
    assert "chartune_monitor" not in ask(app, "GET", "/metrics").text
    seen = Monitored(rule=Rule(), split="test", own_rows=10, rows=500, windows=(Window(first=1, last=500, drift=()),))
    write_metrics(tmp_path / "a.prom", "a", seen)
    assert ask(app, "GET", "/metrics").text.endswith('chartune_monitor_windows{task="a"} 1\n')
    queue.close()
