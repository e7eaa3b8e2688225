"""Scores of many labels at once against scikit-learn, against single labels, and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from chartune.answers import ANY_OF
from chartune.errors import DataError, LabelError
from chartune.metrics import auroc_estimate, resample
from chartune.metrics.areas import areas, label_draws
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import row_weights

Matrix = NDArray[np.float64]


def cells(seed: int, n: int = 120, labels: int = 7, decimals: int = 1) -> tuple[Matrix, Matrix, Matrix]:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, labels)) < np.linspace(0.1, 0.6, labels)).astype(np.float64)
    return y, np.round(rng.normal(size=(n, labels)) + y, decimals), rng.integers(0, n // 2, n).astype(np.float64)


def won(labels: NDArray[np.bool_], scores: Matrix, weights: Matrix) -> Matrix:
    """AUROC of each draw by its definition: every pair of rows, weights [B, n]."""
    cases, others = np.flatnonzero(labels), np.flatnonzero(~labels)
    ahead = scores[cases, None] - scores[None, others]
    pairs = (ahead > 0) + (ahead == 0) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray([d[cases] @ pairs @ d[others] / (d[cases].sum() * d[others].sum()) for d in weights])


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_macro_and_micro_equal_scikit_learn_under_every_degree_of_ties(decimals: int) -> None:
    y, z, subjects = cells(decimals, decimals=decimals)
    scores, _ = ANY_OF.score(y, z, subjects, resamples=5)
    assert list(scores) == ["auroc", "micro_auroc", "macro_auprc", "labels_scored", "labels_all"]
    assert scores["auroc"].value == pytest.approx(roc_auc_score(y, z, average="macro"), abs=1e-12)
    assert scores["micro_auroc"].value == pytest.approx(roc_auc_score(y, z, average="micro"), abs=1e-12)
    assert scores["macro_auprc"].value == pytest.approx(average_precision_score(y, z, average="macro"), abs=1e-12)
    assert (scores["labels_scored"].value, scores["labels_scored"].n) == (7, 120)


def test_each_label_gets_the_interval_that_it_would_get_alone() -> None:
    y, z, subjects = cells(3)
    _, per_label = ANY_OF.score(y, z, subjects, resamples=150, seed=4)
    for i, estimate in enumerate(per_label):
        assert estimate == auroc_estimate(y[:, i], z[:, i], subjects, resamples=150, seed=4)


def test_one_label_is_the_binary_score() -> None:
    y, z, subjects = cells(5, labels=1)
    scores, per_label = ANY_OF.score(y, z, subjects, resamples=100)
    alone = auroc_estimate(y[:, 0], z[:, 0], subjects, resamples=100)
    assert scores["auroc"] == scores["micro_auroc"] == per_label[0] == alone
    assert scores["macro_auprc"].value == pytest.approx(average_precision_score(y[:, 0], z[:, 0]), abs=1e-12)


@pytest.mark.parametrize("exact", [2**24, 0])  # in single precision, and in double
@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_every_draw_counts_the_pairs_of_the_rows_that_it_has(
    decimals: int, exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.metrics.pairs.EXACT", exact)
    y, z, subjects = cells(6, n=40, labels=34, decimals=decimals)
    y[:, 0] = np.arange(40) == 3  # about a third of the draws lack its only case
    draws = label_draws(y == 1, z.astype(np.float32), subjects, resamples=130, seed=2)
    (weights,) = row_weights(subjects, 130, 2)
    assert 20 < np.isnan(draws.draws[:, 0]).sum() < 70
    for i in range(34):
        np.testing.assert_allclose(
            draws.draws[:, i], won(y[:, i] == 1, z[:, i].astype(np.float32), weights), atol=1e-12
        )
    every = auroc_statistic(y == 1, z)(weights)
    rows = np.repeat(np.arange(40), 34)
    np.testing.assert_allclose(every, won(y.ravel() == 1, z.ravel(), weights[:, rows]), atol=1e-12)


def test_as_they_are_the_rows_give_what_scikit_learn_gives_for_each_label() -> None:
    y, z, _ = cells(13, labels=70)
    y[:, 5], y[:, 50] = 0, 1
    auroc, auprc = areas(y == 1, z)
    for i in range(70):
        alone = (
            (np.nan, np.nan)
            if i in (5, 50)
            else (roc_auc_score(y[:, i], z[:, i]), average_precision_score(y[:, i], z[:, i]))
        )
        assert (auroc[i], auprc[i]) == pytest.approx(alone, abs=1e-12, nan_ok=True)


def test_a_model_that_has_diverged_is_not_ranked() -> None:
    y, z, _ = cells(14)
    z[3, 2] = np.nan
    with pytest.raises(DataError, match="1 of 840"):
        areas(y == 1, z)


def test_the_micro_average_of_a_draw_equals_scikit_learn_on_the_repeated_rows() -> None:
    y, z, subjects = cells(7, n=30, labels=4)
    (weights,) = row_weights(subjects, 6, 3)
    for draw, value in zip(weights, auroc_statistic(y == 1, z)(weights), strict=True):
        times = draw.astype(int)
        expected = roc_auc_score(np.repeat(y, times, axis=0), np.repeat(z, times, axis=0), average="micro")
        assert value == pytest.approx(expected, abs=1e-12)


def test_how_much_is_held_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y, z, subjects = cells(8, n=50)
    whole = ANY_OF.score(y, z, subjects, resamples=70)
    monkeypatch.setattr("chartune.metrics.bootstrap.CHUNK", 200)
    monkeypatch.setattr("chartune.metrics.areas.CHUNKS", 3)
    monkeypatch.setattr("chartune.metrics.areas.COLUMNS", 2)
    monkeypatch.setattr("chartune.metrics.pairs.HELD", 17)
    assert ANY_OF.score(y, z, subjects, resamples=70) == whole


def test_a_label_without_both_classes_is_left_out_of_the_means_and_has_no_score() -> None:
    y, z, subjects = cells(9)
    y[:, 2], y[:, 4] = 0, 1
    scores, per_label = ANY_OF.score(y, z, subjects, resamples=20)
    rest = [0, 1, 3, 5, 6]
    assert [i for i, estimate in enumerate(per_label) if estimate is None] == [2, 4]
    assert scores["auroc"].value == pytest.approx(roc_auc_score(y[:, rest], z[:, rest], average="macro"), abs=1e-12)
    assert scores["micro_auroc"].value == pytest.approx(roc_auc_score(y[:, rest], z[:, rest], average="micro"))
    assert (scores["labels_scored"].value, scores["labels_all"].value) == (5, 7)


def test_labels_that_are_not_to_be_scored_still_get_their_own_estimate() -> None:
    y, z, subjects = cells(10)
    scored = np.array([True, False, True, False, False, False, False])
    scores, per_label = ANY_OF.score(y, z, subjects, scored, resamples=20)
    assert scores["auroc"].value == pytest.approx(roc_auc_score(y[:, [0, 2]], z[:, [0, 2]], average="macro"))
    assert scores["labels_scored"].value == 2
    assert all(per_label)


def test_a_draw_that_lacks_a_label_takes_the_mean_of_the_others() -> None:
    # Label 0 has one positive, so about a third of the draws lack it; label 1 is told apart perfectly.
    y = np.array([[1, 1], [0, 1], [0, 1], [0, 0], [0, 0], [0, 0]])
    z = np.array([[0.0, 3], [1, 3], [1, 3], [1, 1], [1, 1], [1, 1]])
    draws = label_draws(y == 1, z, np.arange(6), resamples=400, seed=0)
    lacking = np.isnan(draws.draws[:, 0])
    assert 0.2 < lacking.mean() < 0.5
    macro = draws.macro(np.array([True, True]))
    assert macro.value == 0.5
    drawn = macro.samples[np.isfinite(macro.samples)]
    assert set(drawn.tolist()) == {0.0, 0.5, 1.0}  # 0: label 1 is lacking instead
    assert (macro.samples == 1.0).sum() == (lacking & np.isfinite(draws.draws[:, 1])).sum()


def test_the_draws_are_those_of_every_other_score_on_these_rows() -> None:
    y, z, subjects = cells(11, labels=1)
    drawn = resample({"auroc": auroc_statistic(y[:, 0], z[:, 0])}, subjects, resamples=60, seed=1)["auroc"]
    many = label_draws(y == 1, z, subjects, resamples=60, seed=1)
    assert drawn.samples.tolist() == many.draws[:, 0].tolist()


def test_one_patient_alone_gives_values_without_intervals() -> None:
    y, z, _ = cells(12, n=20)
    scores, per_label = ANY_OF.score(y, z, np.zeros(20), resamples=20)
    assert scores["auroc"].low is scores["micro_auroc"].low is None
    assert all(estimate is None or estimate.low is None for estimate in per_label)


def test_rows_in_which_no_label_can_be_scored_are_refused_with_counts() -> None:
    with pytest.raises(LabelError, match=r"2 labels .*3 rows"):
        ANY_OF.score(np.zeros((3, 2)), np.zeros((3, 2)), [1, 2, 3])


def test_shapes_labels_and_logits_are_checked_at_the_door() -> None:
    good = np.array([[0, 1], [1, 0]])
    with pytest.raises(DataError, match=r"\(2, 2\), \(2, 1\)"):
        ANY_OF.score(good, [[0.0], [1.0]], [1, 2])
    with pytest.raises(LabelError, match="1 of 4 are neither"):
        ANY_OF.score([[0, 2], [1, 0]], good, [1, 2])
    with pytest.raises(DataError, match="1 of 4"):
        ANY_OF.score(good, np.array([[0.0, np.nan], [1, 2]]), [1, 2])
    with pytest.raises(DataError, match="`counted`"):
        ANY_OF.score(good, good, [1, 2], np.array([True]))
    with pytest.raises(DataError, match="resamples=0"):
        ANY_OF.score(good, good, [1, 2], resamples=0)


def test_by_the_papers_code_the_other_labels_of_a_text_move_each_and_rare_ones_count() -> None:
    y, z = np.array([[1, 1, 0], [0, 0, 0]]), np.array([[2.0, 5.0, 0.0], [1.0, 0.0, 0.0]])
    rows = ANY_OF.rows(y, z, counted=[True, False, True])
    right, (coded, skipped) = ANY_OF.headline, ANY_OF.as_coded
    assert right.value(rows) == 1.0  # 2 above 1; the second label is too rare in training to count
    for seen in (rows, rows.scorable()):
        assert coded.of(seen) == 0.5  # e²/(e²+e⁵+1) below e/(e+2), and e⁵/(e²+e⁵+1) above 1/(e+2)
        assert skipped.of(seen) == 1  # the third, which no text has
