"""What an interval says of a claim that was stated beforehand."""

import pytest

from chartune.errors import DataError
from chartune.metrics.verdict import Direction, level_of, verdict
from chartune.quantities import Estimate


@pytest.mark.parametrize(
    ("direction", "margin", "low", "high", "says"),
    [
        ("above", 0.0, 0.001, 0.1, "supported"),
        ("above", 0.0, 0.0, 0.1, "undecidable"),
        ("above", 0.0, -0.1, 0.1, "undecidable"),
        ("above", 0.0, -0.1, 0.0, "refuted"),
        ("above", 0.02, 0.01, 0.1, "undecidable"),
        ("above", 0.02, 0.0, 0.02, "refuted"),
        ("not-below", 0.02, -0.019, 0.1, "supported"),
        ("not-below", 0.02, -0.03, 0.1, "undecidable"),
        ("not-below", 0.02, -0.1, -0.02, "refuted"),
        ("alike", 0.02, -0.019, 0.019, "supported"),
        ("alike", 0.02, -0.019, 0.03, "undecidable"),
        ("alike", 0.02, 0.02, 0.03, "refuted"),
        ("alike", 0.02, -0.05, -0.02, "refuted"),
    ],
)
def test_the_interval_alone_decides(direction: Direction, margin: float, low: float, high: float, says: str) -> None:
    assert verdict(Estimate((low + high) / 2, low, high), direction, margin) == says


def test_without_an_interval_nothing_is_decided() -> None:
    assert verdict(Estimate(0.4), "above") == "undecidable"


def test_the_error_is_shared_by_all_claims() -> None:
    assert level_of(0.05, 1) == 0.95
    assert level_of(0.05, 5) == pytest.approx(0.99)
    for error, claims in ((0.0, 1), (1.0, 1), (0.05, 0)):
        with pytest.raises(DataError, match="between 0 and 1"):
            level_of(error, claims)
