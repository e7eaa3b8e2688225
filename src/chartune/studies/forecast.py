"""Forecast: what the grid of a study would take in time, memory and disk, before anything is trained.

cells ─done?─▶ nothing more · not done ─plan, alike cells once─▶ seconds, peak memory, disk ─▶ per cell, and in sum
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from chartune.errors import ChartuneError
from chartune.planning.plan import Plan, plan
from chartune.planning.prompts import seconds_of_prompts
from chartune.planning.terms import seconds_of_terms
from chartune.quantities import human_bytes, human_seconds
from chartune.search.loop import Result
from chartune.stages.ensemble import Ensemble
from chartune.stages.prior import Prior
from chartune.stages.prompted import Prompted
from chartune.stages.structured import Structured
from chartune.stages.tfidf import Tfidf
from chartune.studies.standing import Survey, needed

NOT_MADE: Final = "its layer from `{}` is not made yet: it is planned by the method that is asked for there"
BORROWED: Final = "planned as the first point of `{}`, whose search chooses its settings"


@dataclass(frozen=True)
class Forecast:
    """What a cell would take. None: not known, or nothing more."""

    cell: str
    """Its title."""
    done: bool = False
    seconds: float | None = None
    peak_bytes: int | None = None
    """Of memory."""
    kept_bytes: int | None = None
    """On disk, afterwards."""
    training_bytes: int | None = None
    """On disk, while it trains."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Bytes of what it puts into the store for all runs, by name: cells on the same texts share them."""
    trainable_parameters: int | None = None
    """Exactly."""
    note: str = ""
    """What is uncertain, or why it cannot be planned."""
    planned: bool = True
    """False: it cannot be planned, for the reason that the note says."""

    def but_slower(self, times: float) -> "Forecast":
        """The same where everything takes so many times as long."""
        return replace(self, seconds=None if self.seconds is None else self.seconds * times)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "cell": self.cell, "done": self.done, "planned": self.planned, "seconds": self.seconds,
            "trainable_parameters": self.trainable_parameters, "peak_bytes": self.peak_bytes,
            "kept_bytes": self.kept_bytes, "shared_bytes": sum(self.parts.values()) if self.planned else None,
            "training_bytes": self.training_bytes, "note": self.note,
        }  # fmt: skip

    def as_text(self) -> str:
        """In a line, its note apart."""
        if self.done:
            return f"{self.cell}: done"
        learn = "" if self.trainable_parameters is None else f"{self.trainable_parameters:,} parameters learn, "
        figures = f"{learn}{human_bytes(self.peak_bytes)} of memory, {human_bytes(self.kept_bytes)} kept on disk"
        time = "time not known" if self.seconds is None else f"about {human_seconds(self.seconds)}"
        known = time if self.peak_bytes is None else f"{time}, {figures}"
        what = known if self.planned else "cannot be planned"
        return ": ".join(filter(None, (self.cell, what)))


@dataclass(frozen=True)
class Total:
    """What all cells that are not done would take, one after the other."""

    seconds: float
    """Of the cells whose time is known."""
    timed: int
    """How many these are."""
    cells: int
    """How many are not done."""
    peak_bytes: int
    """Of the largest cell."""
    disk_bytes: int
    """What all leave, what they share once, and what the largest needs while it trains."""
    free_memory: int | None
    free_disk: int | None
    """None: no cell was planned."""

    @property
    def fits(self) -> bool:
        """Whether memory and disk are enough, as far as is known."""
        enough = [(self.peak_bytes, self.free_memory), (self.disk_bytes, self.free_disk)]
        return all(free is None or need <= free for need, free in enough)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "seconds": self.seconds, "timed": self.timed, "cells": self.cells, "peak_bytes": self.peak_bytes,
            "disk_bytes": self.disk_bytes, "free_memory": self.free_memory, "free_disk": self.free_disk,
            "fits": self.fits,
        }  # fmt: skip

    def as_text(self) -> str:
        """In a line, and another of what is free where something was planned."""
        known = "" if self.timed == self.cells else f" for the {self.timed} whose time is known"
        time = f"about {human_seconds(self.seconds)}{known}" if self.timed else "time not known"
        if self.free_memory is None and self.free_disk is None:
            return f"{self.cells} cells to run: nothing was planned"
        free = ", ".join(
            f"{human_bytes(size)} of {what}" for size, what in ((self.free_memory, "memory"), (self.free_disk, "disk"))
            if size is not None
        )  # fmt: skip
        return (
            f"{self.cells} cells to run: {time}, at most {human_bytes(self.peak_bytes)} of memory, "
            f"{human_bytes(self.disk_bytes)} of disk\n{free} are free{'' if self.fits else '; this does not fit'}"
        )


def forecasts(asked: Survey) -> tuple[list[Forecast], Total]:
    """What every cell would take, and all that are not done together. Makes nothing.

    Args:
        asked: the standing of every cell.
    """
    again, plans = needed(asked), dict[str, Plan | ChartuneError]()
    each = [_forecast(asked, number, number in again, plans) for number in asked.family.cells]
    return each, _total(each, [made for made in plans.values() if isinstance(made, Plan)])


