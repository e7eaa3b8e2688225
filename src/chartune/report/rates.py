"""Learning rates: the validation score of each method over its rate, from the trials of searches and from grids.

The published comparison trained IA3 and prefixes at the rate of LoRA: whether a range holds each method's best is seen
here. A choice is made by the validation split, so that no test score stands here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from chartune.report.budgets import search_of
from chartune.report.outcome import Figure, Outcome
from chartune.report.searches import SearchShown
from chartune.report.sweep_figures import Curve, Picture, Point, draw_picture, spelled
from chartune.report.sweeps import RATE, Sweep, point_of, varied
from chartune.report.table import Cell, Column, Table
from chartune.report.variants import Variant
from chartune.runs import Run
from chartune.runs.run import CHOOSING

NOTE: Final = (
    "At each rate the best of what was tried there. At an end of what was tried: beyond it may be a better rate. A "
    "score leads to its run, where that stands on this page; those of all trials stand with their search."
)


def rates(outcomes: Sequence[Outcome], searches: Sequence[SearchShown], every: Mapping[str, Run]) -> list[Sweep]:
    """Of each task the curves over the learning rate; of those without two rates of one method none.

    Args:
        outcomes: the tasks of a page.
        searches: those of the page.
        every: all runs of the page by fingerprint.
    """
    made = []
    for number, outcome in enumerate(outcomes, 1):
        points = {**_of_grids(outcome), **_of_searches(outcome.variants, searches, every)}
        curves = tuple(Curve(place, *named) for place, named in enumerate(points.items()))
        if curves:
            made.append(_sweep(outcome, curves, f"rates{number}-"))
    return made


def _sweep(outcome: Outcome, curves: tuple[Curve, ...], name: str) -> Sweep:
    title, where = f"{outcome.title}: {RATE.title}", f"{outcome.score} on the {CHOOSING} split"
    drawable = tuple(curve for curve in curves if len(curve.known) > 1)
    figure = Figure.of(draw_picture, [Picture(title, where, RATE.axis, drawable)] if drawable else [], name)
    columns = (
        Column("Method", numeric=False), Column("Rates tried"), Column("From", "lowest"), Column("To", "highest"),
        Column("Best rate"), Column(outcome.score, f"there, on the {CHOOSING} split"), Column("", numeric=False),
    )  # fmt: skip
    return Sweep(title, Table(f"{title}, {where}", columns, tuple(map(_row, curves)), NOTE, cards=False), figure)


def _row(curve: Curve) -> tuple[Cell, ...]:
    """What was tried of a method, and where it was best."""
    tried = sorted(point.at for point in curve.points)
    known = [point for point in curve.points if point.value is not None]
    best = max(known, key=lambda point: point.value or 0.0) if known else None
    edge = "at an end of what was tried" if best and best.at in (tried[0], tried[-1]) else ""
    return (
        Cell(f"{curve.label} · {curve.name}"), Cell(f"{len(tried)}"), Cell(spelled(tried[0])), Cell(spelled(tried[-1])),
        Cell(spelled(best.at)) if best else Cell("–"), best.cell if best else curve.points[0].cell, Cell(edge),
    )  # fmt: skip


def _of_grids(outcome: Outcome) -> dict[str, tuple[Point, ...]]:
    groups = varied(outcome.variants, RATE)
    return {name: tuple(point_of(v, at, CHOOSING) for at, v in values.items()) for name, values in groups.items()}


def _of_searches(
    variants: Sequence[Variant], searches: Sequence[SearchShown], every: Mapping[str, Run]
) -> dict[str, tuple[Point, ...]]:
    """Of each variant whose search varied its rate the best trial at each rate."""
    made: dict[str, tuple[Point, ...]] = {}
    for variant in variants:
        search = search_of(variant, searches)
        points = _trials(search, variant, every) if search else ()
        if len(points) > 1:
            share = search.problem.share if search else 1
            made[variant.name if share == 1 else f"{variant.name}, on {100 * share:g} % of the training"] = points
    return made


def _trials(search: SearchShown, variant: Variant, every: Mapping[str, Run]) -> tuple[Point, ...]:
    end = "head_learning_rate" if not variant.run.stack else ".learning_rate"
    path = next((path for path in search.problem.space.dimensions if path.endswith(end)), None)
    at: dict[float, list[Point]] = {}
    for trial in search.result.trials:
        value, rate = search.value(trial), trial.settings.get(path or "")
        if trial.counts and value is not None and rate is not None:
            run = every.get(trial.outcome.run or "")
            text, _, interval = search.shown(trial).partition(" [")
            ends = interval.removesuffix("]").replace(", ", " to ")
            cell = Cell(text, "\n".join(filter(None, (ends, f"trial {trial.number}"))),
                        link=f"run-{run.fingerprint}" if run else "")  # fmt: skip
            at.setdefault(float(str(rate)), []).append(Point(float(str(rate)), cell, value))
    return tuple(max(points, key=lambda point: point.value or 0.0) for _, points in sorted(at.items()))
