"""Claims: what a study says beforehand, to be decided by the test split, of which stages and by which rule.

    claims:
      stacking: {says: A frozen clinical adapter helps, ours: stacked, against: [lora, equal_rank], margin: 0.01}

Ours is compared with the one of the others that does best on the validation split. What is compared is the mean over
seeds of the headline score; of several tasks its mean over tasks, too. The claims, the stages that they name and those
below them are hashed; the hash is locked into the store before a test split is scored (`chartune.runs.locks`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from chartune.config import Added, Config
from chartune.metrics.verdict import Direction
from chartune.names import Title
from chartune.studies.cell import Cell
from chartune.studies.final import DESIGN, meant

Side = str | dict[str, Any]
KINDS: Final = ("finetune", "tfidf", "structured", "prior", "ensemble", "prompted")
"""Kinds of stages that have scores of a task."""


class Claim(Config):
    """A sentence, and what decides it."""

    says: Title
    """The sentence."""
    ours: Side
    """The stage that it is about, by name, or as `{stage: lora, rank: 8}` those of its cells with this setting."""
    against: tuple[Side, ...] = Field(min_length=1)
    """What it is compared with; of several the one with the best mean score on the validation split."""
    tasks: tuple[str, ...] = ()
    """Their scores are averaged; empty: all tasks of these stages."""
    per: Annotated[Literal["study", "task"], Added()] = "study"
    """`task`: a claim about each of the tasks by itself instead."""
    direction: Direction = "above"
    """`above`: better by more than the margin; `not-below`: not worse by it; `alike`: neither by it."""
    margin: float = Field(0.0, ge=0, lt=1)
    """Of the score's unit."""
    budget: Literal["equal", "any"] = "equal"
    """`equal`: as many settings are tried on both sides, by grids and searches; `any`: the report says how many."""

    @model_validator(mode="after")
    def _can_be_decided(self) -> "Claim":
        if self.margin == 0 and self.direction != "above":
            raise ValueError(f"`direction: {self.direction}` needs a `margin` above 0: without one nothing decides it")
        return self

    @property
    def sides(self) -> tuple[Side, ...]:
        """Ours, then the others."""
        return self.ours, *self.against


def claimed_of(claim: Claim, side: Side, cells: Mapping[int, Cell]) -> dict[str, list[int]]:
    """Task → the numbers of the cells of one side, one for each seed; the task of a stage without that axis is empty.

    Raises:
        ValueError: the side means no cell, several settings, or lacks a task of the claim.
    """
    numbers = meant(cells, side, "a claim")
    settings = {tuple(str(value) for axis, value in cells[n].axes.items() if axis not in DESIGN) for n in numbers}
    if len(settings) > 1:
        raise ValueError(
            f"a side of a claim must mean one setting, but {_called(side)} means {len(settings)}; name its axes, or "
            f"let a `space` choose"
        )
    by_task: dict[str, list[int]] = {}
    for number in numbers:
        by_task.setdefault(str(cells[number].axes.get("task", cells[number].asked.get("task", ""))), []).append(number)
    missing = [task for task in claim.tasks if task not in by_task]
    if missing:
        raise ValueError(f"a side of a claim must have its tasks, but {_called(side)} lacks {', '.join(missing)}")
    return {task: by_task[task] for task in (claim.tasks or by_task)}


def one_by_one(claims: Iterable[Claim], cells: Mapping[int, Cell]) -> list[Claim]:
    """The claims that are decided: one `per: task` becomes one for each of its tasks."""
    made: list[Claim] = []
    for claim in claims:
        tasks = claimed_of(claim, claim.ours, cells) if claim.per == "task" else ()
        made += [claim.model_copy(update={"tasks": (task,) if task else ()}) for task in tasks] or [claim]
    return made


def tried(side: Side, cells: Mapping[int, Cell]) -> int:
    """How many settings stand behind a side: those of its stage's grid, times the trials of its search."""
    own = [cell for cell in cells.values() if cell.stage == _stage(side)]
    grid = {tuple(str(value) for axis, value in cell.axes.items() if axis not in DESIGN) for cell in own}
    lenders = {cell.borrows for cell in own if cell.borrows}
    searched = next((cell for cell in cells.values() if cell.stage in lenders), own[0] if own else None)
    return len(grid) * (searched.trials if searched else 1)


def wrong_with(claim: Claim, cells: Mapping[int, Cell]) -> Iterator[str]:
    """Why a claim cannot be decided by these cells."""
    sides: list[dict[str, list[int]]] = []
    for side in claim.sides:
        try:
            sides.append(claimed_of(claim, side, cells))
        except ValueError as error:
            yield str(error)
    if len(sides) < len(claim.sides):
        return
    numbers = [number for side in sides for of_task in side.values() for number in of_task]
    kinds = {str(cells[number].asked.get("kind")) for number in numbers} - set(KINDS)
    if kinds:
        yield f"a claim must be about stages of a task ({', '.join(KINDS)}), but a side is of kind {kinds.pop()}"
    if len({tuple(sorted(side)) for side in sides}) > 1:
        yield "all sides of a claim must have the same tasks; name those that they share as `tasks`"
    if any(not cells[number].final for number in numbers):
        yield "what a claim is about must be scored on the test split; name its stages as `final`"
    counts = [tried(side, cells) for side in claim.sides]
    if claim.budget == "equal" and len(set(counts)) > 1:
        said = ", ".join(f"{_called(side)} {count}" for side, count in zip(claim.sides, counts, strict=True))
        yield f"as many settings must be tried on every side, but they are {said}; or say `budget: any`"


def locked_content(claims: Mapping[str, Claim], error: float, study: Any) -> dict[str, Any]:
    """All that claims mean, as plain JSON: themselves, and the stages that they name with those below them.

    Args:
        claims: by name.
        error: with what probability any of them may be decided falsely.
        study: `chartune.studies.study.Study`.
    """
    names = {_stage(side) for claim in claims.values() for side in claim.sides}
    wanted = {cell.stage for cell in _with_parents(study.cells(), names)}
    stages = {name: study.written(name) for name in study.stages if name in wanted}
    return {
        "claims": {name: claim.hashable() for name, claim in claims.items()}, "error": error,
        "stages": stages, "search": study.search.model_dump(mode="json"),
    }  # fmt: skip


def _with_parents(cells: Sequence[Cell], names: set[str]) -> list[Cell]:
    """The cells of some stages, and of those that they refer to; parents stand before."""
    wanted = set(names)
    kept = []
    for cell in reversed(cells):
        if cell.stage in wanted:
            wanted |= {*cell.needs(), *([cell.borrows] if cell.borrows else ())}
            kept.append(cell)
    return kept


def _stage(side: Side) -> str:
    return side if isinstance(side, str) else str(side.get("stage"))


def _called(side: Side) -> str:
    return f"`{_stage(side)}`"
