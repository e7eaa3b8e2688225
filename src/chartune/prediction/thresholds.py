"""The threshold of a decision: a probability that is given, or one chosen by a rule on the run's own validation split.

youden            sensitivity + specificity - 1 is largest; of equal ones the highest threshold (Youden, 1950)
sensitivity=0.9   the highest threshold at which 90 % of the cases are flagged
specificity=0.9   the lowest threshold at which 90 % of the controls are not

Flagged is who has a probability of at least the threshold. It lies halfway between two validation probabilities, so
that rounding moves nobody across. The test split has no say in it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.errors import ConfigError, DataError
from chartune.metrics.operating import of_sensitivity, of_specificity, youden
from chartune.prediction.outputs import Outputs
from chartune.runs.run import Run

YOUDEN: Final = "youden"
SHARES: Final = ("sensitivity", "specificity")
FORMS: Final = f"a probability from 0 to 1, {YOUDEN}, sensitivity=0.9 or specificity=0.9"
GIVEN: Final = "given"
LEAST: Final = 10
"""Cases, and controls, of the validation split: of fewer a rule follows single patients."""


@dataclass(frozen=True)
class Threshold:
    """From which probability on a label is said to apply."""

    value: float
    rule: str = GIVEN
    """How it was chosen."""


@dataclass(frozen=True)
class Rule:
    """How a threshold is chosen."""

    kind: str
    share: float = 0.0
    """The least sensitivity, or specificity."""

    def __str__(self) -> str:
        return self.kind if self.kind == YOUDEN else f"{self.kind}={self.share:g}"


def read_threshold(asked: str | float) -> Threshold | Rule:
    """What was asked for. Raises ConfigError: it is no threshold."""
    kind, sign, number = str(asked).strip().partition("=")
    if kind == YOUDEN and not sign:
        return Rule(YOUDEN)
    share = _number(number if kind in SHARES else kind if not sign else "")
    if share is None:
        raise ConfigError(f"a threshold must be {FORMS}, but got {str(asked)[:40]!r}.")
    return Rule(kind, share) if kind in SHARES else Threshold(share)


def threshold_for(
    asked: str | float | None, outputs: Outputs, run: Run | None, *, recalibrated: bool | None
) -> Threshold | None:
    """The threshold of a run; None: none was asked for.

    Args:
        asked: `FORMS`.
        outputs: of what scores.
        run: whose validation split a rule goes by; None: it is not at hand, as of an exported model.
        recalibrated: whether probabilities are; None: where something was fitted.

    Raises:
        ConfigError: it is no threshold, or the run's answers are of a form that a rule does not suit.
        DataError: the validation split has fewer than ten cases or controls.
    """
    read = None if asked is None else read_threshold(asked)
    if not isinstance(read, Rule):
        return read
    if not outputs.form.one_outcome:
        remedy = "give a number" if outputs.form.several else "leave it out"
        raise ConfigError(f"the threshold {read} is of one outcome, but {outputs.origin.name} has several; {remedy}.")
    if run is None:
        raise ConfigError(
            f"the threshold {read} is chosen on the validation split of a run, which is not at hand, as an "
            f"exported model has none; score with the run, or give a number."
        )
    labels, decided = outputs.form.read(run.predictions("validation"))
    cases = int(labels.sum())
    if min(cases, len(labels) - cases) < LEAST:
        raise DataError(
            f"a threshold must be chosen on {LEAST} cases and {LEAST} controls or more, but the validation split of "
            f"{run.name} has fewer; give a number, or split more patients into validation and train again."
        )
    probability = outputs.probability(decided.astype(np.float64), recalibrated=recalibrated)
    return Threshold(chosen(read, labels, probability), f"{read} on the validation split")


def chosen(rule: Rule, labels: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """The threshold that a rule chooses.

    Args:
        rule: youden, or a least sensitivity or specificity.
        labels: 0 or 1, both there, [n].
        probability: of the outcome, [n].
    """
    if rule.kind == YOUDEN:
        return youden(labels, probability)
    return (of_sensitivity if rule.kind == "sensitivity" else of_specificity)(labels, probability, rule.share)


def _number(text: str) -> float | None:
    """A share; None: it is none."""
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
