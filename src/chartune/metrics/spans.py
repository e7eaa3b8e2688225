"""Spans predicted against spans annotated: strict (both ends and the type) and relaxed (same type, any overlap).

    text       chest pain after aspirin
    truth      [problem..]      [drug.]
    predicted        [prob]     [drug.]      strict: 1 of 2 found, 1 of 2 right    relaxed: 2 of 2 and 2 of 2

Spans are counted over all documents (micro average). Strict scores equal those of seqeval for tags in IOB2. Relaxed
precision asks of each predicted span whether it touches a true one of its type, relaxed recall the reverse (the inexact
match of the i2b2 tasks), so that no pairing has to be chosen. Patients are drawn, as for every other score.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics.bootstrap import Statistic, resample
from chartune.quantities import Estimate

Span = tuple[int, int, str]
"""Start, end (exclusive), type; in characters or tokens, the same for truth and prediction."""
TRUE, PREDICTED, RIGHT, TOUCHED, TOUCHING = range(5)
"""Counts of a document: true spans, predicted spans, those in both, true spans that a predicted one of their type
touches, and predicted spans that touch a true one of their type."""
Counts = NDArray[np.float64]


def span_scores(
    truth: Sequence[Collection[Span]],
    predicted: Sequence[Collection[Span]],
    subject_ids: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Strict and relaxed scores over all types.

    Args:
        truth: the annotated spans of each document; the same span twice counts once.
        predicted: the predicted spans of each document.
        subject_ids: the patient of each document, [n].
        resamples: draws of the patient bootstrap.
        seed: of the draws.
        level: nominal coverage of the intervals.

    Returns:
        `f1`, `precision`, `recall`, `relaxed_f1`, `relaxed_precision`, `relaxed_recall`, in this order. Precision is
        missing where nothing was predicted: it is then 0 of 0. F1 and recall are 0.

    Raises:
        LabelError: no document has a true span.
        DataError: lengths disagree, or a span has no length.
    """
    counts = span_counts(truth, predicted)
    if not counts[:, TRUE].any():
        raise LabelError("a span score needs true spans, but no document has one; score another split.")
    drawn = resample(_statistics(counts), subject_ids, resamples=resamples, seed=seed)
    return {name: score.estimate(level) for name, score in drawn.items() if np.isfinite(score.value)}


def span_f1_by_type(
    truth: Sequence[Collection[Span]],
    predicted: Sequence[Collection[Span]],
    subject_ids: ArrayLike,
    types: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Estimate | None]:
    """Strict F1 of each type, on the same draws; None where no document has a true span of it.

    Raises:
        DataError: lengths disagree, or a span has no length.
    """
    statistics: dict[str, Statistic] = {}
    for type_ in types:
        counts = span_counts(_only(truth, type_), _only(predicted, type_))
        if counts[:, TRUE].any():
            statistics[type_] = _statistics(counts)["f1"]
    drawn = resample(statistics, subject_ids, resamples=resamples, seed=seed)
    return {type_: drawn[type_].estimate(level) if type_ in drawn else None for type_ in types}


def span_counts(truth: Sequence[Collection[Span]], predicted: Sequence[Collection[Span]]) -> Counts:
    """Per document how many spans are `TRUE`, `PREDICTED`, `RIGHT`, `TOUCHED` and `TOUCHING`, [n, 5].

    Raises:
        DataError: there are not as many documents in both, or a span does not end after it starts.
    """
    if len(truth) != len(predicted):
        raise DataError(
            f"truth and prediction must be of the same documents, but got {len(truth)} and {len(predicted)}."
        )
    for spans in (*truth, *predicted):
        empty = sum(start >= end for start, end, _ in spans)
        if empty:
            raise DataError(f"a span must end after it starts, but {empty} of one document do not.")
    rows = [_counted(set(true), set(guessed)) for true, guessed in zip(truth, predicted, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 5)


def _counted(true: set[Span], predicted: set[Span]) -> tuple[int, ...]:
    touched = touching = 0
    for type_ in {span[2] for span in true} & {span[2] for span in predicted}:
        meets = _meets(_ends(true, type_), _ends(predicted, type_))
        touched += int(meets.any(axis=1).sum())
        touching += int(meets.any(axis=0).sum())
    return len(true), len(predicted), len(true & predicted), touched, touching


def _ends(spans: set[Span], type_: str) -> NDArray[np.int64]:
    return np.array([span[:2] for span in spans if span[2] == type_], dtype=np.int64)


def _meets(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which spans share a character (or token), [len(a), len(b)]."""
    return np.asarray((a[:, None, 0] < b[None, :, 1]) & (b[None, :, 0] < a[:, None, 1]))


def _only(documents: Sequence[Collection[Span]], type_: str) -> list[list[Span]]:
    return [[span for span in spans if span[2] == type_] for spans in documents]


def _statistics(counts: Counts) -> Mapping[str, Statistic]:
    def of(score: Callable[[Counts], Counts]) -> Statistic:
        return lambda weights: score(weights @ counts)

    return {
        "f1": of(lambda n: _share(2 * n[:, RIGHT], n[:, TRUE] + n[:, PREDICTED])),
        "precision": of(lambda n: _share(n[:, RIGHT], n[:, PREDICTED])),
        "recall": of(lambda n: _share(n[:, RIGHT], n[:, TRUE])),
        "relaxed_f1": of(_relaxed_f1),
        "relaxed_precision": of(lambda n: _share(n[:, TOUCHING], n[:, PREDICTED])),
        "relaxed_recall": of(lambda n: _share(n[:, TOUCHED], n[:, TRUE])),
    }


def _relaxed_f1(n: Counts) -> Counts:
    """The harmonic mean of relaxed precision and recall; 0 where nothing is touched, undefined without any span."""
    p, r = _share(n[:, TOUCHING], n[:, PREDICTED]), _share(n[:, TOUCHED], n[:, TRUE])
    met = n[:, TOUCHED] > 0
    f1 = np.where(n[:, TRUE] + n[:, PREDICTED] > 0, 0.0, np.nan)
    f1[met] = 2 * p[met] * r[met] / (p[met] + r[met])
    return f1


def _share(part: Counts, whole: Counts) -> Counts:
    """Part of whole; NaN of nothing."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


_OUTSIDE: Final = "O"


def spans_of_tags(tags: Sequence[str]) -> list[Span]:
    """Spans in tokens from tags `O`, `B-problem`, `I-problem`, read as seqeval and conlleval do.

    An `I-` that no span of its type precedes begins one: a model's tags need not be well-formed.

    Raises:
        DataError: a tag is none of these.
    """
    spans: list[Span] = []
    start, inside = 0, ""
    for place, tag in enumerate((*tags, _OUTSIDE)):
        begins, _, type_ = tag.partition("-")
        if tag != _OUTSIDE and (begins not in ("B", "I") or not type_):
            raise DataError(f"a tag must be O, B-type or I-type, but that of token {place} is none of these.")
        goes_on = begins == "I" and type_ == inside
        if inside and not goes_on:
            spans.append((start, place, inside))
        if not goes_on:
            start, inside = place, type_
    return spans


def in_characters(spans: Collection[Span], offsets: Sequence[tuple[int, int]]) -> list[Span]:
    """Spans in tokens as spans in characters.

    Args:
        spans: start and end in tokens.
        offsets: start and end of each token in characters, such as a fast tokenizer gives.
    """
    return [(offsets[start][0], offsets[end - 1][1], type_) for start, end, type_ in spans]
