"""What each worker gets: its share of the cores, and one of several GPUs; and what a time limit is."""

import os
import signal
import threading

import pytest

from chartune.cli.study_work import means_of, seconds_of
from chartune.errors import ConfigError
from chartune.studies.local_workers import devices_for, threads_for
from chartune.studies.worker import _numbers


@pytest.mark.parametrize(("workers", "cores", "threads"), [(1, 8, 8), (3, 8, 2), (2, 1, 1), (16, 8, 1)])
def test_workers_share_the_cores(workers: int, cores: int, threads: int) -> None:
    assert threads_for(workers, cores) == threads


def test_each_worker_sees_one_of_several_gpus_and_one_gpu_is_left_to_all() -> None:
    assert devices_for(3, {}, 2) == ["0", "1", "0"]
    assert devices_for(2, {"CUDA_VISIBLE_DEVICES": "4,7"}, 2) == ["4", "7"]
    assert devices_for(2, {}, 1) == [None, None]
    assert devices_for(2, {}, 0) == [None, None]


def test_a_worker_ends_with_its_commands_though_the_signal_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finalizer swallows what a signal raises in it."""
    signals = list[int]()
    monkeypatch.setattr("chartune.studies.worker.os.kill", lambda _, number: signals.append(number))
    commands, said = os.pipe()
    os.write(said, b"3\n1")
    os.write(said, b"2\n")
    os.close(said)
    numbers = list[int]()
    reading = threading.Thread(target=lambda: numbers.extend(_numbers(commands)), daemon=True)
    reading.start()
    reading.join(120)
    assert not reading.is_alive()
    assert (numbers, signals) == ([3, 12], [signal.SIGTERM])


@pytest.mark.parametrize(
    ("text", "seconds"), [("6h", 21600), ("1h30m", 5400), ("90m", 5400), ("45 min", 2700), ("2d", 172800), ("30s", 30)]
)
def test_a_time_limit_is_a_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["6", "", "h", "6h later", "-6x"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--time-limit must be a time such as 6h"):
        seconds_of(text)


def test_threads_are_those_of_workers() -> None:
    with pytest.raises(ConfigError, match=r"give --workers, too"):
        means_of(None, 2, None, None, retry_failed=False)
