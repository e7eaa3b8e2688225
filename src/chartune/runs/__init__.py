"""What happened: a read-only view of each finished run's folder, and all of them as one frame."""

from chartune.runs.ledger import find_run, finished_runs, ledger
from chartune.runs.run import Layer, Run

__all__ = ["Layer", "Run", "find_run", "finished_runs", "ledger"]
