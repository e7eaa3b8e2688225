"""What verification costs: seconds of hashing files that are opened, as a share of the stages' wall time.

    made-up hospital ─▶ prepare · pretrain · finetune (stacked) · TF-IDF, each in a process of its own, small
                                                     └─▶ seconds in `chartune.artefact`, and of the stage

python benchmarks/verification.py [patients [words for every training …]]

With no words the small LLaMA is made and trained on as in the demo; `--base FOLDER --set …` makes stages shorter, and
the share larger.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

LIMIT: Final = 0.05
"""Share of a stage's wall time that verification may take."""
TRIAL: Final = """
import sys, time
import chartune.artefact as house
spent, open_now = 0.0, house.Artefact.file
whole_now = house.Artefact.whole
def timed(act):
    def run(*given):
        global spent
        clock = time.perf_counter()
        try:
            return act(*given)
        finally:
            spent += time.perf_counter() - clock
    return run
house.Artefact.file, house.Artefact.whole = timed(open_now), timed(whole_now)
from chartune.cli import main
clock = time.perf_counter()
try:
    main()
except SystemExit as ended:
    if ended.code: raise
print(f"SPENT {spent} {time.perf_counter() - clock}", file=sys.stderr)
"""


def cost(*words: object) -> tuple[float, float]:
    """Seconds of verification and of the whole command, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TRIAL, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    line = next(line for line in done.stderr.splitlines() if line.startswith("SPENT"))
    spent, whole = map(float, line.split()[1:])
    return spent, whole


def main() -> None:
    """Print a line per stage; the last says whether the limit holds."""
    patients, *more = sys.argv[1:] or ["1500"]
    with tempfile.TemporaryDirectory() as place:
        raw, store = Path(place) / "hospital", Path(place) / "store"
        cost("make-hospital", "--out", raw, "--subjects", patients)
        stages = {
            "prepare": ("prepare", raw),
            "pretrain": ("pretrain", raw, "--name", "clinical", *more),
            "finetune, stacked": ("finetune", raw, "--clinical", "clinical", *more),
            "TF-IDF": ("finetune", raw, "--method", "tfidf"),
        }
        worst = 0.0
        for name, words in stages.items():
            spent, whole = cost(*words, "--store", store)
            worst = max(worst, spent / whole)
            print(f"{name:<18} {spent:8.3f} s of {whole:8.1f} s  {100 * spent / whole:6.2f} %", flush=True)
        print(f"worst {100 * worst:.2f} %, allowed {100 * LIMIT:.0f} %: {'holds' if worst <= LIMIT else 'BROKEN'}")


if __name__ == "__main__":
    main()
