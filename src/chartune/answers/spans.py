"""Spans: where in a document something is said, and of which type (named entity recognition, de-identification).

document ─head on each word─▶ TaggedWords: spans, probabilities ─▶ span F1 as seqeval and nervaluate have it, and of
annotated spans, in characters ──────────────────────────────────▶  each type; predictions keep places, no word

A label is a place: of the base's arrays `labels` are n lists of (start, end, number of the type), and what is decided
are n `TaggedWords`. An annotated type that no training document has counts as missed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from chartune.answers.answer import Answer
from chartune.answers.score import DRAWS, Metric, Rows, Score, measured
from chartune.errors import DataError, LabelError
from chartune.metrics.bootstrap import Statistic, resample
from chartune.metrics.span_modes import MODES, mode_credits
from chartune.metrics.spans import PREDICTED, RIGHT, TRUE, span_counts
from chartune.metrics.tagging import Marked, TaggedWords, tag_count, tags_of
from chartune.quantities import Estimate

ANNOTATED: Final = pl.Struct({"start": pl.Int32, "end": pl.Int32, "label": pl.Int32})
"""A span in predictions as it was annotated; `label`: the number of its type, -1: of one that is not learnt."""
PREDICTED_SPAN: Final = pl.Struct(
    {"start": pl.Int32, "end": pl.Int32, "label": pl.Int32, "probability": pl.Float64, "well_formed": pl.Boolean}
)
"""A span that a model said (`chartune.metrics.tagging.Marked`)."""
WELL_FORMED, CREDIT = 5, 6
"""Further counts of a document: predicted spans that begin with a B-, those of them that are right; then `MODES`."""


@dataclass(frozen=True)
class SpanRows(Rows):
    """Documents."""

    @cached_property
    def which(self) -> NDArray[np.bool_]:
        """Whether there is anything to score, [1]."""
        return np.asarray([any(len(spans) for spans in self.labels)])

    def scorable(self) -> "SpanRows":
        """The same: types are not scored as columns."""
        return self

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """Per document `span_counts`, well-formed predicted spans, right ones among them, credits, [n, 11]."""
        truth, made = list(self.labels), [[span.span for span in one.spans] for one in self.decided]
        formed = [[span.span for span in one.spans if span.well_formed] for one in self.decided]
        right = [len(set(true) & set(spans)) for true, spans in zip(truth, formed, strict=True)]
        strict = np.asarray([[len(set(spans)) for spans in formed], right], dtype=np.float64).T.reshape(-1, 2)
        return np.concatenate([_of_named(span_counts, truth, made), strict, mode_credits(truth, made)], axis=1)


def _of_named(
    count: Callable[..., NDArray[np.float64]], truth: Sequence[Any], made: Sequence[Any]
) -> NDArray[np.float64]:
    named = [[[(start, end, str(label)) for start, end, label in spans] for spans in side] for side in (truth, made)]
    return count(*named)


def _score(metric: str, title: str, meaning: str, part: int, *whole: int) -> Score:
    """A share of counts: twice `part` of two wholes, else `part` of one."""

    def statistic(rows: Rows) -> Statistic:
        if not isinstance(rows, SpanRows):
            raise AssertionError("spans are scored on documents")
        counts = rows.counts
        of = counts[:, list(whole)].sum(axis=1) / len(whole)
        return lambda weights: _share(weights @ counts[:, part], weights @ of)

    return Score(metric, title, statistic, counts="pairs", meaning=meaning)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN of nothing."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _mode(name: str, title: str, meaning: str) -> Score:
    return _score(f"f1_{name}", title, meaning, CREDIT + 1 + MODES.index(name), TRUE, PREDICTED)


class Spans(Answer):
    """Annotated spans of a document."""

    kind = "spans"
    loss = "cross-entropy"
    whole_text = False
    label_column = "entities"
    label_dtype = pl.List(ANNOTATED)
    fewest_labels = 1
    recalibrators = ()
    per_label = Metric("f1", "Span F1")
    category = "token-classification"
    measures = (
        _score("f1", "Span F1", "both ends and the type", RIGHT, TRUE, PREDICTED),
        _score("precision", "Precision", "of predicted spans", RIGHT, PREDICTED),
        _score("recall", "Recall", "of annotated spans", RIGHT, TRUE),
        _score("f1_iob2", "Span F1, strict tags", "seqeval's strict mode", CREDIT, TRUE, WELL_FORMED),
        _mode("partial", "Partial F1", "overlap counts half, any type"),
        _mode("exact", "Boundary F1", "both ends, any type"),
        _mode("type", "Type F1", "any overlap, the type"),
    )  # fmt: skip

    def examples(self, frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        """Documents with `label`, their spans with numbers of types, instead of `entities`."""
        numbers = dict(zip(labels, range(len(labels)), strict=True))
        number = pl.element().struct.field("type").replace_strict(numbers, default=-1, return_dtype=pl.Int32)
        span = pl.struct(pl.element().struct.field("start", "end"), number.alias("label"))
        cast = pl.col("entities").list.eval(span).cast(pl.List(ANNOTATED))
        return frame.with_columns(label=cast).drop("entities")

    def known(self, column: pl.Series, known: Sequence[bool]) -> pl.Series:
        """Without the spans of types that are not known."""
        numbers = [number for number, is_known in enumerate(known) if is_known]
        return column.list.eval(pl.element().filter(pl.element().struct.field("label").is_in(numbers)))

    def encoded(self, column: pl.Series, labels: int) -> NDArray[Any]:
        """Lists of (start, end, number of the type), [n] of objects."""
        return _objects([[(span["start"], span["end"], span["label"]) for span in spans] for spans in column])

    def cases(self, encoded: NDArray[Any], labels: int) -> NDArray[np.int64]:
        """In how many documents each type is annotated, [L]."""
        cases = np.zeros(labels, dtype=np.int64)
        for spans in encoded:
            cases[sorted({label for _, _, label in spans if label >= 0})] += 1
        return cases

    def scorable(self, cases: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
        """A type that some document has; it need not be missing anywhere."""
        return np.asarray(cases > 0)

    def outputs(self, labels: int) -> int:
        """A tag each for the beginning and the inside of every type, and one for outside."""
        return tag_count(labels)

    def needs(self, unit: str) -> str:
        """An annotated span."""
        return f"{unit} with annotated spans"

    def lacks(self, cases: Sequence[int], rows: int, exact: bool) -> str:
        """Spans of some type."""
        return "" if any(cases) else ", and no annotated span"

    def decide(self, logits: NDArray[Any]) -> NDArray[Any]:
        """What stages have made of them already: n `TaggedWords`."""
        return logits

    def nats(self, labels: NDArray[Any], decided: NDArray[Any]) -> float:
        """Mean log loss of the tags of the words that were read; 0 where none was."""
        losses = [
            -one.log_probabilities[np.arange(len(one.words)), tags_of(one.words, spans)]
            for spans, one in zip(labels, decided, strict=True)
            if one.words is not None and one.log_probabilities is not None
        ]
        every = np.concatenate(losses) if losses else np.zeros(0)
        return float(every.mean()) if len(every) else 0.0

    def checked(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both as arrays of as many documents as there are patients."""
        truth, made = (_objects(list(each)) for each in (labels, decided))  # type: ignore[arg-type]
        if not len(truth) == len(made) == len(np.asarray(subject_ids)) > 0:
            raise DataError(
                f"spans must be of as many documents as there are patients' numbers, but got {len(truth)}, {len(made)} "
                f"and {len(np.asarray(subject_ids))}."
            )
        return truth, made

    def borne(self, labels: NDArray[Any], decided: NDArray[Any]) -> NDArray[np.bool_]:
        """No label of a whole document, [n, 0]."""
        return np.zeros((len(labels), 0), dtype=np.bool_)

    def ranked(self, decided: NDArray[Any]) -> NDArray[np.floating]:
        """Nothing ranks whole documents, [n, 0]."""
        return np.zeros((len(decided), 0))

    def flagged(self, decided: NDArray[Any], threshold: float = 0.0) -> NDArray[np.bool_]:
        """No label of a whole document, [n, 0]."""
        return np.zeros((len(decided), 0), dtype=np.bool_)

    def must_be_scorable(self, rows: Rows) -> None:
        """Raises LabelError: no document has an annotated span."""
        if not any(len(spans) for spans in rows.labels):
            raise LabelError("a span score needs annotated spans, but no document has one; score another split.")

    def rows(
        self, labels: NDArray[Any], decided: NDArray[Any], subject_ids: ArrayLike = (),
        counted: ArrayLike | None = None, *, resamples: int = DRAWS, seed: int = 0,
    ) -> SpanRows:  # fmt: skip
        """Documents; `counted` is not read: every type counts."""
        none = self.borne(labels, decided)
        return SpanRows(
            labels, decided, none, self.ranked(decided), np.zeros(0, dtype=np.bool_), subject_ids, resamples, seed
        )

    def score(
        self, labels: ArrayLike, decided: ArrayLike, subject_ids: ArrayLike, counted: ArrayLike | None = None,
        *, resamples: int = DRAWS, seed: int = 0, level: float = 0.95,
    ) -> tuple[dict[str, Estimate], list[Estimate | None]]:  # fmt: skip
        """As the base; and the span F1 of each type on the same draws, None where no document has it."""
        y, z = self.checked(labels, decided, subject_ids)
        rows = self.rows(y, z, subject_ids, resamples=resamples, seed=seed)
        self.must_be_scorable(rows)
        types = range(0 if counted is None else len(np.asarray(counted)))
        statistics = {label: statistic for label in types if (statistic := _f1_of(rows, label)) is not None}
        drawn = resample({str(k): s for k, s in statistics.items()}, subject_ids, resamples=resamples, seed=seed)
        each = [drawn[str(label)].estimate(level) if label in statistics else None for label in types]
        return measured(self.measures, rows, level), each

    def predicted(self, decided: NDArray[Any], outcome: str | None) -> list[pl.Series]:
        """`spans`, as `PREDICTED_SPAN`."""
        return [pl.Series("spans", [[span._asdict() for span in one.spans] for one in decided],
                          dtype=pl.List(PREDICTED_SPAN))]  # fmt: skip

    def read(self, predictions: pl.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
        """The inverse, without words."""
        made = [TaggedWords(tuple(Marked(**span) for span in spans)) for spans in predictions["spans"]]
        return self.encoded(predictions["label"], 0), _objects(made)

    def cells(self, predictions: pl.DataFrame) -> int:
        """A document is one."""
        return predictions.height

    def in_the_order_of(self, decided: NDArray[Any], own: Sequence[str], others: Sequence[str]) -> NDArray[Any]:
        """Spans with the numbers that other labels have; those of a type that is none of them are left out."""
        place = {number: list(others).index(name) for number, name in enumerate(own) if name in others}
        return _objects([
            TaggedWords(tuple(span._replace(label=place[span.label]) for span in one.spans if span.label in place))
            for one in decided
        ])  # fmt: skip


def _f1_of(rows: SpanRows, label: int) -> Statistic | None:
    """Span F1 of one type; None: no document has it."""
    truth = [[span for span in spans if span[2] == label] for spans in rows.labels]
    if not any(truth):
        return None
    made = [[span.span for span in one.spans if span.label == label] for one in rows.decided]
    counts = _of_named(span_counts, truth, made)
    right, both = counts[:, RIGHT], (counts[:, TRUE] + counts[:, PREDICTED]) / 2
    return lambda weights: _share(weights @ right, weights @ both)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):  # numpy would make lists of one length a matrix
        array[row] = value
    return array


def tagged_documents(values: Sequence[TaggedWords]) -> NDArray[Any]:
    """Documents as `Answer.decide` gives them: [n] of objects."""
    return _objects(values)
