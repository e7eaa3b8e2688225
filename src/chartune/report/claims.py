"""Claims that were stated before the test split was scored, and what it says of them: a verdict for each.

    runs of both sides ─same draws of patients, of all tasks together─▶ difference [interval] ─▶ verdict

Ours is compared with the one of the others that does best on the validation split: never with one that was chosen by
its test score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import Metric
from chartune.disclosure import TOO_FEW, Behind, fewest, is_made_up
from chartune.metrics import Resamples, paired_difference
from chartune.metrics.verdict import Direction, Verdict, level_of, verdict
from chartune.quantities import Estimate
from chartune.report.average import SEED, mean_of_tasks, seeds_drawn
from chartune.report.compare import headline_draws
from chartune.report.hidden import behind_run
from chartune.report.predicted import RESAMPLES
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated, listed
from chartune.runs import Run
from chartune.runs.run import CHOOSING, SCORING
from chartune.tasks.dataset import gone

DIGITS: Final = 3
MOST: Final = 10
"""Claims up to which more of them are decided by more draws: the ends of wider intervals are rarer draws."""
LATE: Final = "not locked before the test split was scored: exploratory"
RANGES: Final[Mapping[Direction, str]] = {
    "above": "better by more than {}", "not-below": "not worse by {} or more", "alike": "neither better by {} or more",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """Runs that a claim compares."""

    name: str
    """What the study calls them."""
    runs: Mapping[str, tuple[Run, ...]]
    """Task → a run for each seed."""
    tried: int
    """Settings among which they were chosen."""
    missing: int = 0
    """Cells without a run in the store."""


@dataclass(frozen=True)
class Asked:
    """A claim with the runs that decide it."""

    says: str
    direction: Direction
    margin: float
    ours: Side
    against: tuple[Side, ...]
    locked: str
    """Hash of the claims."""


@dataclass(frozen=True)
class Decided:
    """A claim, and what came of it."""

    asked: Asked
    verdict: Verdict
    against: Side | None = None
    """Which of the others it was compared with; None: it was compared with none."""
    difference: Estimate | None = None
    """As it may be shown; None: nothing was compared, or it is hidden."""
    digits: int = DIGITS
    """Of the difference, after the point."""
    why: str = ""
    """Why nothing decides it; empty: the interval does."""
    late: bool = False
    """Whether a run had scored its test split before the claims were locked."""


def decided(claims: Sequence[Asked], error: float) -> list[Decided]:
    """A verdict for each claim.

    Args:
        claims: of one study.
        error: with what probability any of them may be decided falsely.
    """
    resamples = RESAMPLES * min(len(claims), MOST)
    return [_decided(asked, level_of(error, len(claims)), resamples) for asked in claims]


def claims_table(made: Sequence[Decided], error: float) -> Table | None:
    """Every claim with the difference and its verdict; None: there is none."""
    if not made:
        return None
    columns = (
        Column("Claim", "and what decides it", numeric=False), Column("Compared", numeric=False), Column("Difference"),
        Column("Verdict", numeric=False),
    )  # fmt: skip
    level, several = level_of(error, len(made)), len(made) > 1
    shared = f": {len(made)} of them, so that all together are false with a probability of at most {100 * error:g} %"
    note = (
        f"The verdict goes by the interval alone ({100 * level:.4g} %{shared if several else ''}). Ours is compared "
        f"with the one of the others that does best on the validation split; each draw of patients serves both sides "
        f"and all tasks, and of several seeds as many are drawn with replacement. "
        f"Claims and stages were locked as {made[0].asked.locked}."
    )
    return Table("Claims", columns, tuple(_row(one) for one in made), note, cards=False)


def _row(one: Decided) -> tuple[Cell, ...]:
    asked, theirs = one.asked, one.against
    range_ = RANGES[asked.direction].format(f"{asked.margin:g}")
    compared = Cell(asked.ours.name, f"against {theirs.name if theirs else listed([s.name for s in asked.against])}")
    if theirs:
        compared = Cell(compared.text, f"{compared.detail}\n{_tried(asked.ours, theirs)}")
    difference = Cell(NOT_MEASURED)
    if one.difference is not None:
        e = one.difference
        difference = estimated(e.value, e.low, e.high, one.digits, signed=True)
    detail = "\n".join(filter(None, (one.why, LATE if one.late else "")))
    tasks = listed([task.replace("_", " ") for task in asked.ours.runs if task])
    claim = Cell(asked.says, "\n".join(filter(None, (range_, tasks))))
    return claim, compared, difference, Cell(one.verdict, detail, strong=one.verdict != "undecidable" and not one.late)


def _tried(ours: Side, theirs: Side) -> str:
    """Among how many settings each side was chosen."""
    return f"settings tried: {ours.tried} and {theirs.tried}"


def _decided(asked: Asked, level: float, resamples: int) -> Decided:
    missing = asked.ours.missing + sum(side.missing for side in asked.against)
    if missing:
        return Decided(asked, "undecidable", why=f"{missing} of its runs are not in this store")
    theirs = max(asked.against, key=_on_validation)
    late = any(asked.locked not in run.about.claims for side in (asked.ours, theirs) for run in _every(side))
    behind = _behind(asked.ours, theirs)
    if behind is not None and behind.few:
        return Decided(asked, "undecidable", theirs, why=TOO_FEW, late=late)
    draws = _difference(asked.ours, theirs, resamples)
    if isinstance(draws, str):
        return Decided(asked, "undecidable", theirs, why=draws, late=late)
    measured = draws.estimate(level)
    digits = DIGITS if behind is None else min(DIGITS, behind.precision(_headline(asked.ours).metric))
    shown = measured if behind is None else measured.rounded(digits)
    return Decided(asked, verdict(measured, asked.direction, asked.margin), theirs, shown, digits, late=late)


def _every(side: Side) -> Iterator[Run]:
    return (run for runs in side.runs.values() for run in runs)


def _headline(side: Side) -> Metric:
    return next(_every(side)).headline


def _on_validation(side: Side) -> float:
    """Its mean headline on the validation split, over seeds and tasks."""
    means = [
        fmean(e.value if (e := run.estimate(run.headline.metric, CHOOSING)) else -np.inf for run in runs)
        for runs in side.runs.values()
    ]
    return fmean(means)


def _behind(*sides: Side) -> Behind | None:
    """Who stands behind the scores of real patients; None: they are fictional."""
    real = [run for side in sides for run in _every(side) if not is_made_up(gone(run.about.source).source)]
    return fewest([behind_run(run) for run in real]) if real else None


def _difference(ours: Side, theirs: Side, resamples: int) -> Resamples | str:
    """The difference of the means over tasks, all drawn together; or why there is none."""
    if len({run.headline.metric for side in (ours, theirs) for run in _every(side)}) > 1:
        return "its tasks are not all measured by one score"
    patients = _patients(ours, theirs)
    made: tuple[list[Resamples], list[Resamples]] = [], []
    rng = np.random.default_rng(SEED)
    for task, runs in ours.runs.items():
        own, other = (_drawn(each, patients, resamples) for each in (runs, theirs.runs[task]))
        if own is None or other is None or not own[0].equals(other[0]):
            return "the two sides do not answer the same rows, or no score of them is defined"
        for scores, (_, seeds) in zip(made, (own, other), strict=True):
            scores.append(seeds_drawn(seeds, rng))
    return paired_difference(*([mean_of_tasks(scores, patients.size)] for scores in made))


def _drawn(
    runs: Sequence[Run], patients: NDArray[np.int64], resamples: int
) -> tuple[pl.DataFrame, list[Resamples]] | None:
    form = runs[0].form
    return None if form is None else headline_draws(runs, form, runs[0].about.labels or (), patients, resamples)


def _patients(*sides: Side) -> NDArray[np.int64]:
    """Everybody in the test split of any task."""
    return np.unique(np.concatenate([run.predictions(SCORING)["subject_id"] for s in sides for run in _every(s)]))
