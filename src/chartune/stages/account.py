"""The account of a run: what was done, how well and at what cost.

run.json · scores.json · cost.json · MODEL_CARD.md, where weights are kept
"""

import json
from pathlib import Path
from typing import Any

from chartune.quantities import Cost, Estimate
from chartune.report.card import KEPT, MODEL_CARD, model_card
from chartune.runs.nll import NLL
from chartune.runs.record import RUN, RunRecord
from chartune.runs.run import PREDICTIONS
from chartune.store import write_bytes, write_json
from chartune.tasks.dataset import Dataset
from chartune.tasks.frames import read_frame

Scores = dict[str, dict[str, Estimate]]
"""Split → metric → score."""


def write_account(folder: Path, about: RunRecord, scores: Scores, cost: Cost, dataset: Dataset) -> None:
    """What was done, how well and at what cost; where weights are kept, also as a card for people."""
    write_json(folder / RUN, about.to_json())
    write_json(folder / "scores.json", _plain(scores))
    write_json(folder / "cost.json", cost.to_json())
    if about.kind in KEPT:
        versions = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        rows, read = folder / PREDICTIONS, folder / NLL
        predicted = read_frame(rows, ["split", "subject_id", "label"]) if rows.is_file() else None
        predicted = read_frame(read, ["split", "subject_id"]) if read.is_file() else predicted
        write_bytes(folder / MODEL_CARD, model_card(about, scores, cost, versions, dataset, predicted).encode())


def _plain(scores: Scores) -> dict[str, Any]:
    return {split: {metric: estimate.to_json() for metric, estimate in row.items()} for split, row in scores.items()}
