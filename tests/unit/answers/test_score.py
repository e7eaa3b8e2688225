"""Scores of an answer: measured on the same draws, quick or with intervals alike, and shown by what they count."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from chartune.answers import ANSWERS, ANY_OF, BINARY, ONE_OF, SPANS, Answer, Rows, Score, answer_of, fitting
from chartune.answers.score import drawn
from chartune.answers.spans import tagged_documents
from chartune.errors import ChartuneError, DataError, LabelError
from chartune.metrics.bootstrap import Statistic
from chartune.metrics.tagging import TaggedWords
from chartune.quantities import Estimate

RNG = np.random.default_rng(3)
SUBJECTS = np.repeat(np.arange(30), 2)
ASKED: list[tuple[Answer, NDArray[np.integer], NDArray[np.float64]]] = [
    (BINARY, RNG.integers(0, 2, 60), RNG.normal(size=60)),
    (ONE_OF, RNG.integers(0, 3, 60), RNG.normal(size=(60, 3))),
    (ANY_OF, RNG.integers(0, 2, (60, 4)), RNG.normal(size=(60, 4))),
]


@pytest.mark.parametrize(("form", "labels", "decided"), ASKED, ids=lambda one: getattr(one, "kind", ""))
def test_the_quick_headline_is_that_of_the_report_without_its_interval(
    form: Answer, labels: NDArray[np.integer], decided: NDArray[np.float64]
) -> None:
    counted = np.ones(decided.shape[-1] if decided.ndim == 2 else 1, dtype=bool)
    quick = form.quick(labels, decided, counted)
    scores, _ = form.score(labels, decided, SUBJECTS, resamples=20)
    assert quick[form.headline.metric] == pytest.approx(scores[form.headline.metric].value, rel=1e-12)
    assert set(quick) == {form.headline.metric, "log_loss"}
    if "log_loss" in scores:
        assert quick["log_loss"] == pytest.approx(scores["log_loss"].value, rel=1e-12)


@pytest.mark.parametrize(("form", "labels", "decided"), ASKED, ids=lambda one: getattr(one, "kind", ""))
def test_what_is_written_of_predictions_is_read_again(
    form: Answer, labels: NDArray[np.integer], decided: NDArray[np.float64]
) -> None:
    column = [np.flatnonzero(row).tolist() for row in labels] if form.several else labels
    frame = pl.DataFrame({"label": pl.Series(column, dtype=form.label_dtype)})
    frame = frame.with_columns(form.predicted(decided, "yes"))
    again, values = form.read(frame)
    assert (again == labels).all()
    assert values == pytest.approx(decided, abs=1e-6)
    assert form.cells(frame) == decided.size


def test_scores_that_need_a_fit_rest_on_fewer_of_the_same_draws() -> None:
    def share(rows: Rows) -> Statistic:
        return lambda weights: weights @ rows.labels / weights.sum(axis=1)

    every, few = Score("every", "", share, counts="rows"), Score("few", "", share, counts="rows", draws=7)
    bare = Score("bare", "", lambda rows: 3.0, counts="labels")
    _, labels, decided = ASKED[0]
    made = drawn([bare, every, few], BINARY.rows(labels, decided, SUBJECTS, resamples=20))
    assert list(made) == ["bare", "every", "few"]
    assert made["bare"] == 3.0
    assert made["few"].samples.tolist() == made["every"].samples[:7].tolist()  # type: ignore[union-attr]


def test_a_share_of_rows_is_hidden_where_few_were_right_or_wrong_and_a_count_of_labels_never() -> None:
    stands = ONE_OF.behind({"accuracy": Estimate(0.95, n=60)}, {"subjects": 50})
    assert stands.hides("accuracy", Estimate(0.95))
    assert not stands.hides("auroc", Estimate(0.95))
    labels = ANY_OF.behind({}, {"subjects": 50, "admissions": 60})
    assert labels.release("labels_scored", Estimate(137.0)).value == 137


def test_the_labels_of_a_table_decide_its_form() -> None:
    assert [fitting(2, several=False), fitting(3, several=False), fitting(2, several=True)] == [BINARY, ONE_OF, ANY_OF]
    assert [answer_of(kind) for kind in ANSWERS] == list(ANSWERS.values())


def test_a_kind_of_another_version_and_span_scores_without_spans_are_refused() -> None:
    with pytest.raises(ChartuneError, match="binary, multiclass, multiclass-f1, multilabel, relation, spans"):
        answer_of("ranking")
    none = tagged_documents([TaggedWords(())] * 2)
    nothing: list[list[int]] = [[], []]
    with pytest.raises(LabelError, match="no document has one"):
        SPANS.score(nothing, none, [1, 2])
    with pytest.raises(DataError, match="as many documents as there are patients' numbers, but got 2, 2 and 3"):
        SPANS.score(nothing, none, [1, 2, 3])


def test_a_head_and_a_linear_model_are_as_wide_as_the_form_asks() -> None:
    assert [(form.outputs(2), form.regressions(2), form.parts(2)) for form, _, _ in ASKED] == [
        (2, 1, 1), (2, 2, 2), (2, 2, 1),
    ]  # fmt: skip
    assert (BINARY.outputs(1), ONE_OF.outputs(1), ANY_OF.outputs(1)) == (2, 2, 1)


def test_labels_are_ranked_each_by_its_own_odds_and_classes_against_the_rest() -> None:
    odds = np.array([[2.0, 1.0], [0.5, 3.0]])
    assert ANY_OF.ranked(odds).tolist() == odds.tolist()
    assert ONE_OF.ranked(odds) == pytest.approx(np.array([[1.0, -1.0], [-2.5, 2.5]]))
    assert BINARY.ranked(odds[:, 0]).tolist() == [[2.0], [0.5]]
