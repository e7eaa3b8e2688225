"""What verification costs: seconds of hashing files that are opened, as a share of the wall time of the demo's stages.

    demo.yaml on a made-up hospital ─▶ prepare · pretrain · finetune … · TF-IDF
                                                 └─▶ seconds in `chartune.artefact`, and of the stage

python benchmarks/verification.py [patients]

Whole stages in one process, as `chartune demo` runs them: what a stage has hashed the next one does not hash again. A
line per stage, as soon as it ends.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from chartune.artefact import Artefact
from chartune.runner import run
from chartune.studies.demo import demo
from chartune.tasks.prepare import prepare

LIMIT: Final = 0.05
"""Share of a stage's wall time that verification may take."""


class Meter:
    """Seconds of stages, and how many of them went into verification."""

    def __init__(self) -> None:
        self.spent, self.worst = 0.0, 0.0

    def verifying(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """A way into an artefact whose seconds are added up."""

        def timed(*given: Any) -> Any:
            clock = time.perf_counter()
            try:
                return act(*given)
            finally:
                self.spent += time.perf_counter() - clock

        return timed

    def staged(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """A stage that ends with its line."""

        def timed(asked: Any, store: Any) -> Any:
            before, clock = self.spent, time.perf_counter()
            done = act(asked, store)
            self.tell(getattr(done, "name", "prepare"), self.spent - before, time.perf_counter() - clock)
            return done

        return timed

    def tell(self, name: str, spent: float, whole: float) -> None:
        """Print a stage's line."""
        self.worst = max(self.worst, spent / whole)
        print(f"{name:<30} {spent:8.3f} s of {whole:8.1f} s  {100 * spent / whole:6.2f} %", flush=True)


def main() -> None:
    """Print a line per stage; the last says whether the limit holds."""
    patients, meter = int((sys.argv[1:] or ["1200"])[0]), Meter()
    with (
        tempfile.TemporaryDirectory() as place,
        patch.object(Artefact, "file", meter.verifying(Artefact.file)),
        patch.object(Artefact, "whole", meter.verifying(Artefact.whole)),
        patch("chartune.studies.checks.prepare", meter.staged(prepare)),
        patch("chartune.studies.attempt.run", meter.staged(run)),
    ):
        demo(Path(place), base="small-llama", subjects=patients)
    holds = "holds" if meter.worst <= LIMIT else "BROKEN"
    print(f"worst {100 * meter.worst:.2f} %, allowed {100 * LIMIT:.0f} %: {holds}")


if __name__ == "__main__":
    main()
