"""DeLong by patient, Holm, p, detectable differences, conformal sets, selection: by hand and by definition."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chartune.errors import DataError, LabelError
from chartune.metrics import auroc, paired_difference, resample
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import Resamples
from chartune.metrics.conformal import conformal_sets, cutoffs
from chartune.metrics.decisive import bootstrap_p, detectable, holm, paired_error
from chartune.metrics.delong import clustered_delong
from chartune.metrics.selective import surest

Array = NDArray[np.float64]


def patients(seed: int, n: int = 300, of: int = 120) -> tuple[NDArray[np.int64], Array, Array, NDArray[np.int64]]:
    """Labels, two models' scores and patients, of rows that resemble those of the same patient."""
    rng = np.random.default_rng(seed)
    subjects, ill, shared = rng.integers(0, of, n), rng.normal(size=of), rng.normal(size=of)
    labels = (ill[subjects] + 0.5 * rng.normal(size=n) > 0.8).astype(np.int64)
    common = labels + shared[subjects]
    return labels, common + 0.5 * rng.normal(size=n), common + rng.normal(size=n), subjects


def by_definition(labels: NDArray[np.int64], ours: Array, theirs: Array, subjects: NDArray[np.int64]) -> float:
    """Obuchowski's (1997) variance of the difference, written out: S10 / M + S01 / N + 2 S11 / (M N), both models."""
    cases, controls = labels == 1, labels == 0
    m, n, who = cases.sum(), controls.sum(), np.unique(subjects)

    def parts(scores: Array) -> tuple[Array, Array]:
        above = np.sign(scores[cases][:, None] - scores[controls][None]) / 2 + 0.5
        area = above.mean()
        v10, v01 = above.mean(axis=1), above.mean(axis=0)
        at = [(subjects[cases] == i, subjects[controls] == i) for i in who]
        return (np.array([v10[c].sum() - c.sum() * area for c, _ in at]),
                np.array([v01[k].sum() - k.sum() * area for _, k in at]))  # fmt: skip

    i10 = len(np.unique(subjects[cases]))
    i01 = len(np.unique(subjects[controls]))

    def covariance(a: tuple[Array, Array], b: tuple[Array, Array]) -> float:
        s10 = i10 / ((i10 - 1) * m) * (a[0] @ b[0])
        s01 = i01 / ((i01 - 1) * n) * (a[1] @ b[1])
        s11, s11_back = (len(who) / (len(who) - 1) * (x[0] @ y[1]) for x, y in ((a, b), (b, a)))
        return float(s10 / m + s01 / n + s11 / (m * n) + s11_back / (m * n))

    one, other = parts(ours), parts(theirs)
    return covariance(one, one) + covariance(other, other) - 2 * covariance(one, other)


def test_the_error_is_that_of_obuchowskis_formulas() -> None:
    labels, ours, theirs, subjects = patients(0)
    ours = np.round(ours, 1)
    tested = clustered_delong(labels, [ours], [theirs], subjects)
    assert tested.difference == pytest.approx(auroc(labels, ours) - auroc(labels, theirs), abs=1e-12)
    assert tested.error == pytest.approx(np.sqrt(by_definition(labels, ours, theirs, subjects)), abs=1e-12)


def test_with_one_row_of_each_patient_it_is_delongs_own() -> None:
    # By hand: placements differ by (0, 1/2) of two cases and (0, 1/2) of two controls.
    tested = clustered_delong([0, 0, 1, 1], [[1.0, 2, 3, 4]], [[1.0, 3.5, 3, 4]], [1, 2, 3, 4])
    assert tested.difference == pytest.approx(0.25)
    assert tested.error == pytest.approx(np.sqrt(0.125 / 2 + 0.125 / 2))  # both sample variances are 1/8
    assert tested.p == pytest.approx(0.4795001, abs=1e-6)  # of z = 0.7071


