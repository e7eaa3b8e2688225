"""Returned: outcomes that have come back, beside those of the run's own test split, label by label.

an alarm: p < level / tests  and  observed to expected has moved by a factor of 1.25, or the AUROC has fallen by 0.05
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.drifting import Outcomes, outcomes_of, p_of_calibration, p_of_discrimination
from chartune.metrics.recalibration import slope_statistic
from chartune.prediction.outputs import Outputs
from chartune.runs.monitored import Returned, Rule
from chartune.runs.run import Run

Array = NDArray[np.float64]
MOST_LABELS: Final = 20
"""Of a run with more, those with most cases on its own rows are judged."""
LEAST: Final = 10
"""Cases, and rows without the outcome, of a window and of the run's own rows."""
TESTS: Final = 2
"""Of each label: calibration and discrimination."""
EDGE: Final = 1e-6
"""Probabilities are at least so far from 0 and 1 where their log-odds are taken."""


@dataclass(frozen=True)
class Own:
    """Outcomes of the run's own rows, of the labels that are judged."""

    numbers: tuple[int, ...]
    """Places of these labels in the columns of probabilities."""
    names: tuple[str, ...]
    outcomes: tuple[Outcomes, ...]


def own_outcomes(run: Run, outputs: Outputs, split: str, *, recalibrated: bool) -> Own:
    """Those of a split, of labels with enough cases, the most frequent ones.

    Args:
        run: on whole texts, with predictions.
        outputs: of the run.
        split: of them.
        recalibrated: whether probabilities are.
    """
    rows = run.predictions(split)
    labels, decided = outputs.form.read(rows)
    made = outputs.probability(decided.astype(np.float64), recalibrated=recalibrated)
    true, made = _columns(labels, outputs), made[:, None] if made.ndim == 1 else made
    cases = true.sum(axis=0)
    enough = [n for n in np.argsort(-cases, kind="stable").tolist() if LEAST <= cases[n] <= len(true) - LEAST]
    numbers = tuple(sorted(enough[:MOST_LABELS]))
    subjects = rows["subject_id"].to_numpy()
    named = outputs.labels[1:] if outputs.form.one_outcome else outputs.labels
    return Own(
        numbers, tuple(named[n] for n in numbers),
        tuple(outcomes_of(true[:, n], made[:, n], subjects) for n in numbers),
    )  # fmt: skip


def _columns(labels: NDArray[np.generic], outputs: Outputs) -> Array:
    """0 or 1 by label, [n, labels]; of one outcome [n, 1]."""
    if labels.ndim == 2:
        return labels.astype(np.float64)
    numbers = labels.astype(np.int64)
    if outputs.form.one_outcome:
        return numbers[:, None].astype(np.float64)
    return np.eye(len(outputs.labels))[numbers]


def returned(own: Own, true: Array, made: Array, rule: Rule) -> tuple[Returned, ...]:
    """What outcomes of one window say.

    Args:
        own: of the run.
        true: 0 or 1, [n, labels]; NaN: not known of that row.
        made: probabilities of the same, [n, labels].
        rule: when it is an alarm.
    """
    known = np.isfinite(true[:, 0]) if true.size else np.zeros(0, dtype=np.bool_)
    if not known.any():
        return ()
    true, made = true[known], made[known]
    cases = [int(true[:, n].sum()) for n in own.numbers]
    enough = [LEAST <= count <= len(true) - LEAST for count in cases]
    tests = max(1, TESTS * sum(enough))
    subjects = np.arange(len(true))  # whose rows they are is not known
    return tuple(
        _judged(name, before, outcomes_of(true[:, n], made[:, n], subjects), rule, tests) if judge
        else Returned(label=name, rows=len(true), cases=count, few=True)
        for n, name, before, count, judge in zip(own.numbers, own.names, own.outcomes, cases, enough, strict=True)
    )  # fmt: skip


def _judged(label: str, own: Outcomes, here: Outcomes, rule: Rule, tests: int) -> Returned:
    p_ratio, p_auroc = p_of_calibration(here, own), p_of_discrimination(here, own)
    moved, fallen = here.ratio / own.ratio, own.area[0] - here.area[0]
    level = rule.level / tests
    return Returned(
        label=label, rows=len(here.labels), cases=here.cases, few=False,
        ratio=here.ratio, own_ratio=own.ratio, p_ratio=p_ratio,
        ratio_alarm=p_ratio < level and not 1 / rule.ratio < moved < rule.ratio,
        auroc=here.area[0], own_auroc=own.area[0], p_auroc=p_auroc,
        auroc_alarm=p_auroc < level and fallen >= rule.auroc,
        slope=_slope(here), own_slope=_slope(own),
    )  # fmt: skip


def _slope(outcomes: Outcomes) -> float | None:
    p = np.clip(outcomes.probability, EDGE, 1 - EDGE)
    value = float(slope_statistic(outcomes.labels, np.log(p / (1 - p)))(np.ones((1, len(p))))[0])
    return value if np.isfinite(value) else None


def in_rows(ids: Sequence[str], known: Sequence[str], true: Array) -> tuple[Array, int]:
    """Outcomes in the order of rows that were scored, [rows, labels]; NaN: not known. And how many fit no row."""
    place = {name: number for number, name in enumerate(ids)}
    made, unmatched = np.full((len(ids), true.shape[1]), np.nan), 0
    for name, row in zip(known, true, strict=True):
        if name in place:
            made[place[name]] = row
        else:
            unmatched += 1
    return made, unmatched
