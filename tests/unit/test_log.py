"""Events: every number once, in a file that survives a crash, to whoever listens."""

import threading
from pathlib import Path

import pytest
from rich.console import Console

from chartune import log
from chartune.errors import ConfigError
from chartune.log import PROGRESS_SECONDS, Event, EventLog, console_sink, listening, progress, say, unseen

Clock = list[float]


def test_an_event_is_on_disk_at_once_and_heard_by_the_sinks(tmp_path: Path) -> None:
    heard: list[Event] = []
    with EventLog(tmp_path / "events.jsonl") as log, listening(heard.append):
        log.record(3, "loss", 0.5, tokens=70)
        assert EventLog.read(tmp_path / "events.jsonl") == heard
    assert (heard[0].step, heard[0].name, heard[0].value, heard[0].tokens) == (3, "loss", 0.5, 70)


def test_a_line_cut_off_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.record(1, "loss", 0.5)
    path.write_text(path.read_text() + '{"step": 2, "na')
    assert [event.step for event in EventLog.read(path)] == [1]


def test_a_resumed_run_forgets_what_it_will_measure_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for step in range(1, 6):
            log.record(step, "loss", step)
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "events.tmp").symlink_to(tmp_path / "victim")
    EventLog.rewind(path, 3)
    assert [event.step for event in EventLog.read(path)] == [1, 2, 3]
    assert (tmp_path / "victim").read_text() == "mine"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_console_is_told_of_held_out_numbers_only(capsys: pytest.CaptureFixture[str]) -> None:
    console_sink(Event(4, "loss", 1.0, "train"))
    console_sink(Event(4, "auroc", 0.75, "validation"))
    output = capsys.readouterr().err
    assert output.strip() == "step 4: validation auroc 0.75"


def test_steps_and_scores_of_real_patients_are_not_shown_while_they_are_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    with EventLog(tmp_path / "events.jsonl") as log, listening(console_sink), listening(heard.append), unseen():
        log.record(291, "auroc", 0.58731, split="validation")
    assert capsys.readouterr().err == ""
    assert (
        [event.step for event in EventLog.read(tmp_path / "events.jsonl")] == [event.step for event in heard] == [291]
    )
    console_sink(Event(4, "auroc", 0.75, "validation"))
    assert "0.75" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["[red]", "run [bold] of :fire:", "a [/] that closes nothing", "{brace}"])
def test_what_is_said_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], name: str) -> None:
    say(name)
    console_sink(Event(4, name, 0.75, "validation"))
    assert capsys.readouterr().err == f"{name}\n  step 4: validation {name} 0.75\n"


def test_a_bar_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress("preparing [red]x[/red]", 2) as meter:
        meter.show("loss [bold]")
        drawn = log._display
        assert drawn is not None
        console = Console(width=200, markup=False, emoji=False)
        console.print(drawn)
    shown = capsys.readouterr().out
    assert "preparing [red]x[/red]" in shown
    assert "loss [bold]" in shown
    assert "/2" not in shown  # a number of texts


def test_a_thread_beside_the_main_one_leaves_its_display_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    drawn = []

    def read() -> None:
        with progress("read", 2):
            drawn.append(log._display)

    beside = threading.Thread(target=read)
    beside.start()
    beside.join()
    assert drawn == [None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The seconds of a clock that a test moves on."""
    now = [1000.0]
    monkeypatch.setattr("chartune.log.time.monotonic", lambda: now[0])
    monkeypatch.setattr("chartune.log._spoken", 0.0)
    return now


def test_without_a_terminal_a_line_says_share_rate_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("fine-tune x", 2000) as meter:
        meter.move_to(1000)  # resumed: the first half says nothing of the rate
        for _ in range(50):
            clock[0] += 3
            meter.advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[0] == "fine-tune x: 55% done, 10.0% a minute, 4 min left"
    assert lines[-1] == "fine-tune x: 75% done, 10.0% a minute, 2 min left"
    assert not any(count in line for line in lines for count in ("2000", "1000", "1500"))


def test_bars_within_bars_share_one_rhythm(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("outer", 4) as outer:
        for _ in range(4):
            with progress("inner") as inner:
                clock[0] += 40
                inner.advance(7)
            outer.advance()
    assert capsys.readouterr().err.splitlines() == ["inner: 40 s so far"] * 4


@pytest.mark.parametrize(("seconds", "lines"), [("0", 0), ("100", 1), ("", 6), ("29.5", 6)])
def test_how_often_is_said_by_a_variable(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, seconds: str, lines: int
) -> None:
    monkeypatch.setenv(PROGRESS_SECONDS, seconds)
    with progress("read", 10) as meter:
        for _ in range(6):
            clock[0] += 30
            meter.advance()
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("seconds", ["often", "-1", "inf", "nan"])
def test_what_is_no_number_of_seconds_is_refused(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv(PROGRESS_SECONDS, seconds)
    with pytest.raises(ConfigError, match=f"{PROGRESS_SECONDS} must be a number of seconds"), progress("x"):
        pass
