"""Windows: rows that follow one another, each measure beside the reference, and whether that is an alarm.

an alarm: p < level / measures  and  PSI ≥ 0.1          no chance, and no trifle
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.drifting import Baseline
from chartune.monitoring.reference import Reference
from chartune.runs.monitored import LENGTH, Drifted, Rule

Array = NDArray[np.float64]


def judged(reference: Reference, values: Mapping[str, Array], rule: Rule) -> tuple[Drifted, ...]:
    """What was watched in one window, by measure.

    Args:
        reference: of the run.
        values: measure → its values, [n]; NaN: a row has none.
        rule: when it is an alarm; the level is divided by the number of measures.
    """
    here = {name: each[np.isfinite(each)] for name, each in values.items()}
    there = {name: each for name, each in here.items() if len(each) and name in reference.baselines}
    return tuple(_drifted(name, reference.baselines[name], each, rule, len(there)) for name, each in there.items())


def _drifted(name: str, own: Baseline, here: Array, rule: Rule, measures: int) -> Drifted:
    apart, middle = own.to(here), np.median if name == LENGTH else np.mean
    return Drifted(
        measure=name, own=float(middle(own.values)), here=float(middle(here)), psi=apart.psi, p=apart.p,
        alarm=apart.p < rule.level / measures and apart.psi >= rule.psi,
    )  # fmt: skip
