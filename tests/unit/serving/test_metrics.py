"""Metrics: the text that Prometheus reads, in which no note can be seen."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from chartune.errors import ChartuneError
from chartune.prediction.scorer import Reading
from chartune.runs.run import Run
from chartune.serving.asked import Limits
from chartune.serving.bank import Bank
from chartune.serving.bank_file import bank_of, named_runs
from chartune.serving.exposition import Counter, Gauge, Histogram, Of, Registry
from chartune.serving.metrics import Metrics
from chartune.serving.queue import Queue
from chartune.serving.service import service
from chartune.testing.asked import ask
from chartune.testing.attacked_adapters import attacked
from chartune.testing.served_runs import Served, notes

RARE: Final = "zebrafinch"
LINE: Final = re.compile(
    r"# (HELP|TYPE) [a-z_]+ .+"
    r"|[a-z_]+(\{[a-z]+=\"([^\"\\\n]|\\[\\n\"])*\"(,[a-z]+=\"([^\"\\\n]|\\[\\n\"])*\")*\})? (-?[0-9.e+-]+|[+-]Inf|NaN)"
)
"""Of Prometheus' text format, version 0.0.4."""


def numbers(text: str) -> dict[str, float]:
    """Each sample by name and labels."""
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def of(registry: Registry) -> dict[str, float]:
    return numbers(registry.text())


def reading(count: int, cut: int) -> Reading:
    tokens = np.full(count, 7, dtype=np.int64)
    return Reading(np.zeros(count), tokens, tokens, tokens.astype(np.int32), np.arange(count) < cut)


def test_series_are_written_as_prometheus_reads_them() -> None:
    registry = Registry()
    counter = registry.put(Counter("a_total", 'backslash \\ and\nline "quoted"', ("route", "status")))
    counter.add('/a"b\\c\nd', "2xx")
    counter.add("/", "4xx", amount=2)
    registry.put(Gauge("g", "now", lambda: 2.5))
    registry.put(Gauge("h", "none yet", lambda: None))
    seconds = registry.put(Histogram("s", "seconds", (0.1, 1), ("phase",)))
    for value in (0.1, 0.5, 7):
        seconds.observe(value, "all")
    assert registry.text().splitlines() == [
        '# HELP a_total backslash \\\\ and\\nline "quoted"', "# TYPE a_total counter",
        'a_total{route="/",status="4xx"} 2', 'a_total{route="/a\\"b\\\\c\\nd",status="2xx"} 1',
        "# HELP g now", "# TYPE g gauge", "g 2.5", "# HELP h none yet", "# TYPE h gauge",
        "# HELP s seconds", "# TYPE s histogram", 's_bucket{phase="all",le="0.1"} 1', 's_bucket{phase="all",le="1"} 2',
        's_bucket{phase="all",le="+Inf"} 3', 's_sum{phase="all"} 7.6', 's_count{phase="all"} 3',
    ]  # fmt: skip
    numbers(registry.text())


def test_counts_of_notes_are_in_classes_of_ten_and_move_by_ten_notes_of_their_task() -> None:
    registry = Registry()
    high = registry.put(Counter("high_total", "notes", ("task", "decile"), Of.NOTES))
    tokens = registry.put(Counter("tokens_total", "sums", ("task",), Of.SUMS))
    seen = []
    for number in range(1, 31):
        high.add("t", "9" if number < 18 else "0")
        tokens.add("t", amount=100 + number)
        registry.read_notes("t", 1)
        registry.read_notes("other", 9)
        shown = of(registry)
        seen.append((shown['high_total{task="t",decile="9"}'], shown['tokens_total{task="t"}']))
    sums = [sum(100 + each for each in range(1, end + 1)) for end in (10, 20, 30)]
    assert seen == [(0, 0)] * 9 + [(10, sums[0])] * 10 + [(10, sums[1])] * 10 + [(10, sums[2])]
    high.add("t", "9", amount=4)  # 21, and ten notes were not read
    assert of(registry)['high_total{task="t",decile="9"}'] == 10
    registry.read_notes("t", 10)
    assert of(registry)['high_total{task="t",decile="9"}'] == 20


