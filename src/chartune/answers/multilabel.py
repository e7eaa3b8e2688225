"""Any of many labels, such as the diagnoses of a stay: each a yes or no, averaged over those that can be scored.

logits [n, L] ─▶ macro and micro AUROC, macro AUPRC, how many labels they are over, and an AUROC per label
              ─▶ in reports: weighted AUROC, macro AUROC of common labels, recall@k, F1s at two thresholds
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers.answer import AUROC, ENOUGH_CASES, Answer
from chartune.answers.multiclass import macro, macro_value
from chartune.answers.score import Rows, Score
from chartune.disclosure import shown
from chartune.errors import DataError, LabelError
from chartune.metrics.areas import areas
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import Resamples, Statistic
from chartune.metrics.classification import frequencies, sigmoid
from chartune.metrics.decisions import of_micro_f1, recall_at
from chartune.metrics.multilabel import matrices
from chartune.metrics.recalibrators import Calibration, Kind, temperature

COMMON: Final = 10
"""Rows with a label, and without it, from which on it is common: hardly any draw lacks it."""
RECALLED: Final = (5, 8, 15)
"""Codes that a reader might be shown."""


def micro(rows: Rows) -> Statistic:
    """AUROC over all cells of the labels that can be scored, in one ranking."""
    return auroc_statistic(rows.borne[:, rows.which], rows.ranked[:, rows.which])


def macro_auprc(rows: Rows) -> float:
    """No interval: a rare positive that is drawn twice helps itself, so that draws lie above the value."""
    return float(rows.areas[1][rows.which].mean())


def common_macro(rows: Rows) -> Resamples:
    """Macro AUROC over the labels that at least ten rows have, and ten have not: the same labels in every draw."""
    cases = rows.borne.sum(axis=0)
    return rows.draws.macro_of_all(rows.which & (np.minimum(cases, len(rows.labels) - cases) >= COMMON))


def softmax_macro(rows: Rows) -> float:
    """Macro AUROC as Gema et al.'s code has it, over all labels with both classes, however rare.

    A label ranks texts by its softmax over the labels of each, so that the other labels of a text move it.
    """
    every = rows.whole or rows
    log_share = every.decided - np.logaddexp.reduce(every.decided.astype(np.float64), axis=1, keepdims=True)
    return float(np.nanmean(areas(every.borne, log_share)[0]))


def skipped(rows: Rows) -> float:
    """Labels that every text has, or none: that code leaves them out without a word."""
    borne = (rows.whole or rows).borne
    return float((borne.all(axis=0) | ~borne.any(axis=0)).sum())


def _recall(k: int) -> Score:
    def of(rows: Rows) -> Statistic:
        every = rows.whole or rows
        return recall_at(every.borne, every.ranked, k)

    return Score(f"recall_at_{k}", f"Recall@{k}", of, counts="rows", meaning="mean over rows with a label")


def _f1s(average: str) -> tuple[Score, Score]:
    def as_chosen(rows: Rows) -> Statistic | float:
        return float("nan") if rows.flagged_as_chosen is None else rows.decisions_as_chosen[f"f1_{average}"]

    title = f"{average.capitalize()} F1"
    return (
        Score(f"f1_{average}", title, lambda r: r.decisions[f"f1_{average}"], counts="rows", meaning="at even odds"),
        Score(f"f1_{average}_chosen", title, as_chosen, counts="rows", meaning="threshold of validation"),
    )


class AnyOf(Answer):
    """Which of many labels apply to a row, however many."""

    kind = "multilabel"
    loss = "binary-cross-entropy"
    several = True
    fewest_labels = 0
    label_dtype = pl.List(pl.Int32())
    per_label = AUROC
    meds_column = "categorical_value"
    measures = (
        Score("auroc", "Macro AUROC", macro, counts="pairs", meaning="95 % interval", chance=0.5, at_once=macro_value),
        Score("micro_auroc", "Micro AUROC", micro, counts="pairs", meaning="all cells in one ranking"),
        Score("macro_auprc", "Macro AUPRC", macro_auprc, counts="pairs"),
        Score("labels_scored", "Labels scored", lambda r: float(r.which.sum()), counts="labels", meaning="of all",
              out_of="labels_all"),
        Score("labels_all", "Labels", lambda r: float(len(r.which)), counts="labels", column=False),
    )  # fmt: skip
    further = (
        Score("weighted_auroc", "Weighted AUROC", lambda r: r.draws.weighted(r.which), counts="pairs",
              meaning="labels by their cases"),
        Score("common_auroc", "Macro AUROC", common_macro, counts="pairs",
              meaning=f"labels with {COMMON} test cases or more"),
        *(_recall(k) for k in RECALLED),
        *_f1s("micro"), *_f1s("macro"), *_f1s("weighted"),
    )  # fmt: skip
    as_coded = (
        Score("softmax_auroc", "Macro AUROC", softmax_macro, counts="pairs", meaning="softmax over labels, all labels"),
        Score("labels_skipped", "Labels skipped", skipped, counts="labels", meaning="without both classes"),
    )  # fmt: skip

    def probabilities(self, decided: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each label by itself, [n, L]."""
        return sigmoid(decided)

    def numbered(self, examples: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        """`label`: sorted numbers of all that apply and are known, list[i32]."""
        numbers = pl.DataFrame({"asked": labels, "label": range(len(labels))},
                               schema={"asked": pl.String, "label": pl.Int32})  # fmt: skip
        key = examples.with_row_index("_row").select("_row", "asked").explode("asked", empty_as_null=True)
        lists = key.join(numbers, on="asked").group_by("_row").agg(pl.col("label").sort())
        rows = examples.with_row_index("_row").join(lists, on="_row", how="left", maintain_order="left")
        return rows.with_columns(pl.col("label").fill_null(pl.lit([], dtype=pl.List(pl.Int32)))).drop("_row", "asked")

    def tally(self, label: pl.Series) -> dict[str, int]:
        """Labels of all rows together."""
        return {"labels_assigned": int(label.list.len().sum())}

    def encoded(self, column: pl.Series, labels: int) -> NDArray[Any]:
        """Which labels apply, [n, L] float32 of 0 and 1."""
        matrix = np.zeros((len(column), labels), dtype=np.float32)
        for row, numbers in enumerate(column):
            matrix[row, numbers.to_numpy()] = 1
        return matrix

    def cases(self, encoded: NDArray[Any], labels: int) -> NDArray[np.int64]:
        """How many rows each label applies to, [L]."""
        return np.asarray(encoded.sum(axis=0), dtype=np.int64)

    def counted(self, train_cases: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Those with enough training cases."""
        return np.asarray(train_cases >= ENOUGH_CASES)

    def prior_logits(self, cases: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        """Log-odds of each label."""
        share = frequencies(cases, rows)
        return np.log(share / (1 - share)).astype(np.float32)

    def needs(self, unit: str) -> str:
        """A label with both classes."""
        return f"a label that applies to some {unit} and not to others"

    def holds(self, cases: NDArray[np.int64], train_cases: NDArray[np.int64], rows: int, unit: str) -> str:
        """Its labels, and how many were seen often enough."""
        enough = f"{int(self.counted(train_cases).sum())} of them with {ENOUGH_CASES} training cases or more"
        return f"{shown(rows, exact=False)} {unit} ({len(cases)} labels, {enough})"

    def lacks(self, cases: Sequence[int], rows: int, exact: bool) -> str:
        """A label with both classes."""
        return "" if any(0 < case < rows for case in cases) else ", and no label that could be scored"

    def from_odds(
        self, odds: NDArray[np.float64], classes: NDArray[np.int64], prior: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """[n, L], of one label, too."""
        return odds.reshape(len(odds), -1)

    def recalibrator(
        self, kind: Kind, labels: NDArray[Any], decided: NDArray[np.floating], counted: NDArray[np.bool_]
    ) -> Calibration | None:
        """One temperature for all labels, fitted to those that are counted: ranks stay across labels, too."""
        return temperature(labels[:, counted], decided[:, counted].astype(np.float64))

    def nats(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> float:
        """Binary cross-entropy, its mean over labels."""
        return float((np.logaddexp(0, decided) - labels * decided).mean())

    def checked(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Booleans and log-odds, [n, L] each."""
        return matrices(labels, decided, subject_ids)

    def borne(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which labels apply, [n, L]."""
        return np.asarray(labels > 0)

    def ranked(self, decided: NDArray[np.floating]) -> NDArray[np.floating]:
        """Each label by its own log-odds, whatever the others have."""
        return decided

    def flagged(self, decided: NDArray[np.floating], threshold: float = 0.0) -> NDArray[np.bool_]:
        """Each label by its own log-odds, [n, L]."""
        return np.asarray(decided >= threshold)

    def threshold(
        self, labels: NDArray[Any], decided: NDArray[np.floating], counted: NDArray[np.bool_]
    ) -> float | None:
        """One for all labels, of the highest micro F1; None: none of them applies to a row."""
        borne = self.borne(labels, decided)[:, counted]
        return of_micro_f1(borne, decided[:, counted]) if borne.any() else None

    def must_be_scorable(self, rows: Rows) -> None:
        """A label that counts, with both classes."""
        wanted = rows.counted
        if wanted.shape != (rows.borne.shape[1],):
            raise DataError(
                f"`counted` must hold one entry per label, but got shape {wanted.shape} for {rows.borne.shape[1]}."
            )
        if not rows.which.any():
            both = rows.borne.any(axis=0) & ~rows.borne.all(axis=0)
            raise LabelError(
                f"a multilabel score needs a label with both classes, but of {len(wanted)} labels {int(wanted.sum())} "
                f"are to be scored and {int(both.sum())} have both among {len(rows.labels)} rows; take a larger split."
            )

    def caveat(self, row: str) -> str:
        """Which labels the averages are over."""
        return (
            f"A macro score is the plain mean over the labels that can be scored: those with at least {ENOUGH_CASES} "
            f"training cases and, in the test split, {row} with the label and one without. The tables "
            "say how many of all."
        )
