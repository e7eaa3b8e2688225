"""Two figures of the probabilities of a yes-or-no task: the ROC curve, and predicted against observed risk.

`roc` and `calibration` give the numbers, `draw_diagram` draws them. Of a variant with several seeds the run nearest to
its mean is drawn. For real patients nothing is drawn from fewer than ten patients with or without the outcome, and no
bin of a calibration curve holds one to nine admissions of either kind: they could be counted off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import SMALL, lowest
from chartune.metrics.calibration import Bin, calibration_curve
from chartune.metrics.roc import roc_curve
from chartune.report.svg import MUTED, PAPER, SERIES, drawing, svg
from chartune.report.variants import Variant

GRID: Final = 101
"""False-positive rates at which an ROC curve is read off: fine to the eye, too coarse to tell single rows."""
BINS: Final = 10
EVENTS_PER_BIN: Final = 10
"""On average; with fewer, a curve shows chance."""


@dataclass(frozen=True)
class Line:
    """One variant's curve, both [N]."""

    variant: Variant
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Diagram:
    """Curves between 0 and 1, beside the diagonal."""

    title: str
    across: str
    """What x is."""
    up: str
    """What y is."""
    lines: tuple[Line, ...]
    points: bool
    """Whether each value is marked: they are bins, not a curve."""


def roc(variants: Sequence[Variant], open_data: bool) -> Diagram | None:
    """The ROC curves of a binary task; None when none can be drawn.

    Args:
        variants: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    lines = []
    for variant in variants:
        frame = _drawable(variant, open_data)
        if frame is not None:
            fpr, tpr = roc_curve(frame["label"].to_numpy(), frame["logit"].to_numpy())
            across = np.linspace(0, 1, GRID)
            lines.append(_line(variant, across, _coarse(_highest(across, fpr, tpr), variant)))
    titles = (
        "ROC curve",
        "share of those without the outcome who are flagged",
        "share of those with it who are flagged",
    )
    return Diagram(*titles, tuple(lines), points=False) if lines else None


def calibration(variants: Sequence[Variant], open_data: bool) -> Diagram | None:
    """Predicted against observed in bins of equally many admissions; None when none can be drawn.

    Args:
        variants: of a binary task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    lines = []
    for variant in variants:
        frame = _drawable(variant, open_data)
        bins = _bins(frame, open_data) if frame is not None else []
        if len(bins) > 1:
            observed = [b.observed if open_data else _observed(b) for b in bins]
            lines.append(_line(variant, np.array([b.predicted for b in bins]), np.array(observed)))
    titles = ("Calibration", "predicted probability, mean of a bin", "observed share of a bin")
    return Diagram(*titles, tuple(lines), points=True) if lines else None


def draw_diagram(diagram: Diagram, name: str) -> str:
    """A square panel; which colour is whose says the legend of the page."""
    top = 1.0
    if diagram.points:
        top = min(1.0, 1.12 * max(max(*line.x, *line.y) for line in diagram.lines))
    with drawing(height=3.9) as (figure, axes):
        axes.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for line in diagram.lines:
            colour, dash = SERIES[line.variant.series - 1], "--" if line.variant.dashed else "-"
            axes.plot(line.x, line.y, color=colour, linestyle=dash, linewidth=1.8, markersize=5, clip_on=False,
                      marker="o" if diagram.points else "", markeredgecolor=PAPER, markeredgewidth=0.6)  # fmt: skip
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_aspect("equal")
        axes.set_title(diagram.title)
        axes.set_xlabel(diagram.across)
        axes.set_ylabel(diagram.up)
        axes.grid()
        return svg(figure, name, f"{diagram.title} of {len(diagram.lines)} variants")


def _drawable(variant: Variant, open_data: bool) -> pl.DataFrame | None:
    """Test rows of the run that stands for a variant; None: there are none, of one class only, or of too few."""
    if variant.hidden or not variant.run.has_predictions():
        return None
    frame = variant.run.predictions("test")
    patients = [frame.filter(pl.col("label") == label)["subject_id"].n_unique() for label in (0, 1)]
    return frame if min(patients) >= (1 if open_data else SMALL) else None


def _bins(frame: pl.DataFrame, open_data: bool) -> list[Bin]:
    """As many bins as can be shown, at most ten."""
    labels, probabilities = frame["label"].to_numpy(), frame["probability"].to_numpy()
    for bins in range(min(BINS, max(2, int(labels.sum()) // EVENTS_PER_BIN)), 1, -1):
        curve = calibration_curve(labels, probabilities, bins)
        if open_data or not any(_small(part) for part in curve):
            return curve
    return []


def _observed(part: Bin) -> float:
    """The share of a bin, to a multiple of what its class of rows allows."""
    steps = lowest(part.n)
    return round(part.observed * steps) / steps if steps else 0.0


def _coarse(shares: NDArray[np.float64], variant: Variant) -> NDArray[np.float64]:
    """Shares of those with the outcome, to a multiple of what their class allows: the steps of a curve count them."""
    steps = 0 if variant.behind is None else lowest(variant.behind.positives or 0)
    return np.asarray((shares * steps).round() / steps) if steps else shares


def _small(part: Bin) -> bool:
    with_outcome = round(part.observed * part.n)
    return 0 < with_outcome < SMALL or 0 < part.n - with_outcome < SMALL


def _highest(across: NDArray[np.float64], fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve at given false-positive rates; where it rises straight up, its upper end."""
    last = np.append(np.diff(fpr) > 0, True)  # of several points above one another the highest
    return np.asarray(np.interp(across, fpr[last], tpr[last]))


def _line(variant: Variant, x: NDArray[np.float64], y: NDArray[np.float64]) -> Line:
    return Line(variant, (0.0, *x.tolist()) if len(x) == GRID else tuple(x.tolist()),
                (0.0, *y.tolist()) if len(x) == GRID else tuple(y.tolist()))  # fmt: skip
