"""What the saved predictions of a run say: its test rows, and its scores on draws of patients, once for all of a page.

predictions.parquet ─▶ test rows in order ─the same draws for every run─▶ headline and further scores
                   └▶ validation rows: the threshold that was chosen on them
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers import ENOUGH_CASES, Answer, Rows, Score
from chartune.answers.score import drawn
from chartune.metrics import Resamples
from chartune.metrics.permutation import permutation_p
from chartune.quantities import Estimate
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Variant, called, score, too_few
from chartune.runs import Run
from chartune.runs.run import CHOOSING, SCORING

LARGEST: Final = 2**25
"""Rows times labels beyond which nothing is drawn: it takes half a minute for each run."""
RESAMPLES: Final = 1000


@dataclass(frozen=True)
class Predicted:
    """The test rows of a run, and its scores on them."""

    rows: pl.DataFrame
    """subject_id, hadm_id, label; by hadm_id."""
    drawn: Mapping[str, Resamples | float]
    """Metric → draws, or a bare value; the headline first."""
    decided: NDArray[np.floating]
    """Log-odds of a single outcome, [n]; of other answers empty."""

    @property
    def headline(self) -> Resamples | None:
        """None: it is not drawn."""
        first = next(iter(self.drawn.values()))
        return first if isinstance(first, Resamples) else None

    def estimate(self, metric: str) -> Estimate | None:
        """A score with its interval; None: not measured, or these rows leave it undefined."""
        made = self.drawn.get(metric)
        if made is None:
            return None
        estimate = Estimate(made, n=self.rows.height) if isinstance(made, float) else made.estimate()
        return estimate if np.isfinite(estimate.value) else None


def predicted(
    run: Run, form: Answer, labels: Sequence[str] = (), scores: Sequence[Score] | None = None,
    patients: ArrayLike = (), resamples: int = RESAMPLES,
) -> Predicted | None:  # fmt: skip
    """What a run says of its test rows; None: it has none, one class only, two rows of one id, or more than are drawn.

    Args:
        run: of a task.
        form: of its answers.
        labels: ids of the labels in the order of their numbers; empty: as the run lists them.
        scores: what is worked out; None: the headline and what is not kept by runs.
        patients: who is drawn from, where others count, too; empty: those of the rows.
        resamples: draws of patients.
    """
    if not run.has_predictions():
        return None
    frame = run.predictions(SCORING).sort("hadm_id")
    if frame.is_empty() or oversized(form, frame) or frame["hadm_id"].is_duplicated().any():
        return None
    rows = replace(_rows(run, form, frame, labels), patients=patients, resamples=resamples)
    if not rows.which.any():
        return None  # one class only: the score itself is "not measured" too
    wanted = (form.headline, *form.further) if scores is None else scores
    decided = rows.decided if form.one_outcome else np.empty(0)
    return Predicted(frame.select("subject_id", "hadm_id", "label"), drawn(wanted, rows), decided)


def exchanged(ours: Run, theirs: Run, form: Answer, labels: Sequence[str] = ()) -> float:
    """P of no difference of two runs by exchanging what they say patient by patient (`metrics.permutation`).

    Args:
        ours: of a task.
        theirs: on the same test rows.
        form: of their answers.
        labels: ids of the labels in the order of their numbers; empty: as the first run lists them.

    Returns:
        NaN: their primary metric is no AUROC, or no label can be scored.
    """
    if not form.ranked_by_auroc:
        return float("nan")
    frames = [run.predictions(SCORING).sort("hadm_id") for run in (ours, theirs)]
    first, second = (form.ranked(form.read(frame)[1]) for frame in frames)
    borne = form.borne(*form.read(frames[0]))
    which = counted(ours, form, borne.shape[1], labels)
    return permutation_p(borne[:, which], first[:, which], second[:, which], frames[0]["subject_id"].to_numpy())


def oversized(form: Answer, frame: pl.DataFrame) -> bool:
    """Whether predictions are more rows times labels than are drawn."""
    return form.cells(frame) > LARGEST


def of_variant(variant: Variant, metric: str, known: Mapping[str, Predicted | None]) -> Cell:
    """A further score of a variant over its seeds, as a cell.

    Args:
        variant: numbered.
        metric: of `Answer.further`.
        known: fingerprint → what a run says.
    """
    made = [each.estimate(metric) for run in variant.runs if (each := known.get(run.fingerprint)) is not None]
    estimates = [estimate for estimate in made if estimate is not None]
    if variant.hidden or variant.hides_any(metric, estimates):
        return too_few()
    return score(variant.together(metric, estimates)) if len(estimates) == len(variant.runs) else Cell(NOT_MEASURED)


def further_table(
    variants: Sequence[Variant], known: Mapping[str, Predicted | None], form: Answer, caption: str
) -> Table | None:
    """The scores that no run keeps, of a task with several labels; None: there are none.

    Args:
        variants: numbered.
        known: fingerprint → what a run says.
        form: of the answers.
        caption: whose scores.
    """
    if form.one_outcome or not form.further or not any(known.get(run.fingerprint) for v in variants for run in v.runs):
        return None
    columns = (Column("Variant", numeric=False), *(Column(each.title, each.meaning) for each in form.further))
    rows = tuple((called(v), *(of_variant(v, each.metric, known) for each in form.further)) for v in variants)
    return Table(
        caption, columns, rows, "Worked out from saved predictions, on the same draws of patients.", cards=False
    )


def counted(run: Run, form: Answer, count: int, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which labels count in averages, [L]; all, where that is not known or not asked."""
    about = run.per_label()
    if not form.several or about is None or about.height != count:
        return np.ones(count, dtype=np.bool_)
    enough = pl.col("scored") if "scored" in about.columns else pl.col("train_cases") >= ENOUGH_CASES
    by_label = dict(about.select("label", enough.alias("counted")).iter_rows())
    names = labels if len(labels) == count else about["label"].to_list()
    return np.array([bool(by_label.get(name)) for name in names])


def _rows(run: Run, form: Answer, frame: pl.DataFrame, labels: Sequence[str]) -> Rows:
    encoded, decided = form.read(frame)
    rows = form.rows(encoded, decided, frame["subject_id"].to_numpy())
    which = counted(run, form, rows.borne.shape[1], labels)
    threshold = _threshold(run, form, which)
    chosen: Any = None if threshold is None else form.flagged(decided, threshold)
    return replace(
        rows, counted=which, flagged=form.flagged(decided), flagged_as_chosen=chosen
    ).scorable()  # fmt: skip


def _threshold(run: Run, form: Answer, which: NDArray[np.bool_]) -> float | None:
    """The threshold that is chosen on the validation rows of a run; None: there are none."""
    frame = run.predictions(CHOOSING)
    if frame.is_empty() or not form.several or oversized(form, frame):
        return None
    return form.threshold(*form.read(frame), which)
