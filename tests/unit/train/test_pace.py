"""Pace: rate and memory beside the loss, in no more digits than may be shown."""

from contextlib import nullcontext

import pytest

from chartune.log import PROGRESS_SECONDS, progress, unseen
from chartune.train.meter import PeakMemory, peak_bytes
from chartune.train.pace import STEPS, Pace


@pytest.mark.parametrize(("real", "rate"), [(False, "3,120"), (True, "3,000")])
def test_loss_rate_and_memory_are_said_beside_the_time_left_also_without_a_terminal(
    real: bool, rate: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PROGRESS_SECONDS, "1e-9")
    monkeypatch.setattr("chartune.train.pace.peak_bytes", lambda: 1536 << 20)
    pace = Pace()
    pace.stepped(3120, 1.0)
    with progress("fine-tune x", 4) as meter, unseen() if real else nullcontext():
        meter.show(pace.remark(0.6931))
        meter.advance()
    line = capsys.readouterr().err.strip()
    assert line.startswith("fine-tune x: 25% done, ")
    assert line.endswith(f" left, loss 0.693, {rate} tokens/s, peak 1.5 GiB")


def test_the_rate_is_that_of_the_last_steps_and_of_tokens_alone() -> None:
    pace = Pace()
    assert pace.rate == 0.0
    pace.stepped(1_000_000, 1.0)  # long ago
    for _ in range(STEPS):
        pace.stepped(100, 0.5)
    assert pace.rate == 200
    heads = Pace(in_tokens=False)
    heads.stepped(8, 1.0)
    assert "tokens/s" not in heads.remark(0.5)


def test_the_peak_so_far_is_that_of_the_innermost_measurement() -> None:
    assert peak_bytes() > 1e6
    with PeakMemory():
        with PeakMemory() as inner:
            inner.bytes = 1 << 50
            assert peak_bytes() == 1 << 50
        assert peak_bytes() < 1 << 50
