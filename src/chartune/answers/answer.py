"""Answer: what form the answer to a task has, and all that follows from it.

    labels ─number, encode─▶ arrays ─loss─▶ training         logits ─decide─▶ decided ─measures─▶ scores, predictions
    names of labels          [n] or [n, L]                   [n, outputs]     [n] or [n, L]

This base is that of one class per row, given by its number. A member says how it differs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers.outcomes import outcome_name
from chartune.answers.score import DRAWS, Metric, Rows, Score, measured
from chartune.disclosure import Behind, behind, shown
from chartune.metrics.classification import frequencies
from chartune.metrics.multiclass import against_the_rest, cross_entropies, matching
from chartune.metrics.recalibrators import Calibration, Kind, temperature
from chartune.quantities import Estimate

ENOUGH_CASES: Final = 10
"""Training cases below which a label of a hospital's own table is neither learnt nor scored: its score is chance."""
AUROC: Final = Metric("auroc", "AUROC")
PERPLEXITY: Final = Metric("perplexity", "Perplexity")
"""The headline of a run on unlabelled text."""
MASKED_PERPLEXITY: Final = Metric("masked_lm_perplexity", "Masked-LM perplexity")
"""The headline of one whose encoder guesses masked tokens: of another question, so that both never compare."""


class Answer:
    """A form of answer. A member has no state: one object stands for all tasks of that form."""

    kind: ClassVar[str]
    """What files call it."""
    measures: ClassVar[tuple[Score, ...]]
    """All scores, the headline first: it stops training, ranks variants and is compared."""
    recalibrators: ClassVar[tuple[Kind, ...]] = ("temperature",)
    """Ways of recalibrating its probabilities, the usual one first."""
    further: ClassVar[tuple[Score, ...]] = ()
    """Scores that no run keeps: reports work them out from predictions."""
    as_coded: ClassVar[tuple[Score, ...]] = ()
    """The headline as Gema et al.'s code (2023) has it, shown beside it of data that follow that code; empty: alike."""
    loss: ClassVar[str]
    """What is minimised: a name in `chartune.models.losses`."""
    several: ClassVar[bool] = False
    """Whether a row may have several labels, or none: a list of them in files, and a regression for each."""
    one_outcome: ClassVar[bool] = False
    """Whether the label is binary: a row has the outcome, the later of two labels, or not. It has a prevalence, an
    ROC curve, a calibration, and ten people with it and ten without stand behind what is shown."""
    whole_text: ClassVar[bool] = True
    """Whether labels are of whole texts, which every stage learns; False: of places in them; fine-tuning alone does."""
    label_column: ClassVar[str] = "label"
    label_dtype: ClassVar[pl.DataType] = pl.Int64()
    """What examples call the labels, and of which type they are there."""
    fewest_labels: ClassVar[int] = 2
    """That a task must have."""
    per_label: ClassVar[Metric | None] = None
    """The metric reported for each label; None: no metric is."""
    meds_column: ClassVar[str] = "integer_value"
    """Where MEDS keeps such a label."""
    category: ClassVar[str] = "text-classification"
    """What the Hugging Face hub calls such tasks."""

    @property
    def headline(self) -> Score:
        """The primary metric."""
        return self.measures[0]

    @property
    def ranked_by_auroc(self) -> bool:
        """Whether its primary metric is an AUROC: of the outcome, or a mean over labels."""
        return self.headline.metric == "auroc"

    @property
    def of_labels(self) -> frozenset[str]:
        """Metrics that count labels and not people."""
        return frozenset(score.metric for score in self._every if score.counts == "labels")

    @property
    def _every(self) -> tuple[Score, ...]:
        """All that may be shown."""
        return *self.measures, *self.further, *self.as_coded

    def examples(self, frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        """Prepared examples with the column `label` as `encoded` takes it."""
        return frame

    def numbered(self, examples: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        """Examples with `label`, numbers by `labels`, instead of `asked`, their names; null: it is none of these."""
        numbers = pl.DataFrame({"asked": labels, "label": range(len(labels))},
                               schema={"asked": pl.String, "label": pl.Int64})  # fmt: skip
        named = examples.with_columns(pl.col("asked").list.first())
        return named.join(numbers, on="asked", how="left", maintain_order="left").drop("asked")

    def outcome(self, labels: Sequence[str]) -> str:
        """The positive class, such as `died (of died, survived)`; empty: there is no one outcome."""
        return outcome_name(labels) if self.one_outcome and len(labels) == 2 else ""

    def tally(self, label: pl.Series) -> dict[str, int]:
        """What a data card counts of a split's labels."""
        return {}

    def encoded(self, column: pl.Series, labels: int) -> NDArray[Any]:
        """The column `label` as an array: class numbers [n] i64."""
        return column.to_numpy().astype(np.int64)

    def cases(self, encoded: NDArray[Any], labels: int) -> NDArray[np.int64]:
        """How many rows each label applies to, [outputs]."""
        return np.bincount(encoded.astype(np.int64), minlength=self.outputs(labels))

    def scorable(self, cases: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
        """Of which labels a split of so many rows can be scored, by the rows that each applies to, [outputs]."""
        return np.asarray((cases > 0) & (cases < rows))

    def outputs(self, labels: int) -> int:
        """How many logits a head gives: one per label, at least two of classes."""
        return labels if self.several else max(2, labels)

    def regressions(self, labels: int) -> int:
        """How many weight vectors a linear model has: for a binary outcome one."""
        return 1 if self.one_outcome else labels

    def counted(self, train_cases: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which labels averages are over, [L]."""
        return np.ones(len(train_cases), dtype=np.bool_)

    def asked(self, labels: Sequence[str]) -> list[tuple[int, str]]:
        """Number and name of the labels of interest: of a binary outcome the positive class alone."""
        return list(enumerate(labels))[1 if self.one_outcome else 0 :]

    def prior_logits(self, cases: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        """Logits that give every text the label frequencies of so many rows, [outputs]: where a head begins."""
        return np.log(frequencies(cases, rows)).astype(np.float32)

    def needs(self, unit: str) -> str:
        """What every split must hold to be scored; `unit`: what a row is."""
        return f"{unit} of two classes or more"

    def holds(self, cases: NDArray[np.int64], train_cases: NDArray[np.int64], rows: int, unit: str) -> str:
        """What a split holds instead, small counts hidden."""
        return f"{shown(rows, exact=False)} {unit} ({len(cases)} labels)"

    def lacks(self, cases: Sequence[int], rows: int, exact: bool) -> str:
        """What a split of so many rows lacks to be scored well, where `cases` of them have each label; empty: nothing.

        Args:
            cases: of the labels that are counted.
            rows: of the split.
            exact: whether exact small counts may be shown.
        """
        return f", none for {list(cases).count(0)} of the {len(cases)} answers" if 0 in cases else ""

    def decide(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """The values that are scored, from a head's logits. logits: [n, outputs]."""
        return logits.astype(np.float64)

    def from_odds(
        self, odds: NDArray[np.float64], classes: NDArray[np.int64], prior: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The values that are scored, from a linear model's log-odds; a class without a training case keeps its prior.

        Args:
            odds: [n, K]; [n] of two classes.
            classes: numbers of those that it has learnt.
            prior: logits of the label frequencies, [outputs].
        """
        known = odds if odds.ndim == 2 else np.stack([-odds / 2, odds / 2], axis=1)  # one column for two classes
        every = np.tile(prior.astype(np.float64), (len(odds), 1))
        every[:, classes] = known - np.logaddexp.reduce(known, axis=1, keepdims=True)
        return every

    def probabilities(self, decided: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each label, [n, L]; of one outcome that of its presence, [n]."""
        return np.asarray(np.exp(decided - np.logaddexp.reduce(decided, axis=1, keepdims=True)))

    def recalibrator(
        self, kind: Kind, labels: NDArray[Any], decided: NDArray[np.floating], counted: NDArray[np.bool_]
    ) -> Calibration | None:
        """What calibrates the values that are scored; None: these rows determine nothing.

        Args:
            kind: one of `recalibrators`.
            labels: as `encoded`.
            decided: as `decide`.
            counted: which labels averages are over, [outputs].
        """
        return temperature(labels, decided.astype(np.float64))

    def nats(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> float:
        """Mean log loss: between equal headlines the smaller one wins."""
        return float(cross_entropies(labels, decided).mean())

    def checked(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """Both as arrays, checked for equal length and for being scorable.

        Raises:
            LabelError: a label is none, or the rows have only one class.
            DataError: there are no rows, shapes disagree, or a number is not finite.
        """
        return matching(labels, decided, subject_ids)

    def borne(self, labels: NDArray[Any], decided: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which labels each row has, [n, L]."""
        return np.asarray(labels[:, None] == np.arange(decided.shape[1]))

    def ranked(self, decided: NDArray[np.floating]) -> NDArray[np.floating]:
        """For each label what ranks the rows by it, [n, L]: of classes its log-odds against all others."""
        return against_the_rest(decided.astype(np.float64))

    def flagged(self, decided: NDArray[np.floating], threshold: float = 0.0) -> NDArray[np.bool_]:
        """Which labels each row is said to have, [n, L]: the most likely class, or the labels from a threshold on."""
        return np.asarray(np.equal.outer(decided.argmax(axis=1), np.arange(decided.shape[1])))

    def threshold(
        self, labels: NDArray[Any], decided: NDArray[np.floating], counted: NDArray[np.bool_]
    ) -> float | None:
        """The threshold that is chosen on these rows, over the labels `counted`, [L]; None: none decides."""
        return None

    def must_be_scorable(self, rows: Rows) -> None:
        """Raises LabelError, DataError: no label that counts can be scored, or `counted` is of other labels."""

    def rows(
        self, labels: NDArray[Any], decided: NDArray[np.floating], subject_ids: ArrayLike = (),
        counted: ArrayLike | None = None, *, resamples: int = DRAWS, seed: int = 0,
    ) -> Rows:  # fmt: skip
        """What its measures are computed from; `counted`: which labels averages are over, [L], None: all."""
        borne = self.borne(labels, decided)
        which = np.ones(borne.shape[1], dtype=np.bool_) if counted is None else np.asarray(counted, dtype=np.bool_)
        return Rows(labels, decided, borne, self.ranked(decided), which, subject_ids, resamples, seed)

    def quick(self, labels: NDArray[Any], decided: NDArray[np.floating], counted: ArrayLike) -> dict[str, float]:
        """The headline and `log_loss`, without intervals: used for early stopping."""
        score = self.headline.value(self.rows(labels, decided, counted=counted))
        return {self.headline.metric: score, "log_loss": self.nats(labels, decided)}

    def score(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike, counted: ArrayLike | None = None,
        *, resamples: int = DRAWS, seed: int = 0, level: float = 0.95,
    ) -> tuple[dict[str, Estimate], list[Estimate | None]]:  # fmt: skip
        """All scores on the same draws of patients, and what `per_label` says of each label.

        Args:
            labels: as `encoded`.
            decided: as `decide`.
            subject_ids: the patient of each row, [n].
            counted: which labels averages are over, [L]; None: all.
            resamples: draws of the patient bootstrap, at most.
            seed: of the draws.
            level: nominal coverage of the intervals.

        Returns:
            Metric → Estimate in the order of `measures`; one that the rows leave undefined is missing. And an Estimate
            per label, None where the rows do not define it; empty where labels are not scored one by one.

        Raises:
            LabelError, DataError: as `checked`.
        """
        y, z = self.checked(labels, decided, subject_ids)
        rows = self.rows(y, z, subject_ids, counted, resamples=resamples, seed=seed)
        self.must_be_scorable(rows)
        return measured(self.measures, rows, level), rows.draws.per_label(level) if self.per_label else []

    def predicted(self, decided: NDArray[np.float64], outcome: str | None) -> list[pl.Series]:
        """Columns of predictions; `outcome`: the name of the one outcome, if there is one."""
        return [pl.Series("logits", decided.astype(np.float32)).cast(pl.List(pl.Float32))]  # without Python numbers

    def read(self, predictions: pl.DataFrame) -> tuple[NDArray[Any], NDArray[np.floating]]:
        """The inverse, for rows that are there: labels as `encoded`, and what was scored."""
        decided = predictions["logits"].explode().to_numpy().reshape(predictions.height, -1)  # no Python number each
        return self.encoded(predictions["label"], decided.shape[1]), decided

    def cells(self, predictions: pl.DataFrame) -> int:
        """Rows times the values scored of each."""
        return 0 if predictions.is_empty() else predictions.height * len(predictions["logits"][0])

    def behind(
        self, scores: Mapping[str, Estimate], counts: Mapping[str, int] | None = None,
        predicted: pl.DataFrame | None = None,
    ) -> Behind:  # fmt: skip
        """Who stands behind the scores of a split; arguments as `chartune.disclosure.behind`."""
        shares = frozenset(score.metric for score in self._every if score.counts == "rows")
        return behind(scores, counts, predicted, one_outcome=self.one_outcome, shares=shares, of_labels=self.of_labels)

    def too_few(self, unit: str) -> str:
        """Why scores are hidden, without saying how few there are; `unit`: what a row is."""
        return f"fewer than ten test {unit} or patients{' with the outcome, or without it' * self.one_outcome}"

    def parts(self, labels: int) -> int:
        """Into how many disjoint groups with scores of their own its labels divide the rows; 1: they do not."""
        return labels if self.per_label and not self.several else 1

    def caveat(self, row: str) -> str:
        """What a reader of its scores must know; `row`: such as `an admission`; empty: nothing."""
        return ""
