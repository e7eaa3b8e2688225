"""What keeping freed memory brings: chartune's training and reading with and without it, in processes of their own.

    a new process ─ chartune.allocator as it is, or switched off ─ one pass that warms up, one that is measured
                                                       └─▶ processor seconds (user, system), page faults, peak memory

python benchmarks/allocator.py

The ways take turns; medians and the ratio are printed. Processor seconds do not depend on what else the machine does.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from chartune.allocator import SWITCH
from chartune.testing.peak import peak_bytes
from training_step import make, minilm_or_twin, token_lists

ROUNDS: Final = 3
WORK: Final = ("train", "read")


def main() -> None:
    """Measure and print; with the name of a piece of work: do that one and print its cost."""
    if len(sys.argv) > 1:
        _measured(sys.argv[1])
        return
    for work in WORK:
        costs: dict[str, list[list[float]]] = {"system": [], "kept": []}
        for _ in range(ROUNDS):
            for way, rounds in costs.items():
                done = subprocess.run(
                    [sys.executable, __file__, work], env=os.environ | {SWITCH: way, "OMP_NUM_THREADS": "1"},
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                rounds.append([float(word) for word in done.stdout.split()])
        middle = {way: [median(column) for column in zip(*rounds, strict=True)] for way, rounds in costs.items()}
        for way, (seconds, system, faults, peak) in middle.items():
            print(
                f"{work}, {way:6}  {seconds:6.2f} CPU s ({system:.2f} system)  {faults:9,.0f} faults  {peak:6,.0f} MiB"
            )
        print(f"{work}: {middle['system'][0] / middle['kept'][0]:.2f} x as fast\n")


def _measured(work: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        act = getattr(make("chartune", minilm_or_twin(Path(folder)), token_lists()), work)
    act()
    before = resource.getrusage(resource.RUSAGE_SELF)
    act()
    after = resource.getrusage(resource.RUSAGE_SELF)
    system = after.ru_stime - before.ru_stime
    seconds = after.ru_utime - before.ru_utime + system
    print(seconds, system, after.ru_minflt - before.ru_minflt, peak_bytes() / 2**20)


if __name__ == "__main__":
    main()
