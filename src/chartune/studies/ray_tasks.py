"""Ray: the cells of a study as tasks of a cluster; each is a process of the command line, its results by the store.

crew ─number─▶ task (cores, no retries) ─▶ `chartune study cell` ─▶ store        nothing of ours is pickled, no result
     ◀─────────exit code, state, why──────┘                                      passes through Ray
"""

import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chartune.extras import installed
from chartune.log import say
from chartune.studies.local_workers import THREADS, ending
from chartune.studies.ray_cell import done_by
from chartune.studies.sitting import Ended

LOOPBACK: Final = "127.0.0.1"
OBJECT_BYTES: Final = 100 << 20
"""Of Ray's object store, which holds none of our results."""
END_SECONDS: Final = 600.0
"""So long cells may take to write their checkpoints when they are asked to end."""


class RayTasks:
    """A crew of tasks on a Ray cluster; without an address on one of its own, which this machine alone can reach."""

    def __init__(self, job: Path, workers: int, threads: int, address: str | None = None) -> None:
        """Tasks of a job.

        Args:
            job: the file that their processes read, where all machines see it.
            workers: how many there are at most.
            threads: of each, and how many of the cluster's cores it takes.
            address: of the cluster, as Ray takes it; None: one is started here and ends with the crew.
        """
        self._job, self._size, self._threads, self._address = job, workers, threads, address
        self._under_way: dict[Any, int] = {}
        self._ray: Any = None

    @property
    def size(self) -> int:
        """How many cells are done at once."""
        return self._size

    def __enter__(self) -> Self:
        """Join the cluster. Raises ConfigError: Ray is not installed."""
        with installed("ray", "--executor ray needs Ray", "use --workers"):
            import ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own: dict[str, Any] = {
            "num_cpus": self._size * self._threads, "include_dashboard": False,
            "object_store_memory": OBJECT_BYTES, "_node_ip_address": LOOPBACK,
        }  # fmt: skip
        before = signal.getsignal(signal.SIGTERM)
        ray.init(address=self._address or "local", log_to_driver=True, **({} if self._address else own))
        signal.signal(signal.SIGTERM, before)  # Ray puts its own there
        self._ray = ray
        return self

    def begin(self, number: int) -> None:
        """Begin a cell."""
        words = [sys.executable, "-m", "chartune", "study", "cell", str(self._job), str(number)]
        threads = dict.fromkeys(THREADS, str(self._threads))
        task = self._ray.remote(num_cpus=self._threads, max_retries=0)(done_by)
        self._under_way[task.remote(words, threads, os.getcwd())] = number

    def ended(self, seconds: float) -> Ended | None:
        """The next cell that has ended."""
        ready, _ = self._ray.wait(list(self._under_way), num_returns=1, timeout=seconds)
        if not ready:
            return None
        number = self._under_way.pop(ready[0])
        try:
            code, said = self._ray.get(ready[0])
        except self._ray.exceptions.RayError as error:
            return Ended(number, "failed", f"its task has ended with {type(error).__name__}", died=True)
        answer = _answer(said)
        if answer is None:
            return Ended(number, "failed", f"its process has ended with {ending(code)}", died=True)
        return Ended(number, answer["state"], answer["why"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Have all cells end at checkpoints, and leave the cluster."""
        try:
            if self._under_way:
                say(f"ending: {len(self._under_way)} cells write checkpoints when their steps have been done")
                for task in self._under_way:
                    self._ray.cancel(task, force=False)
                self._ray.wait(list(self._under_way), num_returns=len(self._under_way), timeout=END_SECONDS)
        finally:
            self._ray.shutdown()


def _answer(said: str) -> dict[str, Any] | None:
    """The last line that a cell's process has printed; None: it is none."""
    try:
        answer = json.loads(said.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and {"state", "why"} <= set(answer) else None
