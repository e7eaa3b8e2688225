"""Local workers: warm processes of this machine, each with its own threads and, where there are several, its own GPU.

crew ─numbers─▶ worker 1 (threads, GPU 0) ─answers─▶ crew        what they leave goes through the store
     └────────▶ worker 2 (threads, GPU 1) ─died──▶ the failure of its cell; another worker takes its place
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import joblib

from chartune.errors import RunError
from chartune.log import say
from chartune.studies.sitting import Ended

THREADS: Final = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip
"""Variables that say how many threads a library takes: they are read once, when it is loaded."""
DEVICES: Final = "CUDA_VISIBLE_DEVICES"
END_SECONDS: Final = 10.0
"""So long a worker that was asked a second time to end may take before it is killed."""


def threads_for(workers: int, cores: int | None = None) -> int:
    """Threads of each of so many workers: an equal share of the cores that this process may use, at least one."""
    return max(1, (cores or joblib.cpu_count()) // workers)


def devices_for(workers: int, environment: Mapping[str, str], count: int) -> list[str | None]:
    """What each worker sees of several GPUs: one, in turn; None: the same as this process.

    Args:
        workers: how many there are.
        environment: of this process, which may name the GPUs that it sees.
        count: how many it sees.
    """
    named = [name for name in environment.get(DEVICES, "").split(",") if name]
    seen = named or [str(number) for number in range(count)]
    return [seen[number % len(seen)] if len(seen) > 1 else None for number in range(workers)]


class Worker:
    """A process that does cells, and the threads that listen to it."""

    def __init__(self, job: Path, place: int, environment: Mapping[str, str], answers: "Answers") -> None:
        """Start it; `place`: its number among the workers, from 1."""
        self.place, self.number, self.ready = place, None, False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chartune", "study", "work", str(job)], env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", start_new_session=True,  # Ctrl-C comes to this process alone, which passes it on
        )  # fmt: skip
        self._listeners = [
            threading.Thread(target=_relay, args=(place, self.process.stderr), daemon=True),
            threading.Thread(target=_listen, args=(self, self.process.stdout, answers), daemon=True),
        ]
        for listener in self._listeners:
            listener.start()

    number: int | None
    """Of the cell that it does; None: none."""

    def begin(self, number: int) -> None:
        """Have it do a cell."""
        self.number = number
        self._pipe.write(f"{number}\n")
        self._pipe.flush()

    def end(self) -> None:
        """Have it end: a training under way writes a checkpoint first."""
        if not self._pipe.closed:
            self._pipe.close()

    def wait(self) -> int:
        """Wait until it has ended; its exit code, negative for a signal."""
        code = self.process.wait()
        for listener in self._listeners:
            if listener is not threading.current_thread():
                listener.join()
        return code

    @property
    def _pipe(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin


Answers = queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]
"""What workers say; None: a worker has ended."""


class LocalWorkers:
    """A crew of warm processes on this machine."""

    def __init__(self, job: Path, workers: int, threads: int, devices: Sequence[str | None]) -> None:
        """Workers of a job, none started yet.

        Args:
            job: the file that they read.
            workers: how many there are at most.
            threads: of each.
            devices: what each sees of the GPUs, as of `devices_for`.
        """
        self._job, self._size, self._threads, self._devices = job, workers, threads, devices
        self._workers: dict[int, Worker] = {}
        self._answers: Answers = queue.SimpleQueue()

    @property
    def size(self) -> int:
        """How many cells are done at once."""
        return self._size

    def begin(self, number: int) -> None:
        """Begin a cell on a worker that is free, or on a new one."""
        idle = next((worker for worker in self._workers.values() if worker.number is None), None)
        if idle is None:
            place = next(place for place in range(self._size) if place not in self._workers)
            idle = self._workers[place] = Worker(self._job, place + 1, self._environment(place), self._answers)
        idle.begin(number)

    def ended(self, seconds: float) -> Ended | None:
        """The next cell that has ended.

        Raises:
            RunError: a worker has ended before it could begin.
        """
        try:
            worker, said = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        if said is None:
            return self._lost(worker)
        if "number" not in said:
            worker.ready = True
            return None
        worker.number = None
        return Ended(int(said["number"]), said["state"], str(said["why"]))

    def _lost(self, worker: Worker) -> Ended | None:
        """What the end of a worker means for its cell. Another one takes its place."""
        code, number = worker.wait(), worker.number
        del self._workers[worker.place - 1]
        if not worker.ready:
            raise RunError(
                f"a worker must start before it gets a cell, but worker {worker.place} has ended with "
                f"{ending(code)}; see what it says above, and give the same command again."
            )
        if number is None:
            return None
        if code == 0:
            return Ended(number, "missing", "its worker was asked to end; it resumes from its checkpoint")
        why = f"its worker has ended with {ending(code)}{', perhaps for want of memory' if code == -9 else ''}"
        return Ended(number, "failed", why, died=True)

    def _environment(self, place: int) -> dict[str, str]:
        environment = os.environ | dict.fromkeys(THREADS, str(self._threads))
        device = self._devices[place]
        return environment if device is None else environment | {DEVICES: device}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Have all workers end, and wait for their checkpoints; what interrupts that ends them at once."""
        workers = list(self._workers.values())
        busy = sum(worker.number is not None for worker in workers)
        if busy:
            say(f"ending: {busy} workers write checkpoints when their steps have been done; again to end at once")
        try:
            for worker in workers:
                worker.end()
            for worker in workers:
                worker.wait()
        except BaseException:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                _killed_after(worker.process, END_SECONDS)
            raise


def _killed_after(process: "subprocess.Popen[str]", seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ending(code: int) -> str:
    """How a process has ended, by its exit code."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _relay(place: int, lines: IO[str]) -> None:
    """What a worker says to people is said here, with its number."""
    with lines:
        for line in lines:
            say(f"[{place}] {line.rstrip()}")


def _listen(worker: Worker, lines: IO[str], answers: Answers) -> None:
    with lines:
        for line in lines:
            answers.put((worker, json.loads(line)))
    answers.put((worker, None))