# The example of DeLong et al. (1988), as SAS/STAT's manual prints it (PROC LOGISTIC, "Comparing Receiver Operating
# Characteristic Curves"): the ranks of total protein and of the K-G score, falling, of 43 patients, and whether the
# operation did not help (0) or did (1). Of what was measured nothing but its order is here, and no more is needed.
PUBLISHED = """
0 3 0 0 5 0 2 2 0 3 4 0 7 1 0 7 2 0 8 0 0 10 2 0 13 4 0 14 6 0 15 4 0 19 6 0 1 4 1 2 4 1 3 3 1 4 5 1 5 6 1 6 5 1 7 4
1 7 5 1 7 5 1 8 4 1 8 7 1 9 5 1 10 5 1 11 3 1 11 5 1 12 6 1 13 4 1 13 4 1 13 5 1 13 5 1 14 4 1 15 3 1 15 7 1 16 5 1
17 3 1 17 5 1 17 6 1 18 5 1 18 5 1 20 4 1 21 4 1
"""


def test_it_gives_the_published_example_of_delong_et_al() -> None:
    protein, score, label = np.array(PUBLISHED.split(), dtype=np.float64).reshape(-1, 3).T
    assert (auroc(label, protein), auroc(label, score)) == pytest.approx((0.6478, 0.7258), abs=5e-5)
    tested = clustered_delong(label, [protein], [score], np.arange(43))
    assert tested.difference == pytest.approx(-0.0780, abs=5e-5)
    assert tested.error == pytest.approx(0.1046, abs=5e-5)
    assert (tested.difference / tested.error) ** 2 == pytest.approx(0.5554, abs=5e-5)  # chi-square of one degree
    assert tested.p == pytest.approx(0.4561, abs=5e-5)


def test_the_error_is_near_that_of_the_patient_bootstrap_where_rows_alone_would_promise_too_much() -> None:
    labels, ours, theirs, subjects = patients(1, n=600, of=90)
    drawn = [resample({"a": auroc_statistic(labels == 1, s)}, subjects, resamples=600)["a"] for s in (ours, theirs)]
    spread = np.nanstd(paired_difference(drawn[:1], drawn[1:]).samples)
    assert clustered_delong(labels, [ours], [theirs], subjects).error == pytest.approx(spread, rel=0.12)
    one = np.repeat(np.arange(90), 8)[: 90 * 8]
    copies = patients(2, n=90, of=90)
    many = [np.repeat(each, 8) for each in copies[:3]]
    alone = clustered_delong(copies[0], [copies[1]], [copies[2]], np.arange(90)).error
    assert clustered_delong(many[0], [many[1]], [many[2]], one).error == pytest.approx(alone, rel=1e-9)


def test_several_seeds_are_tested_by_their_mean_area() -> None:
    labels, ours, theirs, subjects = patients(3)
    tested = clustered_delong(labels, [ours, theirs], [theirs], subjects)
    single = clustered_delong(labels, [ours], [theirs], subjects)
    assert (tested.difference, tested.error) == pytest.approx((single.difference / 2, single.error / 2))
    assert tested.p == pytest.approx(single.p)


def test_a_model_against_itself_has_p_1_and_too_few_patients_have_none() -> None:
    labels, ours, _, subjects = patients(4)
    same = clustered_delong(labels, [ours], [ours], subjects)
    assert (same.difference, same.error, same.p) == (0, 0, 1)
    few = clustered_delong([1, 0, 0], [[3.0, 2, 1]], [[1.0, 2, 3]], [1, 2, 3])
    assert np.isnan(few.error)
    assert np.isnan(few.p)
    constant = clustered_delong(labels, [np.zeros(300)], [ours], subjects)
    assert constant.difference == pytest.approx(0.5 - auroc(labels, ours))
    with pytest.raises(LabelError, match="both classes"):
        clustered_delong([1, 1], [[1.0, 2]], [[1.0, 2]], [1, 2])
    with pytest.raises(DataError, match="1 of 300"):
        clustered_delong(labels, [np.append(ours[1:], np.nan)], [ours], subjects)


