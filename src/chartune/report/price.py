"""What a score costs: it is drawn over seconds and over trained parameters, each variant a numbered point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from chartune.metrics.efficiency import pareto
from chartune.quantities import Estimate
from chartune.report.cost import mean_cost, seconds_with_parents
from chartune.report.svg import MUTED, PAPER, SERIES, drawing, svg
from chartune.report.variants import Variant
from chartune.runs import Run


@dataclass(frozen=True)
class Point:
    """One variant: what it cost, what it reached."""

    variant: Variant
    paid: float
    reached: Estimate


@dataclass(frozen=True)
class Price:
    """A score against one kind of cost."""

    title: str
    across: str
    score: str
    """What the score is called."""
    points: tuple[Point, ...]
    in_seconds: bool

    @property
    def front(self) -> list[Point]:
        """The points that no other beats in cost and score, the cheapest first."""
        members = pareto([point.paid for point in self.points], [point.reached.value for point in self.points])
        on = [point for point, member in zip(self.points, members, strict=True) if member]
        return sorted(on, key=lambda point: (point.paid, point.reached.value))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that are drawn."""
        return tuple(each.variant for each in self.points)


def prices(variants: Sequence[Variant], every: Mapping[str, Run], score: str = "AUROC") -> tuple[Price, ...]:
    """The score over seconds, parents included, over trained and over all parameters; a panel needs two points.

    Args:
        variants: of one task.
        every: all runs of the report by fingerprint.
        score: what the headline score is called.
    """
    asked = (
        (f"{score} over time", "seconds, runs below it included (log)", True,
         {v.label: seconds_with_parents(v, every) for v in variants}),
        (f"{score} over trained parameters", "trained parameters (log)", False,
         {v.label: mean_cost(v, "trainable_parameters") for v in variants}),
        (f"{score} over size", "all parameters (log)", False,
         {v.label: mean_cost(v, "total_parameters") for v in variants}),
    )  # fmt: skip
    made = []
    for title, across, in_seconds, paid in asked:
        points = tuple(
            Point(v, cost, measured.estimate)
            for v in variants
            if (measured := v.score(v.headline)) is not None and (cost := paid[v.label])
        )
        if len(points) > 1:
            made.append(Price(title, across, score, points, in_seconds))
    return tuple(made)


def draw_price(plot: Price, name: str) -> str:
    """Each variant at its cost (log scale) and score, with interval and number."""
    with drawing() as (figure, axes):
        for point, paid in zip(plot.points, _apart(plot), strict=True):
            colour, reached = SERIES[point.variant.series - 1], point.reached
            if reached.low is not None and reached.high is not None:
                axes.plot([paid, paid], [reached.low, reached.high], color=colour, linewidth=1.8, alpha=0.5)
            axes.plot(paid, reached.value, "o", color=colour, markersize=13, markeredgecolor=PAPER)
            axes.annotate(point.variant.label, (paid, reached.value), color=PAPER, ha="center", va="center", fontsize=8)
        front = plot.front
        axes.step(
            [point.paid for point in front], [point.reached.value for point in front], where="post", color=MUTED,
            linewidth=0.9, linestyle=":", zorder=0,
        )  # fmt: skip
        axes.set_xscale("log")
        _few_ticks(axes, plot)
        axes.margins(x=0.12, y=0.12)
        axes.set_title(plot.title)
        axes.set_xlabel(plot.across)
        axes.grid(axis="y")
        return svg(figure, name, f"{plot.title} of {len(plot.points)} variants", _finding(plot))


def _finding(plot: Price) -> str:
    """Which is best, and which is cheapest."""
    best, least = max(plot.points, key=lambda p: p.reached.value), min(plot.points, key=lambda p: p.paid)
    unit = "seconds" if plot.in_seconds else plot.across.removesuffix(" (log)")
    said = (f"{p.variant.name}, with {_short(float(f'{p.paid:.2g}'))} {unit}" for p in (best, least))
    front = ", ".join(point.variant.label for point in plot.front)
    return f"The highest {plot.score} has {next(said)}; the least is paid by {next(said)}. Pareto front: {front}."


def _few_ticks(axes: Axes, plot: Price) -> None:
    """Whole decades where there are several, else some round numbers, labelled in units that people use."""
    paid = [point.paid for point in plot.points]
    decades = np.log10(max(paid) / min(paid))
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if decades > 2 else (1, 3)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if plot.in_seconds else _short(value))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _short(number: float) -> str:
    """`12000` → `12 k`."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def _apart(plot: Price) -> list[float]:
    """Where to draw each point on the log axis: those of equal cost stand side by side."""
    paid = [point.paid for point in plot.points]
    step = 0.07 * max(np.log10(max(paid) / min(paid)), 1.0)
    twins = [paid[:n].count(cost) - (paid.count(cost) - 1) / 2 for n, cost in enumerate(paid)]
    return [float(cost * 10 ** (step * twin)) for cost, twin in zip(paid, twins, strict=True)]
