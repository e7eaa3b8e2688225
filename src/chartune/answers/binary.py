"""Binary: two labels, of which the later is the outcome (the positive class).

logits [n, 2] ─decide─▶ log-odds of the outcome [n]      AUROC, and calibration of its probability
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers.answer import AUROC, ENOUGH_CASES, Answer
from chartune.answers.outcomes import probability_column
from chartune.answers.score import Rows, Score
from chartune.disclosure import shown
from chartune.metrics.auroc import auroc, auroc_statistic, both_classes, rows
from chartune.metrics.bootstrap import Statistic
from chartune.metrics.calibration import expected_calibration_error
from chartune.metrics.classification import auprc_statistic, log_loss, log_losses, mean_statistic, sigmoid
from chartune.metrics.recalibration import intercept_statistic, slope_statistic
from chartune.metrics.recalibrators import Calibration, Kind, isotonic, platt, temperature

FITS: Final = 200
"""Draws for the scores that need a fit on each."""


def _brier(rows: Rows) -> Statistic:
    return mean_statistic((sigmoid(rows.decided) - rows.labels) ** 2)


def _calibration_error(rows: Rows) -> float:
    return expected_calibration_error(rows.labels, sigmoid(rows.decided))


class Binary(Answer):
    """Whether a row has the outcome."""

    kind = "binary"
    loss = "cross-entropy"
    recalibrators = ("platt", "temperature", "isotonic")
    one_outcome = True
    meds_column = "boolean_value"
    measures = (
        Score("auroc", AUROC.title, lambda r: auroc_statistic(r.labels, r.decided), counts="pairs",
              meaning="95 % interval", chance=0.5, at_once=lambda r: auroc(r.labels, r.decided)),
        Score("auprc", "AUPRC", lambda r: auprc_statistic(r.labels, r.decided), counts="pairs",
              meaning="chance: prevalence"),
        Score("brier", "Brier score", _brier, counts="pairs", column=False),
        Score("log_loss", "Log loss", lambda r: mean_statistic(log_losses(r.labels, r.decided)), counts="pairs",
              column=False),
        Score("prevalence", "Prevalence", lambda r: mean_statistic(r.labels), counts="rows", column=False),
        Score("calibration_intercept", "Calibration intercept", lambda r: intercept_statistic(r.labels, r.decided),
              counts="pairs", column=False, draws=FITS),
        Score("calibration_slope", "Calibration slope", lambda r: slope_statistic(r.labels, r.decided),
              counts="pairs", column=False, draws=FITS),
    )  # fmt: skip
    further = (Score("ece", "ECE", _calibration_error, counts="pairs", meaning="best 0"),)

    def tally(self, label: pl.Series) -> dict[str, int]:
        """Rows with the outcome."""
        return {"positives": int(label.sum())}

    def needs(self, unit: str) -> str:
        """Both classes."""
        return f"{unit} with and without the outcome"

    def holds(self, cases: NDArray[np.int64], train_cases: NDArray[np.int64], rows: int, unit: str) -> str:
        """Its positives, small counts hidden."""
        return f"{shown(int(cases[1]), exact=False)} positives among {shown(rows, exact=False)} {unit}"

    def lacks(self, cases: Sequence[int], rows: int, exact: bool) -> str:
        """Ten rows with the outcome, and ten without it."""
        if min(cases) >= ENOUGH_CASES:
            return ""
        rarer = list(cases).index(min(cases))
        return f", {shown(cases[rarer], exact)} of them {('without', 'with')[rarer]} the outcome"

    def decide(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log-odds of the outcome, [n]."""
        return (logits[:, 1] - logits[:, 0]).astype(np.float64)

    def probabilities(self, decided: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the outcome, [n]."""
        return sigmoid(decided)

    def recalibrator(
        self, kind: Kind, labels: NDArray[Any], decided: NDArray[np.floating], counted: NDArray[np.bool_]
    ) -> Calibration | None:
        """By logistic regression on the log-odds, a slope alone, or isotonic regression."""
        return {"platt": platt, "temperature": temperature, "isotonic": isotonic}[kind](
            labels, decided.astype(np.float64)
        )

    def from_odds(
        self, odds: NDArray[np.float64], classes: NDArray[np.int64], prior: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The log-odds unchanged."""
        return odds

    def nats(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> float:
        """Binary cross-entropy."""
        return log_loss(labels, decided)

    def checked(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Both [n], with rows of both classes."""
        y, z = rows(labels, decided, subject_ids)
        both_classes(y, "a binary score")
        return y, z

    def borne(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Who has the outcome, [n, 1]."""
        return np.asarray(labels[:, None] == 1)

    def ranked(self, decided: NDArray[np.floating]) -> NDArray[np.floating]:
        """[n, 1]."""
        return decided[:, None]

    def flagged(self, decided: NDArray[np.floating], threshold: float = 0.0) -> NDArray[np.bool_]:
        """[n, 1]."""
        return np.asarray(decided[:, None] >= threshold)

    def predicted(self, decided: NDArray[np.float64], outcome: str | None) -> list[pl.Series]:
        """`logit`, `probability`, and the latter under the name of what it is the probability of."""
        probability = pl.Series("probability", sigmoid(decided))
        named = [probability.alias(probability_column(outcome))] if outcome else []
        return [pl.Series("logit", decided), probability, *named]

    def read(self, predictions: pl.DataFrame) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Class numbers and log-odds, [n] each."""
        return self.encoded(predictions["label"], 2), predictions["logit"].to_numpy()

    def cells(self, predictions: pl.DataFrame) -> int:
        """One number per row."""
        return predictions.height