def test_holm_is_that_of_a_hand_calculation() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02, float("nan"), 0.04]) == pytest.approx([0.04, float("nan"), 0.04], nan_ok=True)
    assert holm([]) == []


def test_p_of_resamples_is_twice_the_rarer_side_counted_with_one_more() -> None:
    draws = np.array([-1.0, *[1.0] * 98])
    assert bootstrap_p(Resamples(1, draws, 5)) == pytest.approx(2 * 2 / 100)
    assert bootstrap_p(Resamples(-1, -draws, 5)) == pytest.approx(0.04)
    assert bootstrap_p(Resamples(0, np.zeros(9), 5)) == 1
    assert np.isnan(bootstrap_p(Resamples(0, np.array([1.0, np.nan, np.nan]), 5)))


def test_the_detectable_difference_is_2_8_errors_and_the_expected_error_that_of_hanley_and_mcneil() -> None:
    assert detectable(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    # Hanley & McNeil (1982), 51 abnormal and 58 normal images, area 0.893: standard error 0.0325
    assert paired_error(0.893, 51, 58, 0.5) == pytest.approx(0.0325, abs=5e-5)
    assert paired_error(0.893, 51, 58, 0.0) == pytest.approx(0.0325 * np.sqrt(2), abs=7e-5)
    with pytest.raises(DataError, match="0 and 58"):
        paired_error(0.9, 0, 58, 0.5)


def test_a_true_difference_of_that_size_is_seen_four_times_in_five() -> None:
    seen = np.abs(np.random.default_rng(0).normal(detectable(1.0), 1, 20_000)) > 1.959964
    assert seen.mean() == pytest.approx(0.8, abs=0.01)


def test_conformal_sets_hold_the_true_class_as_often_as_promised_over_all_and_in_each_class() -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random(40_000) < 0.15).astype(np.int64)
    risk = 1 / (1 + np.exp(-(2 * labels - 2 + rng.normal(size=labels.size))))
    p, half = np.stack([1 - risk, risk], axis=1), 20_000
    for by_class in (False, True):
        sets = conformal_sets(p[half:], cutoffs(labels[:half], p[:half], 0.1, by_class=by_class))
        held = sets[np.arange(half), labels[half:]]
        assert held.mean() == pytest.approx(0.9, abs=0.01)
        rarer = held[labels[half:] == 1].mean()
        assert (rarer == pytest.approx(0.9, abs=0.02)) == by_class


def test_a_cutoff_is_the_rank_that_the_promise_needs_and_infinite_where_rows_are_too_few() -> None:
    p = np.stack([1 - np.arange(1, 20) / 100, np.arange(1, 20) / 100], axis=1)
    zeros = np.zeros(19, dtype=np.int64)
    assert cutoffs(zeros, p, 0.1) == pytest.approx([0.18, 0.18])  # the 18th of 19: ⌈20 · 0.9⌉
    assert cutoffs(zeros, p, 0.1, by_class=True) == pytest.approx([0.18, np.inf])
    assert cutoffs(zeros[:8], p[:8], 0.1)[0] == np.inf
    assert conformal_sets(p, np.array([0.1, np.inf]))[:, 1].all()
    with pytest.raises(DataError, match="is 1"):
        cutoffs(zeros, p, 1)


def test_the_surest_rows_are_kept_with_all_that_are_as_sure() -> None:
    assert surest(np.array([3.0, 1, 2, 4]), 0.5).tolist() == [True, False, False, True]
    assert surest(np.array([3.0, 1, 3, 4]), 0.5).tolist() == [True, False, True, True]
    assert surest(np.arange(10.0), 0.3).sum() == 3
    assert surest(np.arange(3.0), 1).all()
    with pytest.raises(DataError, match="is 0"):
        surest(np.arange(3.0), 0)
