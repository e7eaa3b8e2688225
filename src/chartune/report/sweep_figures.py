"""Drawing of sweeps: a line for each method over the values of a setting, with the intervals of its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from chartune.report.svg import HEIGHT, SERIES, drawing, svg
from chartune.report.table import Cell
from chartune.report.variants import Coloured

LOGARITHMIC: Final = 5.0
"""Largest over smallest value from which on the horizontal axis is logarithmic."""
MOST_TICKS: Final = 10


@dataclass(frozen=True)
class Point:
    """A score at a value of the setting."""

    at: float
    cell: Cell
    """As the table shows it, with the run that it leads to."""
    value: float | None = None
    """None: not measured, or not to be shown."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve(Coloured):
    """The scores of one method."""

    place: int
    """Among the curves of the picture, from 0: decides its letter, colour and dash."""
    name: str
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        """`a`, `b`, …, `z`, `a2`, …: numbers stand for variants."""
        again, letter = divmod(self.place, 26)
        return f"{chr(ord('a') + letter)}{again + 1 if again else ''}"

    @property
    def known(self) -> list[tuple[float, float]]:
        """Setting and score of the points that may be drawn, in the order of the setting."""
        return sorted((point.at, point.value) for point in self.points if point.value is not None)


@dataclass(frozen=True)
class Picture:
    """The curves of one task over one setting."""

    title: str
    score: str
    axis: str
    curves: tuple[Curve, ...]

    @property
    def variants(self) -> tuple[Curve, ...]:
        """What its legend names."""
        return self.curves


def draw_picture(picture: Picture, name: str) -> str:
    """The picture as SVG; `name`: prefix of its ids."""
    places = sorted({at for curve in picture.curves for at, _ in curve.known})
    with drawing(HEIGHT) as (figure, axes):
        for curve in picture.curves:
            _draw(axes, curve)
        _scale(axes, places)
        axes.set_title(picture.title.rpartition(": ")[2].capitalize())
        axes.set_ylabel(picture.score)
        axes.set_xlabel(picture.axis)
        axes.grid(axis="y")
        return svg(figure, name, f"{picture.title}, {picture.score}", _finding(picture))


def spelled(value: float) -> str:
    """A value of a setting: `4,096`, `33.3`, `0.0003`."""
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:.3g}"


def _draw(axes: Axes, curve: Curve) -> None:
    colour = SERIES[curve.series - 1]
    for point in curve.points:
        if point.value is not None and point.low is not None and point.high is not None:
            axes.plot([point.at, point.at], [point.low, point.high], color=colour, linewidth=1.4, alpha=0.35)
    axes.plot(
        *zip(*curve.known, strict=True), color=colour, linestyle="--" if curve.dashed else "-", linewidth=1.8,
        marker="o", markersize=3.6,
    )  # fmt: skip


def _scale(axes: Axes, places: Sequence[float]) -> None:
    """A tick at every value where there is room, on a logarithmic axis where the values span much."""
    if places[0] > 0 and places[-1] / places[0] >= LOGARITHMIC:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if len(places) <= MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(list(places)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: spelled(value))
        axes.tick_params(axis="x", labelrotation=45 if len(places) > MOST_TICKS // 2 else 0)


def _finding(picture: Picture) -> str:
    """From where to where each curve goes."""
    ends = ((curve, curve.known[0], curve.known[-1]) for curve in picture.curves)
    return "; ".join(f"{c.label} ({c.name}) from {first[1]:.3g} at {first[0]:g} to {last[1]:.3g} at {last[0]:g}"
                     for c, first, last in ends) + "."  # fmt: skip
