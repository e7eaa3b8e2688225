"""About: what a client needs to know of a task before it believes a probability.

`GET /v1/tasks` ─▶ names, labels, hashes     `GET /v1/tasks/{name}` ─▶ and its question, scores, reference, model card
"""

from dataclasses import asdict
from typing import Any, Final

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from chartune.errors import DataError
from chartune.prediction.thresholds import YOUDEN, threshold_for
from chartune.report.card import card_of
from chartune.report.hidden import scored_on
from chartune.report.released import is_exact, scores_json, source_of
from chartune.runs.run import Run
from chartune.serving.asked import chosen_tasks
from chartune.serving.bank import Bank, Task
from chartune.serving.gate import holder_of
from chartune.serving.reference import reference
from chartune.stages.loading import Loaded
from chartune.store import Store
from chartune.tasks.dataset import Dataset, TaskEntry, read_dataset
from chartune.tasks.dataset_card import described

MOST: Final = 64
"""Runs whose answers are kept: they do not change."""


class About(BaseModel):
    """A task in full."""

    about: dict[str, Any] = Field(description="As `GET /v1/tasks` has it.")
    title: str
    question: str
    fictional: bool = Field(description="Whether its patients are made up.")
    source: str
    cohort: dict[str, str] = Field(description="Of whom it was asked, and when.")
    scored_on: str = Field(description="test, or validation where that alone was scored.")
    scores: dict[str, Any] = Field(description="Split → metric → value, low, high; or why it is not shown.")
    measures: dict[str, str] = Field(description="Metric → what people call it, the headline first.")
    recalibration: str
    threshold: dict[str, Any] | None = Field(description="By Youden's index on the validation split, of one outcome.")
    reference: dict[str, Any] = Field(description="Where the probabilities of its own rows lie; or `missing`.")
    card: list[dict[str, Any]] = Field(description="The model card in sections.")


def about(task: Task) -> dict[str, Any]:
    """What a client needs to know of a task to ask it."""
    scorer = task.scorer
    return {
        "name": task.name, "task": scorer.run.task, "answer": scorer.run.answer, "labels": list(scorer.labels),
        "titles": list(scorer.titles), "model": scorer.origin.fingerprint, "adapter": scorer.origin.weights,
        "base": task.base, "pairs": scorer.of_pairs, "max_seq_len": scorer.max_seq_len, "long": scorer.long.kind,
        "recalibrated": scorer.recalibrates(None), "mixed": task.mixed is not None, "apart": task.apart,
        "precision": scorer.resolved.precision, "trained_in": scorer.run.environment.get("precision"),
    }  # fmt: skip


def add_about(app: FastAPI, bank: Bank) -> None:
    """The route of one task."""
    known: dict[str, dict[str, Any]] = {}

    @app.get("/v1/tasks/{name:path}")
    def one_task(name: str, request: Request) -> About:
        task = chosen_tasks(bank, [name], holder_of(request))[0]
        key = task.scorer.origin.fingerprint
        if key not in known:
            while len(known) >= MOST:
                known.pop(next(iter(known)), None)
            known[key] = _of_run(task.scorer, bank.store)
        return About(about=about(task), **known[key])


def _of_run(scorer: Loaded, store: Store) -> dict[str, Any]:
    """What a run says of itself."""
    run = scorer.run
    kept = store.find("data", run.data) if run.data else None
    dataset = read_dataset(kept) if kept else None
    entry = dataset.tasks.get(run.task or "") if dataset else None
    source, fitted = source_of(run), scorer.calibration if scorer.recalibrates(None) else None
    return {
        "title": (entry.title if entry else None) or run.task or "", "question": entry.asked if entry else "",
        "fictional": is_exact(run, exact=False), "source": f"{source.kind} {source.version}".strip(),
        "cohort": _cohort(entry), "scored_on": scored_on(run), "scores": scores_json(run, exact=False),
        "measures": {score.metric: score.title for score in scorer.form.measures},
        "recalibration": f"{fitted.kind} on the {fitted.split} split" if fitted else "raw",
        "threshold": _threshold(scorer), "reference": reference(run, scorer), "card": _card(run, dataset),
    }  # fmt: skip


def _cohort(entry: TaskEntry | None) -> dict[str, str]:
    return described(entry, ("who", "when", "seen", "question", "asked", "scored")) if entry else {}


def _threshold(scorer: Loaded) -> dict[str, Any] | None:
    """Of one outcome, where the validation split has enough cases and controls; rounded, for it lies among patients."""
    if not scorer.form.one_outcome:
        return None
    try:
        chosen = threshold_for(YOUDEN, scorer, scorer.run, recalibrated=None)
    except DataError:
        return None
    return {"value": round(chosen.value, 3), "rule": chosen.rule} if chosen else None


def _card(run: Run, dataset: Dataset | None) -> list[dict[str, Any]]:
    """As it would be written today, without the code that loads a run."""
    return [{**asdict(section), "code": ""} for section in card_of(run, dataset) if not section.code]
