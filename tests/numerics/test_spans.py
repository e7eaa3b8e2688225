"""Scores of spans, counted by hand."""

import numpy as np
import pytest

from chartune.errors import DataError, LabelError
from chartune.metrics.spans import Span, in_characters, span_counts, span_f1_by_type, span_scores, spans_of_tags

TRUTH: list[list[Span]] = [
    [(0, 10, "problem"), (17, 24, "drug"), (30, 35, "problem")],
    [(5, 9, "drug")],
    [],
]
FOUND: list[list[Span]] = [
    [(6, 10, "problem"), (17, 24, "drug"), (30, 35, "drug")],
    [(5, 7, "drug"), (7, 9, "drug")],
    [(0, 3, "problem")],
]


def test_spans_are_counted_per_document() -> None:
    assert span_counts(TRUTH, FOUND).tolist() == [[3, 3, 1, 2, 2], [1, 2, 0, 1, 2], [0, 1, 0, 0, 0]]


def test_strict_scores_ask_for_both_ends_and_the_type() -> None:
    scores = span_scores(TRUTH, FOUND, [1, 2, 3], resamples=10)
    assert scores["precision"].value == pytest.approx(1 / 6)
    assert scores["recall"].value == pytest.approx(1 / 4)
    assert scores["f1"].value == pytest.approx(2 / 10)


def test_relaxed_scores_ask_for_an_overlap_with_a_span_of_the_same_type() -> None:
    scores = span_scores(TRUTH, FOUND, [1, 2, 3], resamples=10)
    assert scores["relaxed_precision"].value == pytest.approx(4 / 6)
    assert scores["relaxed_recall"].value == pytest.approx(3 / 4)
    assert scores["relaxed_f1"].value == pytest.approx(2 * (4 / 6) * (3 / 4) / (4 / 6 + 3 / 4))


def test_spans_that_only_touch_do_not_overlap() -> None:
    scores = span_scores([[(0, 5, "a")]], [[(5, 9, "a")]], [1], resamples=2)
    assert scores["relaxed_f1"].value == 0
    assert scores["f1"].value == 0


def test_a_perfect_prediction_scores_one_and_a_repeated_span_counts_once() -> None:
    doubled = [[*spans, *spans] for spans in TRUTH]
    scores = span_scores(TRUTH, doubled, [1, 2, 3], resamples=10)
    assert [estimate.value for estimate in scores.values()] == [1.0] * 6


def test_precision_is_left_out_where_nothing_was_found_and_f1_is_zero() -> None:
    scores = span_scores(TRUTH, [[], [], []], [1, 2, 3], resamples=10)
    assert list(scores) == ["f1", "recall", "relaxed_f1", "relaxed_recall"]
    assert [estimate.value for estimate in scores.values()] == [0.0] * 4


def test_each_type_has_its_own_f1_and_one_that_never_occurs_has_none() -> None:
    scores = span_f1_by_type(TRUTH, FOUND, [1, 2, 3], ["drug", "problem", "test"], resamples=10)
    drug, problem = scores["drug"], scores["problem"]
    assert drug is not None
    assert problem is not None
    assert drug.value == pytest.approx(2 * 1 / (2 + 4))
    assert problem.value == 0
    assert scores["test"] is None


def test_the_interval_comes_from_patients_and_not_from_documents() -> None:
    rng = np.random.default_rng(0)
    truth = [[(0, 5, "a"), (6, 9, "a")] for _ in range(60)]
    found = [spans[:1] if rng.random() < 0.5 else spans for spans in truth]
    alone = span_scores(truth, found, np.arange(60), resamples=200)["f1"]
    # Ten copies of each document of one patient hold no more evidence than the document itself.
    copied = span_scores(truth * 10, found * 10, np.tile(np.arange(60), 10), resamples=200)["f1"]
    assert alone.value == pytest.approx(copied.value)
    assert (alone.low, alone.high) == pytest.approx((copied.low, copied.high))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-a", "I-a", "O", "B-b"], [(0, 2, "a"), (3, 4, "b")]),
        (["B-a", "B-a"], [(0, 1, "a"), (1, 2, "a")]),
        (["O", "I-a", "I-a"], [(1, 3, "a")]),
        (["B-a", "I-b", "I-b"], [(0, 1, "a"), (1, 3, "b")]),
        (["I-a", "B-a", "I-a"], [(0, 1, "a"), (1, 3, "a")]),
        (["B-LOCATION-OTHER", "I-LOCATION-OTHER"], [(0, 2, "LOCATION-OTHER")]),
        (["O"], []),
        ([], []),
    ],
)
def test_tags_are_read_as_conlleval_reads_them(tags: list[str], spans: list[Span]) -> None:
    assert spans_of_tags(tags) == spans


def test_tokens_become_characters() -> None:
    assert in_characters([(1, 3, "a")], [(0, 4), (5, 9), (9, 12)]) == [(5, 12, "a")]


def test_a_split_without_true_spans_cannot_be_scored() -> None:
    with pytest.raises(LabelError, match="no document has one"):
        span_scores([[]], [[(0, 1, "a")]], [1])


@pytest.mark.parametrize(
    ("truth", "found"), [([[(0, 1, "a")]], []), ([[(0, 1, "a")]], [[(4, 4, "a")]])], ids=["lengths", "empty span"]
)
def test_what_cannot_be_compared_is_refused(truth: list[list[Span]], found: list[list[Span]]) -> None:
    with pytest.raises(DataError):
        span_counts(truth, found)


@pytest.mark.parametrize("tag", ["S-a", "B-", "B", "o", "-a"])
def test_other_tags_are_refused_without_being_quoted(tag: str) -> None:
    with pytest.raises(DataError, match="token 1") as told:
        spans_of_tags(["O", tag])
    assert tag not in str(told.value).split()
