"""How well a yes-or-no task is ranked, as curves: the ROC curve and the precision-recall curve.

`roc` and `precision_recall` give the numbers, `draw_diagram` draws them. Of a variant with several seeds the run
nearest to its mean is drawn. For real patients nothing is drawn from fewer than ten patients with or without the
outcome, and no place of a curve at which one to nine are flagged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import BINARY
from chartune.disclosure import SMALL, lowest
from chartune.metrics.roc import precision_recall_curve, roc_curve
from chartune.report.svg import MUTED, PAPER, SERIES, drawing, svg
from chartune.report.variants import Variant, extremes

GRID: Final = 101
"""Places at which a curve is read off: fine to the eye, too coarse to tell single rows."""


@dataclass(frozen=True)
class Line:
    """One variant's curve, both [N]."""

    variant: Variant
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Diagram:
    """Curves between 0 and 1, beside the line of a model that guesses, or of one that is right."""

    title: str
    across: str
    """What x is."""
    up: str
    """What y is."""
    lines: tuple[Line, ...]
    dots: tuple[Line, ...] = ()
    """Single values beside the curves: bins."""
    level: float | None = None
    """Where the dashed line lies, if it is level; None: it is the diagonal."""
    top: float = 1.0
    """Where both axes end."""
    finding: str = ""
    """What it shows, for those who cannot see it."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that are drawn."""
        return tuple(each.variant for each in self.lines)


def roc(variants: Sequence[Variant], open_data: bool) -> Diagram | None:
    """The ROC curves of a binary task; None when none can be drawn.

    Args:
        variants: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    across = np.linspace(0, 1, GRID)
    lines = []
    for variant, frame in drawables(variants, open_data):
        fpr, tpr = roc_curve(frame["label"].to_numpy(), frame["logit"].to_numpy())
        up = _coarse(_highest(across, fpr, tpr), variant)
        lines.append(Line(variant, (0.0, *across.tolist()), (0.0, *up.tolist())))
    if not lines:
        return None
    return Diagram(
        "ROC curve", "1 − specificity (share of controls flagged)", "sensitivity (share of cases flagged)",
        tuple(lines), finding=extremes(variants, BINARY.headline.metric, BINARY.headline.title),
    )  # fmt: skip


def precision_recall(variants: Sequence[Variant], open_data: bool) -> Diagram | None:
    """The precision-recall curves of a binary task; None when none can be drawn. Arguments as of `roc`."""
    lines = []
    for variant, frame in drawables(variants, open_data):
        recall, precision, flagged = precision_recall_curve(frame["label"].to_numpy(), frame["logit"].to_numpy())
        across = np.linspace(0, 1, GRID)[1:]
        at = np.searchsorted(recall, across - 1e-12)
        line = np.stack([across, precision[at]], axis=1)
        line = line if open_data else _whole_tens(line, flagged[at], precision[at])
        if len(line) > 1:
            lines.append(Line(variant, tuple(line[:, 0].tolist()), tuple(line[:, 1].tolist())))
    if not lines:
        return None
    rate = next((measured.estimate.value for v in variants if (measured := v.score("prevalence")) is not None), None)
    return Diagram(
        "Precision-recall curve", "recall (sensitivity)", "precision (PPV)", tuple(lines), level=rate,
        finding=extremes(variants, "auprc", "AUPRC"),
    )  # fmt: skip


def draw_diagram(diagram: Diagram, name: str) -> str:
    """A square panel; which colour is whose says the legend of the page."""
    top = diagram.top
    with drawing(height=3.9) as (figure, axes):
        reference = ([0, top], [0, top]) if diagram.level is None else ([0, top], [diagram.level] * 2)
        axes.plot(*reference, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for line in diagram.lines:
            colour, dash = SERIES[line.variant.series - 1], "--" if line.variant.dashed else "-"
            axes.plot(line.x, line.y, color=colour, linestyle=dash, linewidth=1.8, clip_on=False)
        for line in diagram.dots:
            axes.plot(line.x, line.y, "o", color=SERIES[line.variant.series - 1], markersize=5, clip_on=False,
                      markeredgecolor=PAPER, markeredgewidth=0.6)  # fmt: skip
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_aspect("equal")
        axes.set_title(diagram.title)
        axes.set_xlabel(diagram.across)
        axes.set_ylabel(diagram.up)
        axes.grid()
        return svg(figure, name, diagram.title, f"{diagram.finding} {len(diagram.lines)} curves.".strip())


def drawables(variants: Sequence[Variant], open_data: bool) -> list[tuple[Variant, pl.DataFrame]]:
    """The variants that can be drawn, with the test rows of the run that stands for each.

    Left out is one without predictions, with one class only, or with too few real patients of either kind.
    """
    rows = [(v, v.run.predictions("test")) for v in variants if not v.hidden and v.run.has_predictions()]
    return [(v, frame) for v, frame in rows if _patients(frame) >= (1 if open_data else SMALL)]


def _patients(frame: pl.DataFrame) -> int:
    """Patients of the rarer kind."""
    return min(frame.filter(pl.col("label") == label)["subject_id"].n_unique() for label in (0, 1))


def _coarse(shares: NDArray[np.float64], variant: Variant) -> NDArray[np.float64]:
    """Shares of those with the outcome, to a multiple of what their class allows: the steps of a curve count them."""
    steps = 0 if variant.behind is None else lowest(variant.behind.positives or 0)
    return np.asarray((shares * steps).round() / steps) if steps else shares


def _whole_tens(
    line: NDArray[np.float64], flagged: NDArray[np.int64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The places of a curve, [N, 2], at which nobody could be counted off: each share to a multiple of its class."""
    right = (precision * flagged).round()
    steps = flagged - flagged % SMALL
    shown = (right >= SMALL) & (flagged - right >= SMALL)
    coarse = (precision[shown] * steps[shown]).round() / steps[shown]
    return np.stack([line[shown, 0], coarse], axis=1)


def _highest(across: NDArray[np.float64], fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve at given false-positive rates; where it rises straight up, its upper end."""
    last = np.append(np.diff(fpr) > 0, True)  # of several points above one another the highest
    return np.asarray(np.interp(across, fpr[last], tpr[last]))
