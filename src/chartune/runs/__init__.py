"""What happened: a read-only view of each finished run's folder, and all of them as one frame."""

from chartune.runs.ledger import find_run, finished_runs, ledger
from chartune.runs.run import START, Layer, Run

__all__ = ["START", "Layer", "Run", "find_run", "finished_runs", "ledger"]
