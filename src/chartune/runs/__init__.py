"""What happened: a read-only view of each finished run's folder, and all of them as one frame."""

from chartune.runs.ledger import find_run, finished_runs, ledger
from chartune.runs.record import Layer, RunRecord
from chartune.runs.run import START, Run

__all__ = ["START", "Layer", "Run", "RunRecord", "find_run", "finished_runs", "ledger"]