def forecast(asked: Survey, number: int, plans: dict[str, Plan | ChartuneError]) -> Forecast:
    """What a cell that is not done would take.

    Args:
        asked: the standing of every cell.
        number: of the cell.
        plans: gets its plan; one of a stage alike, which is made once.
    """
    return _forecast(asked, number, True, plans)


def _forecast(asked: Survey, number: int, again: bool, plans: dict[str, Plan | ChartuneError]) -> Forecast:
    title, made = asked.family.cells[number].title(), asked.made(number)
    if asked.standings[number].state == "done" and not again:
        return Forecast(title, done=True)
    try:
        stage = asked.family.stage(number, made, asked.settled(number))
        expected = asked.family.expected(number, made, asked.store)
    except ChartuneError as error:
        return Forecast(title, note=str(error), planned=False)
    if isinstance(stage, Structured | Prior | Ensemble):
        return Forecast(title, note=f"{stage.kind} has no base model: seconds, of a thousand labels minutes")
    if isinstance(stage, Tfidf):
        return _read_alone(title, partial(seconds_of_terms, stage, asked.store), "TF-IDF has no base model")
    if isinstance(stage, Prompted):
        return _read_alone(title, partial(seconds_of_prompts, stage, asked.store), "nothing is trained")
    key = _alike(stage)
    if key not in plans:
        try:
            plans[key] = plan(stage, asked.store, expected=expected)
        except ChartuneError as error:
            plans[key] = error
    open_ones = [need for need in asked.family.parents[number] if need not in made]
    return _of_search(asked, number, _as_planned(title, plans[key], open_ones))


def _read_alone(title: str, seconds: Callable[[], float | None], note: str) -> Forecast:
    """Of a stage whose time alone is planned."""
    try:
        return Forecast(title, seconds=seconds(), note=note)
    except ChartuneError as error:
        return Forecast(title, note=str(error), planned=False)


def _of_search(asked: Survey, number: int, one: Forecast) -> Forecast:
    """Of a searched cell: as many trainings as are to come, each as its first point; of another cell, as it is.

    Cells that differ in their seed share one search: its trials are counted at the cell of their seed, and of each
    other one the training with what is chosen.
    """
    cell = asked.family.cells[number]
    search = cell.search
    if cell.borrows and one.planned and not asked.settled(number):
        return replace(one, note="; ".join(filter(None, (BORROWED.format(cell.borrows), one.note))))
    if search is None or not one.planned or asked.settled(number):
        return one
    if cell.axes.get("seed") != cell.first_seed:
        note = f"planned as its first point; its settings are chosen by the trials with seed={cell.first_seed}"
        return replace(one, note="; ".join(filter(None, (note, one.note))))
    known = asked.searches[number].result if number in asked.searches else Result(())
    trials = cell.trials
    promoted = min(search.fidelity.promoted, trials) - len(known.promoted) if search.fidelity else 0
    trials -= sum(trial.counts for trial in known.trials)
    trained = trials * (search.fidelity.share if search.fidelity else 1.0) + promoted
    kept = trials + promoted
    note = f"at most {trials} trials, planned as its first point; then the best scores the test split"
    return replace(
        one, seconds=None if one.seconds is None else one.seconds * trained,
        kept_bytes=None if one.kept_bytes is None else one.kept_bytes * kept,
        note="; ".join(filter(None, (note, one.note))),
    )  # fmt: skip


def _as_planned(title: str, planned: Plan | ChartuneError, open_ones: Sequence[str]) -> Forecast:
    if isinstance(planned, ChartuneError):
        return Forecast(title, note=str(planned), planned=False)
    notes = [NOT_MADE.format(need) for need in open_ones]
    notes += planned.notes
    return Forecast(
        title, False, planned.seconds, planned.memory.peak, planned.disk.kept, planned.disk.while_training,
        planned.disk.parts, planned.trainable_parameters, "; ".join(notes),
    )  # fmt: skip


def _total(each: Sequence[Forecast], plans: Sequence[Plan]) -> Total:
    todo = [one for one in each if not one.done]
    timed = [one.seconds for one in todo if one.seconds is not None]
    kept = sum(one.kept_bytes or 0 for one in todo)
    shared = sum(dict(part for one in todo for part in one.parts.items()).values())
    return Total(
        sum(timed), len(timed), len(todo), max((one.peak_bytes or 0 for one in todo), default=0),
        kept + shared + max((one.training_bytes or 0 for one in todo), default=0),
        min((made.memory.free for made in plans), default=None), min((made.disk.free for made in plans), default=None),
    )  # fmt: skip


def _alike(stage: Any) -> str:
    """One text for stages that have the same plan."""
    left_out = {"seed": True, "name": True, "optimisation": {"learning_rate", "head_learning_rate", "weight_decay"}}
    return json.dumps(stage.model_dump(mode="json", exclude=left_out), sort_keys=True)
