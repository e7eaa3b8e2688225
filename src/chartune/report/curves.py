"""Curves over optimizer steps: what the runs measured while they learnt.

Of real patients they are drawn over the share of the training, at fixed places: the number of steps, and that of
points, would reveal how many texts there are. Of few steps nothing is drawn.

`learning_curves` and `perplexity_curves` give the numbers, `draw_panel` draws them. Of a variant with several seeds
the run nearest to its mean is drawn. A quantity that no run recorded has no panel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from chartune.answers import BINARY, Metric
from chartune.report.followed import PLACES
from chartune.report.svg import GRID, HEIGHT, MUTED, SERIES, panels, svg
from chartune.report.variants import Variant

MOST_POINTS: Final = 160
"""A longer curve is averaged in bins: no eye tells more points apart."""
FEW_POINTS: Final = 40
"""Of many curves: the noise of single batches is averaged away."""
TOGETHER: Final = 4
"""More curves than these do not share one pair of axes."""
WIDE: Final = 8.0
"""Highest over lowest value beyond which the axis is logarithmic."""


@dataclass(frozen=True)
class Series:
    """One curve."""

    variant: Variant
    steps: tuple[float, ...]
    """Optimizer steps, [N]; of real patients the percentage of all steps."""
    values: tuple[float, ...]
    real: bool = False
    """Whether it was measured on real patients."""


@dataclass(frozen=True)
class Panel:
    """The curves of one quantity."""

    title: str
    series: tuple[Series, ...]
    over: str = ""
    """What it is drawn over; empty: steps."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that have a curve here."""
        return tuple(each.variant for each in self.series)

    @property
    def axis(self) -> str:
        """The label of the horizontal axis."""
        if self.over:
            return self.over
        return "share of the training, %" if any(curve.real for curve in self.series) else "optimizer step"

    @property
    def logarithmic(self) -> bool:
        """Whether the values span so much that a linear axis would hide the small ones."""
        values = [value for curve in self.series for value in curve.values]
        return min(values) > 0 and max(values) / min(values) > WIDE


def learning_curves(variants: Sequence[Variant], *, headline: Metric = BINARY.headline) -> tuple[Panel, ...]:
    """Training loss, and what the stage watched on validation: at most two panels.

    Args:
        variants: of one task.
        headline: the score that decides.
    """
    wanted = (
        ("Training loss", "loss", "train"), (f"Validation {headline.title}", headline.metric, "validation"),
        ("Validation loss", "log_loss", "validation"), ("Validation loss", "loss", "validation"),
    )  # fmt: skip
    few = any(v.hidden or (v.watched is not None and v.watched.few) for v in variants)
    open_to_all = [entry for entry in wanted if entry[2] == "train" or not few]
    return _panels(variants, open_to_all, real=any(v.behind is not None for v in variants))[:2]


def perplexity_curves(variants: Sequence[Variant], *, open_data: bool) -> tuple[Panel, ...]:
    """Validation perplexity, and training loss. What was measured on test texts stands in the table, not here.

    Args:
        variants: of pretraining, of one kind.
        open_data: whether the patients are fictional.
    """
    what = variants[0].run.headline
    wanted = ((f"Validation {what.worded}", what.metric, "validation"), ("Training loss", "loss", "train"))
    return _panels(variants, wanted, real=not open_data)


def draw_panel(panel: Panel, name: str) -> str:
    """A panel over optimizer steps; which colour is whose says the legend of the page.

    Of many curves each has a strip of its own, the others grey behind it: a tangle cannot be read.
    """
    apart = len(panel.series) > TOGETHER
    count, height = (len(panel.series), 0.6 * len(panel.series) + 0.8) if apart else (1, HEIGHT)
    with panels(count, height) as (figure, every):
        for strip, axes in enumerate(every):
            for place, curve in enumerate(panel.series):
                _draw(axes, curve, behind=apart and place != strip)
            _scale(axes, panel)
            if apart:
                axes.set_ylabel(panel.series[strip].variant.label, rotation=0, ha="right", va="center", color=MUTED)
                axes.tick_params(labelbottom=axes is every[-1])
        every[0].set_title(f"{panel.title}{', log scale' if panel.logarithmic else ''}")
        every[-1].set_xlabel(panel.axis)
        return svg(figure, name, f"{panel.title}, over: {panel.axis}", _finding(panel))


def _draw(axes: Axes, curve: Series, *, behind: bool) -> None:
    axes.plot(
        curve.steps, curve.values, color=GRID if behind else SERIES[curve.variant.series - 1],
        linestyle="--" if curve.variant.dashed else "-", linewidth=0.8 if behind else 1.8, zorder=1 if behind else 2,
        marker="o" if len(curve.steps) < 16 and not behind else "", markersize=3.4,
    )  # fmt: skip


def _scale(axes: Axes, panel: Panel) -> None:
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif len(panel.series) > TOGETHER:
        axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.margins(y=0.1)
    axes.grid(axis="y")


def _finding(panel: Panel) -> str:
    """From where to where each curve goes."""
    return "; ".join(f"{c.variant.label} from {c.values[0]:.3g} to {c.values[-1]:.3g}" for c in panel.series) + "."


def _panels(variants: Sequence[Variant], wanted: Sequence[tuple[str, str, str]], *, real: bool) -> tuple[Panel, ...]:
    few = len(variants) <= TOGETHER
    made = (
        Panel(title, tuple(series for v in variants if (series := _series(v, name, split, real, few)) is not None))
        for title, name, split in wanted
    )
    return tuple(panel for panel in made if panel.series)


def _series(variant: Variant, name: str, split: str, real: bool, few: bool) -> Series | None:
    events = variant.run.events(name, split)
    if not events:
        return None
    measured = np.array([(event.step, event.value) for event in events])  # [N, 2]
    if real and measured[-1, 0] < PLACES:
        return None
    if real:
        measured = _by_share(measured, split)
    most = MOST_POINTS if few else FEW_POINTS
    bins = np.array_split(measured, min(len(measured), most))
    steps, values = np.array([part.mean(axis=0) for part in bins]).T
    if name == variant.headline and variant.watched is not None:
        values = values.round(variant.watched.precision(name))
    return Series(variant, tuple(steps.tolist()), tuple(values.tolist()), real)


def _by_share(measured: NDArray[np.float64], split: str) -> NDArray[np.float64]:
    """Steps as the percentage of the last one; training values at fixed places. measured: step and value, [N, 2]."""
    share, values = 100 * measured[:, 0] / max(1.0, measured[-1, 0]), measured[:, 1]
    if split != "train":
        return np.stack([share.round(), values], axis=1)
    places = np.linspace(0, 100, PLACES)
    return np.stack([places, np.interp(places, share, values)], axis=1)
