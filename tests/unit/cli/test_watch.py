"""`chartune watch`: the curves of a run while it goes on and when it has ended, as they may be shown."""

import json
import os
import shutil
import sys
from dataclasses import asdict, replace
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from chartune.cli import main
from chartune.cli.picture import HEIGHT, WIDTH, drawn
from chartune.cli.watch import follow, view
from chartune.disclosure import is_made_up
from chartune.log import Event
from chartune.runs.begun import FAILED, begun
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune

MACHINE = {"tokens_per_second": 3127.0, "peak_bytes": 3 << 30}


@pytest.fixture(scope="module", params=["made-up", "mimic3"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.two_runs(tmp_path_factory.mktemp("past") / "store", request.param)


@pytest.fixture
def going(finished: Store, tmp_path: Path) -> Path:
    """The folder of a run of made-up patients that is half done, ten seconds a step."""
    store = Store(tmp_path / "store").open()
    shutil.copytree(finished.root / "data", store.root / "data")
    folder = store.partial("runs", past.LORA)
    shutil.copy(finished.root / "runs" / past.LORA / "run.json", folder)
    write(folder, 5)
    return folder


def write(folder: Path, steps: int, planned: int = 40) -> None:
    events = [Event(n, "loss", 1 / n, time=1000.0 + 10 * n, planned=planned) for n in range(1, steps + 1)]
    events += [Event(steps, "auroc", 0.612345, "validation", planned=planned)]
    events += [Event(steps, name, value, "machine", planned=planned) for name, value in MACHINE.items()]
    text = "".join(json.dumps(asdict(event)) + "\n" for event in events)
    (folder / "events.jsonl").write_text(text + '{"step": 6, "na')  # the line that is being written


def is_real(store: Store) -> bool:
    (data,) = store.artefacts("data")
    return not is_made_up(read_dataset(data).source)


def test_a_finished_run_is_drawn_once_in_plain_characters(finished: Store) -> None:
    said = chartune("watch", "LoRA on small-llama", "--store", finished.root)
    assert (said.code, said.err) == (0, "")
    assert said.out.isascii()
    assert said.out.startswith(f"LoRA on small-llama  (finetune {past.LORA})\n[")
    assert "100%  finished" in said.out
    assert "training loss from" in said.out
    assert "validation auroc from" in said.out
    assert "rate not measured, peak memory not measured" in said.out
    assert max(map(len, said.out.splitlines())) <= 100
    assert ("from 1 to 288 optimizer steps" in said.out) is not is_real(finished)  # the last step counts the texts
    assert ("from 4 to 100 % of the training" in said.out) is is_real(finished)


def test_the_adaptation_shows_its_perplexity(finished: Store) -> None:
    found = json.loads(chartune("watch", past.PRETRAIN, "--once", "--json", "--store", finished.root).out)
    assert list(found["curves"]) == ["training loss", "validation perplexity"]
    assert (found["state"], found["share"], found["figures"]) == (
        "finished", 1.0, "rounded" if is_real(finished) else "exact",
    )  # fmt: skip
    assert len(found["curves"]["training loss"]) == (24 if is_real(finished) else 600)
    exact = json.loads(chartune("watch", past.PRETRAIN, "--json", "--exact-counts", "--store", finished.root).out)
    assert len(exact["curves"]["training loss"]) == 600
    assert exact["do_not_release"] is is_real(finished)


def test_a_run_that_goes_on_says_rate_memory_and_time_left(going: Path) -> None:
    store = Store(going.parents[1])
    interrupted = chartune("watch", past.LORA[:6], "--store", store.root)
    assert "12%  interrupted: give its command again to resume" in interrupted.out
    (going / FAILED).write_text('{"error": "Diverged"}')
    assert "12%  diverged: its command diverges again" in chartune("watch", past.LORA[:6], "--store", store.root).out
    with store.lease("runs", past.LORA):
        said = chartune("watch", "LoRA on small-llama", "--once", "--store", store.root)
    assert "12%  running\n" in said.out
    rate = "3,000" if is_real(store) else "3,127"
    assert f"{rate} tokens/s, peak memory 3.0 GiB, 5 min 50 s left" in said.out
    assert ("0.6123" in said.out) is not is_real(store)


def test_a_night_between_two_attempts_is_no_step(going: Path) -> None:
    run = begun(Store(going.parents[1]), past.LORA)
    later = [replace(e, time=e.time + 40_000 * (e.step > 3)) for e in run.events]
    assert replace(run, events=later).seconds_left() == run.seconds_left() == 350
    assert replace(run, events=[]).seconds_left() is None


def test_watching_follows_the_file_and_ends_with_the_run(
    going: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, steps = Store(going.parents[1]), iter((20, 40))
    lease = store.lease("runs", past.LORA)
    lease.__enter__()

    def pause(seconds: float) -> None:
        step = next(steps)
        write(going, step)
        if step == 40:
            lease.__exit__(None, None, None)

    monkeypatch.setattr("chartune.cli.watch.time.sleep", pause)
    follow(lambda: view(store, past.LORA, False), None, terminal=False)
    shown = capsys.readouterr().out
    assert [line.split("] ")[1] for line in shown.splitlines() if line.startswith("[")] == [
        "12%  running", "50%  running", "100%  interrupted: give its command again to resume",
    ]  # fmt: skip


def test_on_a_terminal_it_is_drawn_in_place(going: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(going.parents[1])
    monkeypatch.setattr("chartune.cli.watch.time.sleep", lambda seconds: pytest.fail("it does not run"))
    follow(lambda: view(store, past.LORA, False), 0.5, terminal=True)


def test_a_terminal_that_has_no_umlauts_shows_their_numbers(going: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    monkeypatch.setattr(os, "umask", lambda _: 0)
    about = json.loads((going / "run.json").read_text())
    (going / "run.json").write_text(json.dumps(about | {"name": "Größe"}))
    seen = partial(view, Store(going.parents[1]), past.LORA, False)
    monkeypatch.setattr("chartune.cli.app", lambda: follow(seen, 0.5, terminal=True))
    main()
    plain.seek(0)
    assert r"Gr\xf6\xdfe" in plain.read()


def test_a_lease_of_another_machine_is_believed(going: Path) -> None:
    store = Store(going.parents[1])
    with store.lease("runs", past.LORA):
        lease = going.with_name(f"{past.LORA}.lease")
        holder = json.loads(lease.read_text())
    lease.write_text(json.dumps(holder | {"host": "ward-7"}))
    assert "running on ward-7, as its lease says" in chartune("watch", past.LORA, "--once", "--store", store.root).out
    lease.write_text(json.dumps(holder | {"pid": 2**22 + 1, "started": 1.0}))
    assert "interrupted" in chartune("watch", past.LORA, "--once", "--store", store.root).out


def test_a_damaged_file_of_events_is_read_as_far_as_it_goes(going: Path) -> None:
    odd = [Event(2, "loss", float("nan"), planned=40), Event(-4, "loss", 1.0), Event(3, "loss", float("inf"))]
    (going / "events.jsonl").write_text("".join(json.dumps(asdict(event)) + "\n" for event in odd) + "\x00{[")
    said = chartune("watch", past.LORA, "--store", going.parents[1])
    assert (said.code, "no curve to show yet" in said.out) == (0, True)
    os.unlink(going / "events.jsonl")
    assert "no curve to show yet" in chartune("watch", past.LORA, "--store", going.parents[1]).out


HUGE = "1" + 400 * "0"


@pytest.mark.parametrize(
    "damage",
    [{"step": "Infinity"}, {"step": "NaN"}, {"step": HUGE}, {"step": "1.5"}, {"planned": HUGE}, {"planned": "Infinity"},
     {"tokens": "-1"}, {"value": HUGE}, {"value": "true"}, {"time": "Infinity"}, {"time": "NaN"}, {"time": HUGE},
     {"name": '"a\\u001b[2J"'}, {"split": '"a\\nb"'}, {"split": "7"}, {"step": "null"}],
)  # fmt: skip
def test_numbers_that_no_run_has_are_damage_and_what_a_later_version_says_besides_is_left_out(
    going: Path, damage: dict[str, str]
) -> None:
    whole = {
        "step": "3",
        "name": '"loss"',
        "value": "0.5",
        "split": '"train"',
        "tokens": "9",
        "time": "1.5",
        "planned": "4",
    }
    lines = [whole | damage, whole | {"later": "[]"}]
    rows = ["{" + ", ".join(f'"{name}": {value}' for name, value in line.items()) + "}\n" for line in lines]
    (going / "events.jsonl").write_text("".join(rows))
    assert begun(Store(going.parents[1]), past.LORA).events == [Event(3, "loss", 0.5, tokens=9, time=1.5, planned=4)]
    assert chartune("watch", past.LORA, "--store", going.parents[1]).code == 0


def test_a_run_that_is_unknown_ambiguous_or_damaged_is_refused(going: Path) -> None:
    store = going.parents[1]
    assert "none is named 'nobody'" in chartune("watch", "nobody", "--store", store).err
    shutil.copytree(going, going.with_name(f"{past.LORA[:8]}deadbeef.partial"))
    refused = chartune("watch", past.LORA[:4], "--store", store)
    assert (refused.code, "fits 2 that have not ended" in refused.err) == (2, True)
    (going / "run.json").write_text('{"kind": 7}')
    refused = chartune("watch", past.LORA, "--store", store)
    assert (refused.code, "run.json must describe a run" in refused.err) == (7, True)


def test_a_curve_has_its_extremes_at_the_edges() -> None:
    lines = drawn("loss", [1, 2, 3], [3.0, 2.0, 1.0])
    assert lines[0].startswith("         3 |*")
    assert lines[HEIGHT - 1] == f"         1 |{' ' * (WIDTH - 1)}*"
    level = drawn("flat", [5], [0.25])
    assert sum("*" in line for line in level) == 1
    assert any("0.25" in line for line in level)
