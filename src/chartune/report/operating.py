"""Operating points: what flagging above a threshold would mean on the test split, thresholds chosen on validation.

For real patients a point is shown where each of its four cells (flagged or not, with the outcome or without) holds
nobody, or ten rows and ten patients; its rates have the digits that their denominators allow. F1 and balanced accuracy
are worked out of the rates as they are shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.disclosure import SMALL, TOO_FEW, digits, lowest
from chartune.metrics.operating import (
    RATES,
    SUMMARIES,
    confusion,
    of_alert_rate,
    of_f1,
    of_sensitivity,
    of_specificity,
    rates,
    summaries,
    youden,
)
from chartune.quantities import Estimate
from chartune.report.believable import scored_run
from chartune.report.diagnostics import drawables
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Variant
from chartune.runs import Run

Choice = Callable[[NDArray[np.int64], NDArray[np.float64]], float]
"""Labels and probabilities of the validation split → threshold."""

RULES: Final[tuple[tuple[str, Choice], ...]] = (
    ("highest sensitivity + specificity (Youden)", youden),
    ("sensitivity of at least 80 %", lambda labels, scores: of_sensitivity(labels, scores, 0.8)),
    ("sensitivity of at least 90 %", lambda labels, scores: of_sensitivity(labels, scores, 0.9)),
    ("sensitivity of at least 95 %", lambda labels, scores: of_sensitivity(labels, scores, 0.95)),
    ("specificity of at least 95 %", lambda labels, scores: of_specificity(labels, scores, 0.95)),
    ("highest F1", of_f1),
    ("at most one in ten flagged", lambda labels, scores: of_alert_rate(scores, 0.1)),
)
"""What a threshold must reach on the validation split, and how it is chosen."""
NOTE: Final = (
    "Each threshold was chosen on the validation split alone, by the rule beneath the name, and then applied to the "
    "test split; whoever has at least that risk is flagged, as by chartune predict --threshold. 95 % intervals of the "
    "patient bootstrap, for a threshold that is given. PPV and NPV hold at this prevalence only."
)


@dataclass(frozen=True)
class Point:
    """One variant at one threshold, on the test split."""

    variant: Variant
    rule: str
    threshold: float
    """As a probability."""
    rates: Mapping[str, Estimate] | None
    """By name (`RATES`, `SUMMARIES`), in the digits in which they are shown; None: too few real patients."""
    digits: Mapping[str, int]
    """After the point."""


def operating_points(variants: Sequence[Variant], open_data: bool, every: Mapping[str, Run]) -> list[Point]:
    """All points of a binary task, rule by rule.

    Args:
        variants: of the task.
        open_data: the patients are fictional, so that a few of them may be shown.
        every: all runs by fingerprint, where the run is looked up that an evaluation on other data has scored.
    """
    rows = [
        (variant, frame, watched)
        for variant, frame in drawables(variants, open_data)
        if (watched := _watched(variant, every)) is not None
    ]
    return [
        _point(variant, frame, rule, choose(watched["label"].to_numpy(), watched["probability"].to_numpy()), open_data)
        for rule, choose in RULES
        for variant, frame, watched in rows
    ]


def operating_table(points: Sequence[Point], task: str) -> Table | None:
    """The points of one task; None: there are none.

    Args:
        points: of the task.
        task: its title.
    """
    columns = (
        Column("Variant", "and the rule of its threshold", numeric=False), Column("Threshold", "as a risk"),
        Column("Flagged", "of all"), Column("Sensitivity", "of those with the outcome"),
        Column("Specificity", "of those without it"), Column("PPV", "of the flagged"), Column("NPV", "of the others"),
        Column("F1"), Column("Balanced accuracy", "mean of sensitivity and specificity"),
    )  # fmt: skip
    rows = tuple(
        (Cell(f"{point.variant.label} · {point.variant.name}", point.rule), Cell(_risk(point.threshold)),
         *(_cell(point, rate) for rate in (*RATES, *SUMMARIES)))
        for point in points
    )  # fmt: skip
    return Table(f"{task}: operating points on the test split", columns, rows, NOTE, cards=False) if rows else None


def _watched(variant: Variant, every: Mapping[str, Run]) -> pl.DataFrame | None:
    """Validation rows of both classes; None: there are none, or too few real patients among them."""
    run = scored_run(variant.run, every)
    if run is None or (variant.watched is not None and variant.watched.few):
        return None
    rows = run.predictions("validation")
    return rows if rows["label"].n_unique() == 2 else None


def _point(variant: Variant, frame: pl.DataFrame, rule: str, threshold: float, open_data: bool) -> Point:
    labels, flagged = frame["label"].to_numpy(), frame["probability"].to_numpy() >= threshold
    subjects = frame["subject_id"].to_numpy()
    if not open_data and few_cells(labels, flagged, subjects):
        return Point(variant, rule, threshold, None, {})
    four = confusion(labels, flagged)
    places = {rate: 3 if open_data else digits(lowest(four.denominator(rate))) for rate in RATES}
    places |= {"f1": min(places["sensitivity"], places["ppv"]),
               "balanced_accuracy": min(places["sensitivity"], places["specificity"])}  # fmt: skip
    measured = {rate: e.rounded(places[rate]) for rate, e in rates(labels, flagged, subjects).items()}
    return Point(variant, rule, threshold, measured | _summed_up(measured, labels, flagged, subjects, places), places)


def _summed_up(
    shown: Mapping[str, Estimate], labels: NDArray[np.int64], flagged: NDArray[np.bool_], subjects: NDArray[Any],
    places: Mapping[str, int],
) -> dict[str, Estimate]:  # fmt: skip
    """F1 and balanced accuracy: the values from the rates as they are shown, which tell no more than these."""
    found, right, well = shown["sensitivity"].value, shown.get("ppv"), shown["specificity"].value
    precision = right.value if right else 0.0
    values = {"f1": 2 * found * precision / (found + precision) if found + precision else 0.0,
              "balanced_accuracy": (found + well) / 2}  # fmt: skip
    drawn = summaries(labels, flagged, subjects)
    return {name: replace(drawn[name], value=values[name]).rounded(places[name]) for name in SUMMARIES}


def few_cells(labels: NDArray[np.int64], flagged: NDArray[np.bool_], subjects: NDArray[Any]) -> bool:
    """Whether a cell holds one to nine rows, or patients."""
    cells = [(labels == label) & (flagged == mark) for label in (0, 1) for mark in (False, True)]
    return any(0 < np.unique(subjects[cell]).size < SMALL for cell in cells)


def _cell(point: Point, rate: str) -> Cell:
    if point.rates is None:
        return Cell(TOO_FEW)
    measured = point.rates.get(rate)
    if measured is None:
        return Cell(NOT_MEASURED, "nobody to count" if rate in ("ppv", "npv") else "")
    return estimated(measured.value, measured.low, measured.high, point.digits[rate])


def _risk(threshold: float) -> str:
    """In two significant digits: a threshold is what one patient was given."""
    return f"{threshold:#.2g}"
