"""Whether the risks of a yes-or-no task are believable: predicted against observed, and how predictions are spread.

    test rows ─┬─ smooth curve, and bins as dots          as predicted
               ├─ the same, log-odds recalibrated          by the line fitted on the validation split
               └─ histogram of the predicted risks

For real patients no bin holds one to nine rows of either kind, the ends of a curve are means of ten rows, and a bar
stands for a class of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import SMALL, digits, lowest
from chartune.metrics.calibration import Bin, calibration_curve
from chartune.metrics.classification import sigmoid
from chartune.metrics.recalibrators import Calibration, platt
from chartune.metrics.smooth import smooth_calibration
from chartune.report.diagnostics import Diagram, Line, drawables
from chartune.report.svg import MUTED, SERIES, panels, svg
from chartune.report.variants import Variant, extremes
from chartune.runs import Run

BINS: Final = 10
EVENTS_PER_BIN: Final = 10
"""On average; with fewer, a curve shows chance."""
PLACES: Final = 41
"""At which a smooth curve is worked out."""
BARS: Final = 20
FEW_BARS: Final = 10
"""Of real patients, so that more of them hold enough."""
_AXES: Final = ("predicted probability", "observed share")


@dataclass(frozen=True)
class Histogram:
    """How the predictions of one variant are spread."""

    variant: Variant
    shares: tuple[float, ...]
    """Of the rows in each bar, [B]; of real patients from the lowest number of its class."""


@dataclass(frozen=True)
class Spread:
    """The histograms of one task, on one axis."""

    bars: tuple[Histogram, ...]
    top: float
    """Where the axis ends."""


def calibration(variants: Sequence[Variant], open_data: bool) -> Diagram | None:
    """Predicted against observed: a smooth curve, and bins of equally many rows as dots; None: none can be drawn.

    Args:
        variants: of a binary task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    rows = drawables(variants, open_data)
    finding = extremes(variants, "calibration_slope", "Calibration slope")
    return _diagram("Calibration, as predicted", rows, open_data, finding)


def recalibrated(variants: Sequence[Variant], open_data: bool, every: Mapping[str, Run]) -> Diagram | None:
    """The same after the recalibration of each run; None: no run has one.

    Args:
        variants: of a binary task.
        open_data: as of `calibration`.
        every: all runs by fingerprint, where the run is looked up that an evaluation on other data has scored.
    """
    rows = []
    for variant, frame in drawables(variants, open_data):
        fitted = fitted_of(variant.run, variant, every)
        if fitted is not None:
            probability = sigmoid(fitted.applied(frame["logit"].to_numpy()))
            rows.append((variant, frame.with_columns(probability=pl.Series(probability))))
    return _diagram("Calibration, recalibrated on held-out rows", rows, open_data, "")


def spread(variants: Sequence[Variant], open_data: bool) -> Spread | None:
    """How the predicted risks are spread; None: nothing can be drawn. Arguments as of `calibration`."""
    rows = drawables(variants, open_data)
    if not rows:
        return None
    top = max(0.1, float(np.ceil(10 * max(float(frame["probability"].max()) for _, frame in rows)) / 10))  # type: ignore[arg-type]
    edges = np.linspace(0, top, (BARS if open_data else FEW_BARS) + 1)
    made = [Histogram(v, _bars(frame["probability"].to_numpy(), edges, open_data)) for v, frame in rows]
    return Spread(tuple(made), top)


def draw_spread(plot: Spread, name: str) -> str:
    """A strip of bars for each variant, above one another."""
    with panels(len(plot.bars), height=0.7 + 0.55 * len(plot.bars)) as (figure, every):
        for axes, bars in zip(every, plot.bars, strict=True):
            edges = np.linspace(0, plot.top, len(bars.shares) + 1)
            axes.bar(edges[:-1], bars.shares, width=edges[1], align="edge", color=SERIES[bars.variant.series - 1])
            axes.set_xlim(0, plot.top)
            axes.set_yticks([])
            axes.set_ylabel(bars.variant.label, rotation=0, ha="right", va="center", color=MUTED)
            axes.tick_params(labelbottom=axes is every[-1])
        every[0].set_title("How predictions are spread")
        every[-1].set_xlabel(f"{_AXES[0]}; height: share of the rows")
        modes = ", ".join(f"{bars.variant.label} at {_mode(bars, plot.top)}" for bars in plot.bars)
        return svg(figure, name, "Histogram of the predicted probabilities", f"Most rows of variant {modes}.")


