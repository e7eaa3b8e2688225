"""Stand-ins for Slurm's commands: an array is run at once, task after task; what is put back is run again."""

import stat
import sys
from pathlib import Path
from typing import Final

_SBATCH: Final = '''#!{python}
"""Runs an array at once, task after task; the first task of the first array may be asked to end as it trains."""
import os, pathlib, signal, subprocess, sys, time
here, runs = pathlib.Path({here!r}), {runs!r}
flags = dict(word[2:].partition("=")[::2] for word in sys.argv[1:-1])
number = str(1 + len(list(here.glob("array-*"))))
(here / f"array-{{number}}").write_text("\\n".join(sys.argv[1:]))
asked = runs is None or number != "1"
for task in flags["array"].partition("%")[0].split(","):
    environment = os.environ | {{"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": task,
                                "PATH": f"{{here}}:{{os.environ['PATH']}}"}}
    while True:
        with (here / f"log-{{number}}-{{task}}").open("ab") as log:
            process = subprocess.Popen(["bash", sys.argv[-1]], env=environment, stdout=log, stderr=log)
            while not asked and process.poll() is None:
                files = pathlib.Path(runs).glob("*.partial/events.jsonl")
                if any('"loss"' in file.read_text() for file in files):
                    asked = True
                    process.send_signal(signal.SIGUSR1)
                time.sleep(0.01)
            process.wait()
        requeued = here / f"requeued-{{number}}_{{task}}"
        if not requeued.exists():
            break
        requeued.rename(here / f"seen-{{number}}_{{task}}")
print(number)
'''
_SCONTROL: Final = '#!/bin/bash\ntest "$1" = requeue && touch "{here}/requeued-$2"\n'


def slurm_stand_in(folder: Path, runs: Path | None = None) -> Path:
    """Write `sbatch` and `scontrol`, which keep there what they are given, and return `sbatch`.

    Args:
        folder: is made.
        runs: of the store whose first training is asked to end; None: none is.
    """
    folder.mkdir()
    at = None if runs is None else str(runs)
    for name, text in (
        ("sbatch", _SBATCH.format(python=sys.executable, here=str(folder), runs=at)),
        ("scontrol", _SCONTROL.format(here=folder)),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)
    return folder / "sbatch"
