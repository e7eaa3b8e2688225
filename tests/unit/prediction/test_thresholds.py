"""The threshold of a decision, by a rule on the validation split: values by hand, and what is refused."""

import numpy as np
import pytest

from chartune.errors import ConfigError
from chartune.prediction.thresholds import GIVEN, Rule, Threshold, chosen, read_threshold

P = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.1])
LABELS = np.array([1, 1, 0, 1, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("asked", "threshold"),
    [
        ("youden", 0.75),  # 2 of 4 cases, no control: 0.5; so are 0.55 (3, 1) and 0.3 (4, 2), which are lower
        ("sensitivity=1", 0.3), ("sensitivity=0.75", 0.55), ("sensitivity=0.7", 0.55), ("sensitivity=0", 0.95),
        ("specificity=1", 0.75), ("specificity=0.75", 0.55), ("specificity=0.6", 0.55), ("specificity=0.5", 0.3),
        ("specificity=0", 0.05),
    ],
)  # fmt: skip
def test_a_rule_chooses_the_threshold_that_it_states(asked: str, threshold: float) -> None:
    rule = read_threshold(asked)
    assert isinstance(rule, Rule)
    assert str(rule) == asked
    order = np.random.default_rng(0).permutation(len(P))
    assert chosen(rule, LABELS[order], P[order]) == pytest.approx(threshold)


def test_of_equal_probabilities_all_are_flagged_or_none() -> None:
    p, labels = np.array([0.5, 0.5, 0.5, 0.2]), np.array([1, 0, 1, 0])
    assert chosen(Rule("youden"), labels, p) == pytest.approx(0.35)
    assert chosen(Rule("specificity", 1.0), labels, p) == pytest.approx(0.75)


@pytest.mark.parametrize("given", ["0.2", 0.2, " 0.2 "])
def test_a_number_is_the_threshold(given: str | float) -> None:
    assert read_threshold(given) == Threshold(0.2, GIVEN)


@pytest.mark.parametrize(
    "asked", ["", "1.5", "-0.1", "nan", "yuoden", "youden=0.3", "sensitivity", "sensitivity=2", "f1=0.5"]
)
def test_what_is_no_threshold_is_refused(asked: str) -> None:
    with pytest.raises(ConfigError, match=r"youden, sensitivity=0\.9"):
        read_threshold(asked)
