"""What recalibration does to the probabilities of a task: errors of calibration on the test rows before and after.

test rows ─┬─ as predicted                            ─▶ ECE · Brier score · log loss · slope
└─ recalibrated, as the run has fitted it  ─▶ the same
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.metrics.calibration import expected_calibration_error
from chartune.metrics.recalibration import slope_statistic
from chartune.quantities import Estimate
from chartune.report.believable import fitted_of, scored_run
from chartune.report.predicted import counted, oversized
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Variant, score, too_few
from chartune.runs import Run
from chartune.runs.run import SCORING

METRICS: Final = ("ece", "brier", "log_loss", "calibration_slope")
_NOTE: Final = (
    "Fitted on held-out rows, not on these. Platt and temperature scaling change no rank, and so no AUROC; isotonic "
    "regression makes ties. Of several labels over all cells of those that count; the ECE of classes is of the most "
    "likely one. `chartune predict` recalibrates unless it is asked for --raw."
)
Measured = tuple[dict[str, float], dict[str, float] | None, str]
"""Errors as predicted, and recalibrated; and how, or why not."""


def recalibration_table(
    variants: Sequence[Variant], form: Answer, title: str, every: Mapping[str, Run], labels: Sequence[str]
) -> Table | None:
    """Errors of calibration before and after; None: no run has a recalibration.

    Args:
        variants: numbered, of one task.
        form: of the answers.
        title: of the task.
        every: all runs by fingerprint, where the run is looked up that an evaluation on other data has scored.
        labels: ids of the labels in the order of their numbers.
    """
    if not form.recalibrators:
        return None
    rows: list[tuple[Cell, ...]] = []
    mends = False
    for variant in variants:
        made = [each for run in variant.runs if (each := _measured(run, variant, form, every, labels)) is not None]
        if len(made) < len(variant.runs):
            continue
        after = [mended for _, mended, _ in made if mended is not None]
        mends |= bool(after)
        name, how = f"{variant.label} · {variant.name}", "; ".join(dict.fromkeys(each[2] for each in made))
        rows.append((Cell(name, "as predicted"), *_cells(variant, [before for before, _, _ in made])))
        rows.append((Cell(name, how), *_cells(variant, after if len(after) == len(made) else [])))
    columns = (
        Column("Variant", numeric=False), Column("ECE", "best 0"), Column("Brier score", "lower is better"),
        Column("Log loss", "lower is better"), Column("Slope", "best 1; below: too sure"),
    )  # fmt: skip
    return Table(f"{title}: recalibration", columns, tuple(rows), _NOTE, cards=False) if mends else None


def reliability(
    form: Answer, labels: NDArray[Any], decided: NDArray[np.float64], which: NDArray[np.bool_]
) -> dict[str, float]:
    """Errors of calibration: ece, brier, log_loss and, where it is defined, calibration_slope.

    Args:
        form: of the answers.
        labels: as `Answer.encoded`.
        decided: as `Answer.decide`.
        which: labels that count, [L]; of one outcome [1].
    """
    if form.several:
        labels, decided = labels[:, which], decided[:, which]
    borne, p = form.borne(labels, decided), form.probabilities(decided)
    p = p.reshape(borne.shape)
    one_of = not (form.several or form.one_outcome)
    right = borne[np.arange(len(p)), p.argmax(axis=1)] if one_of else borne.ravel()
    brier = ((p - borne) ** 2).sum(axis=1).mean() if one_of else ((p - borne) ** 2).mean()
    made = {
        "ece": expected_calibration_error(right, np.clip(p.max(axis=1) if one_of else p.ravel(), 0, 1)),
        "brier": float(brier), "log_loss": form.nats(labels, decided),
    }  # fmt: skip
    if one_of:
        return made
    slope = slope_statistic(borne.ravel().astype(np.float64), decided.ravel())(np.ones((1, borne.size)))
    return made | {"calibration_slope": float(slope[0])}


def _measured(
    run: Run, variant: Variant, form: Answer, every: Mapping[str, Run], labels: Sequence[str]
) -> Measured | None:
    """Of the test rows of a run; None: it has none, or more than are worked out."""
    frame = run.predictions(SCORING) if run.has_predictions() else None
    if frame is None or frame.is_empty() or oversized(form, frame) or variant.hidden:
        return None
    true, decided = form.read(frame)
    borne = form.borne(true, decided)
    which = counted(run, form, borne.shape[1], labels)
    odds, fitted = np.asarray(decided, dtype=np.float64), fitted_of(run, variant, every)
    before = reliability(form, true, odds, which)
    if fitted is None:
        known = scored_run(run, every)
        return before, None, f"raw: {(known and known.about.uncalibrated) or 'nothing was fitted'}"
    return before, reliability(form, true, fitted.applied(odds), which), f"{fitted.kind}, {fitted.split} split"


def _cells(variant: Variant, made: Sequence[Mapping[str, float]]) -> list[Cell]:
    """A cell for each of `METRICS`, its mean over seeds."""
    return [_cell(variant, metric, [each[metric] for each in made if metric in each]) for metric in METRICS]


def _cell(variant: Variant, metric: str, values: Sequence[float]) -> Cell:
    estimates = [Estimate(value) for value in values if np.isfinite(value)]
    if not estimates:
        return Cell(NOT_MEASURED)
    return too_few() if variant.hides_any(metric, estimates) else score(variant.together(metric, estimates))