def on_one_axis(diagrams: Sequence[Diagram | None]) -> list[Diagram]:
    """Those that can be drawn, with axes that end where the largest ends."""
    made = [diagram for diagram in diagrams if diagram is not None]
    top = max((diagram.top for diagram in made), default=1.0)
    return [replace(diagram, top=top) for diagram in made]


def _diagram(title: str, rows: Sequence[tuple[Variant, pl.DataFrame]], open_data: bool, finding: str) -> Diagram | None:
    lines, dots = [], []
    for variant, frame in rows:
        bins = _bins(frame, open_data)
        if len(bins) > 1:
            observed = [b.observed if open_data else _observed(b) for b in bins]
            dots.append(Line(variant, tuple(b.predicted for b in bins), tuple(observed)))
            lines.append(_smooth(variant, frame, open_data))
    if not lines:
        return None
    top = min(1.0, 1.12 * max(max(*line.x, *line.y) for line in (*lines, *dots)))
    return Diagram(title, *_AXES, tuple(lines), tuple(dots), top=top, finding=f"{finding} {_farthest(lines)}".strip())


def _farthest(lines: Sequence[Line]) -> str:
    """Which smooth curve leaves the diagonal most, and where."""
    gaps = [(abs(y - x), x, y, line.variant.name) for line in lines for x, y in zip(line.x, line.y, strict=True)]
    _, x, y, name = max(gaps)
    return f"Farthest from the diagonal is {name}: {y:.2f} observed where {x:.2f} is predicted."


def _smooth(variant: Variant, frame: pl.DataFrame, open_data: bool) -> Line:
    labels, probabilities = frame["label"].to_numpy(), np.sort(frame["probability"].to_numpy())
    low, high = probabilities[:SMALL].mean(), probabilities[-SMALL:].mean()
    places = np.linspace(low, high, PLACES)
    curve = smooth_calibration(labels, frame["probability"].to_numpy(), places)
    curve = curve if open_data else curve.round(digits(lowest(frame.height)))
    return Line(variant, tuple(places.tolist()), tuple(curve.tolist()))


def fitted_of(run: Run, variant: Variant, every: Mapping[str, Run]) -> Calibration | None:
    """The recalibration of a run of a variant; None: its probabilities stay raw, or too few real patients determine it.

    Of a yes-or-no run of an earlier version it is fitted to its validation rows, as that did.
    """
    known = scored_run(run, every)
    if known is None or (variant.watched is not None and variant.watched.few):
        return None
    fitted = known.about.calibration
    if fitted is not None or known.about.uncalibrated is not None or not (known.form and known.form.one_outcome):
        return fitted if fitted and fitted.rises else None
    rows = known.predictions("validation")
    return None if rows.is_empty() else platt(rows["label"].to_numpy(), rows["logit"].to_numpy())


def scored_run(run: Run, every: Mapping[str, Run]) -> Run | None:
    """The run whose validation split decides: itself, or the one that it has scored on other data; None: unknown."""
    if run.about.external is None:
        return run if run.has_predictions() else None
    own = every.get(run.about.external.run)
    return own if own and own.has_predictions() and own.about.classes == run.about.classes else None


def _bars(probabilities: NDArray[np.float64], edges: NDArray[np.float64], open_data: bool) -> tuple[float, ...]:
    """Shares of the rows; of real patients classes of twenty, because bars are many parts of one whole."""
    counts, _ = np.histogram(probabilities, bins=edges)
    counts = counts if open_data else counts - counts % (2 * SMALL)
    return tuple((counts / max(1, counts.sum())).tolist())


def _mode(bars: Histogram, top: float) -> str:
    width = top / len(bars.shares)
    at = int(np.argmax(bars.shares))
    return f"{at * width:.2f} to {(at + 1) * width:.2f}"


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


def _small(part: Bin) -> bool:
    with_outcome = round(part.observed * part.n)
    return 0 < with_outcome < SMALL or 0 < part.n - with_outcome < SMALL
