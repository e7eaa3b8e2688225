"""What a threshold is worth, at every threshold of a yes-or-no task: F1, and net benefit beside treating all or nobody.

For real patients a place stands only where each of the four cells (flagged or not, with the outcome or without) holds
nobody, or ten rows and ten patients; there are few places, and values have the digits that the rows allow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import digits, lowest
from chartune.metrics.benefit import benefit_of_all, flagged_above, net_benefit
from chartune.report.diagnostics import Line, drawables
from chartune.report.operating import few_cells
from chartune.report.svg import MUTED, SERIES, drawing, svg
from chartune.report.variants import Variant

Values = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Labels, probabilities and thresholds → values, [T]."""
STEP: Final = 0.01
STEP_OF_REAL: Final = 0.05
HIGHEST: Final = 0.95


@dataclass(frozen=True)
class Curves:
    """Curves over the threshold."""

    title: str
    up: str
    """What y is."""
    lines: tuple[Line, ...]
    references: tuple[Line, ...] = ()
    """What acting on all, and on nobody, is worth; of no variant's colour."""
    finding: str = ""
    """What it shows, for those who cannot see it."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that are drawn."""
        return tuple(each.variant for each in self.lines)


def worth(variants: Sequence[Variant], open_data: bool) -> list[Curves]:
    """F1 and net benefit of a binary task, as far as they can be drawn.

    Args:
        variants: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
    """
    rows = [(v, frame, places) for v, frame in drawables(variants, open_data)
            if len(places := _places(frame, open_data)) > 1]  # fmt: skip
    if not rows:
        return []
    f1 = tuple(_line(each, _f1, open_data) for each in rows)
    gain = tuple(_line(each, net_benefit, open_data) for each in rows)
    return [
        Curves("F1 by threshold", "F1", f1, finding=_highest(f1, "F1")),
        Curves("Decision curve", "net benefit", gain, _references(rows, open_data), _highest(gain, "net benefit")),
    ]


def draw_curves(curves: Curves, name: str) -> str:
    """A panel; which colour is whose says the legend of the page."""
    with drawing(height=3.9) as (figure, axes):
        for line, dash in zip(curves.references, ((0, (4, 3)), "-"), strict=False):
            axes.plot(line.x, line.y, color=MUTED, linewidth=1, linestyle=dash)
        for line in curves.lines:
            colour, dash = SERIES[line.variant.series - 1], "--" if line.variant.dashed else "-"
            axes.plot(line.x, line.y, color=colour, linestyle=dash, linewidth=1.8)
        tops = [max(line.y) for line in curves.lines]
        axes.set_xlim(0, max(max(line.x) for line in curves.lines))
        axes.set_ylim(-0.25 * max(tops) if curves.references else 0, 1.1 * max(*tops, STEP))
        axes.set_title(curves.title)
        axes.set_xlabel("threshold: risk from which on a row is flagged")
        axes.set_ylabel(curves.up)
        axes.grid()
        return svg(figure, name, curves.title, f"{curves.finding} {len(curves.lines)} curves.".strip())


def _places(frame: pl.DataFrame, open_data: bool) -> NDArray[np.float64]:
    """The thresholds at which a curve is read off, up to the last at which somebody is flagged."""
    labels, p, subjects = (frame[name].to_numpy() for name in ("label", "probability", "subject_id"))
    every = np.arange(1, round(HIGHEST / (step := STEP if open_data else STEP_OF_REAL)) + 1) * step
    every = every[every <= p.max()]
    return every if open_data else np.array([t for t in every if not few_cells(labels, p >= t, subjects)])


def _line(each: tuple[Variant, pl.DataFrame, NDArray[np.float64]], values: Values, open_data: bool) -> Line:
    variant, frame, places = each
    up = values(frame["label"].to_numpy(), frame["probability"].to_numpy(), places)
    up = up if open_data else up.round(digits(lowest(frame.height), 2))
    return Line(variant, tuple(places.tolist()), tuple(up.tolist()))


def _f1(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    right, wrong = flagged_above(labels, probabilities, thresholds)
    return np.asarray(2 * right / (right + wrong + labels.sum()))


def _references(rows: Sequence[tuple[Variant, pl.DataFrame, Any]], open_data: bool) -> tuple[Line, ...]:
    """What acting on all is worth, by the prevalence as it is shown, and on nobody."""
    variant, frame, _ = rows[0]
    shown = variant.score("prevalence")
    rate = shown.estimate.value if shown else float(frame["label"].mean() or 0)  # type: ignore[arg-type]
    rate = rate if open_data else round(rate, digits(lowest(frame.height), 2))
    last = max(float(places[-1]) for _, _, places in rows)
    across = np.linspace(0, last, 50)
    return Line(variant, tuple(across.tolist()), tuple(benefit_of_all(rate, across).tolist())), Line(
        variant, (0.0, last), (0.0, 0.0)
    )


def _highest(lines: Sequence[Line], what: str) -> str:
    """Whose curve rises highest, and where."""
    y, x, name = max((y, -x, line.variant.name) for line in lines for x, y in zip(line.x, line.y, strict=True))
    return f"The highest {what} is {y:.2f}, of {name} at {-x:.2f}."