def test_what_counts_notes_must_name_their_task_and_every_name_is_taken_once() -> None:
    for labels in ((), ("decile", "task")):
        with pytest.raises(ValueError, match="task as its first label"):
            Counter("a_total", "notes", labels, Of.NOTES)
    with pytest.raises(ValueError, match="lower-case"):
        Counter("a-b", "hyphen")
    registry = Registry()
    registry.put(Counter("a_total", "one"))
    with pytest.raises(ValueError, match="is taken"):
        registry.put(Counter("a_total", "two"))
    assert Metrics().registry is not Metrics().registry


def test_notes_truncated_and_asked_are_hidden_below_ten() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.answered("/v1/score", 200, 0.2, ("t",))
        metrics.scored("t", reading(3, cut=3))
    shown = of(metrics.registry)
    hidden = ("notes_total", "notes_truncated_total", "tokens_read_total", 'task_requests_total{task="t",status="2xx"}')
    names = [f"chartune_{name}" if "{" in name else f'chartune_{name}{{task="t"}}' for name in hidden]
    assert [shown[name] for name in names] == [0, 0, 0, 0]
    assert shown['chartune_requests_total{route="/v1/score",status="2xx"}'] == 3
    metrics.scored("t", reading(4, cut=0))
    shown = of(metrics.registry)
    assert [shown[name] for name in names] == [10, 0, 91, 0]


@pytest.fixture(scope="module")
def bank(served: Served) -> Bank:
    return bank_of(named_runs(["rslora", "pairs"], served.store), served.store)


def test_a_service_counts_requests_phases_notes_and_its_bank(bank: Bank, served: Served) -> None:
    queue = Queue(bank, 100_000)
    app: Any = service(bank, Limits(), queue)
    body = {"notes": [{"id": RARE, "text": f"{RARE} {text}"} for text in notes(12, seed=3, longest=90)]}
    assert ask(app, "POST", "/v1/score", {**body, "tasks": ["rslora"]}).status == 200
    assert ask(app, "POST", "/v1/score", {**body, "tasks": [RARE]}).status == 404
    assert ask(app, "GET", f"/{RARE}/1").status == 404
    said = ask(app, "GET", "/metrics")
    queue.close()
    assert said.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert RARE not in said.text
    shown = numbers(said.text)
    requests = {name: value for name, value in shown.items() if name.startswith("chartune_requests_total")}
    assert requests == {
        'chartune_requests_total{route="/v1/score",status="2xx"}': 1,
        'chartune_requests_total{route="/v1/score",status="4xx"}': 1,
        'chartune_requests_total{route="other",status="4xx"}': 1,
    }  # fmt: skip
    counts = [shown[f'chartune_request_seconds_count{{phase="{phase}"}}'] for phase in ("queue", "reading", "all")]
    assert counts == [1, 1, 3]
    assert shown['chartune_notes_total{task="rslora"}'] == 10
    assert 12 < shown['chartune_tokens_read_total{task="rslora"}'] <= 12 * 24
    assert (shown["chartune_tasks"], shown["chartune_adapter_loads_total"], shown["chartune_queue_tokens"]) == (2, 2, 0)
    assert 1 <= shown["chartune_padding_ratio"] < 2
    assert shown["chartune_resident_bytes"] > shown["chartune_bank_bytes"] > 0


def test_tokens_that_wait_are_rounded_and_loads_evictions_and_refusals_are_counted(
    served: Served, tmp_path: Path
) -> None:
    metrics, waiting = Metrics(), 999
    metrics.watch_queue(lambda: waiting)
    assert of(metrics.registry)["chartune_queue_tokens"] == 0
    waiting = 2999
    assert of(metrics.registry)["chartune_queue_tokens"] == 2000
    bank = Bank(served.store)
    metrics.watch_bank(bank)
    assert "chartune_padding_ratio" not in of(metrics.registry)
    bank.load(served.runs["lora"])
    with pytest.raises(ChartuneError):
        bank.load(Run(attacked(served.runs["lora"].path, tmp_path, "no number", 1)), "attacked")
    bank.evict("lora")
    shown = of(metrics.registry)
    assert [shown[f"chartune_adapter_{name}_total"] for name in ("loads", "evictions", "refusals")] == [1, 1, 1]
