"""Distances of later values and outcomes from those that a model was tested on."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from chartune.errors import LabelError
from chartune.metrics.delong import auroc_error, clustered_delong
from chartune.metrics.drifting import BINS, Baseline, Outcomes, outcomes_of, p_of_calibration, p_of_discrimination


def test_deciles_hold_equally_many_and_psi_is_that_of_the_formula() -> None:
    baseline = Baseline.of(np.arange(100.0)[::-1])
    assert baseline.counts(baseline.values).tolist() == [10] * BINS
    here = np.concatenate([np.arange(10.0), np.full(10, 95.0)])
    counts = np.asarray([10, *[0] * 8, 10]) + 0.5
    own, now = np.full(BINS, 0.1), counts / counts.sum()
    assert baseline.to(here).psi == pytest.approx(sum((now - own) * np.log(now / own)))
    assert baseline.to(here).p == pytest.approx(ks_2samp(np.arange(100.0), here, method="asymp").pvalue)
    assert baseline.to(baseline.values).psi == pytest.approx(0)


@pytest.mark.parametrize("ones", [3, 50, 97])
def test_a_share_has_two_bins_whichever_is_rare(ones: int) -> None:
    baseline = Baseline.of(np.repeat([1.0, 0.0], [ones, 100 - ones]))
    assert baseline.counts(baseline.values).tolist() == [100 - ones, ones]


def test_of_one_value_each_other_one_is_elsewhere() -> None:
    baseline = Baseline.of([2.0] * 30)
    assert baseline.counts(np.asarray([1.0, 2.0, 2.0, 3.0])).tolist() == [1, 2, 1]
    assert baseline.to(np.asarray([3.0] * 30)).psi > 1
    assert baseline.to(np.asarray([1.0] * 30)).psi > 1


def test_ties_stay_together_and_no_bin_is_empty() -> None:
    values = np.random.default_rng(0).integers(0, 4, 1000).astype(float)
    baseline = Baseline.of(values)
    assert baseline.counts(baseline.values).tolist() == np.bincount(values.astype(int)).tolist()


def test_the_error_of_an_auroc_is_that_of_its_difference_from_guessing() -> None:
    chance = np.random.default_rng(1)
    labels, subjects = chance.integers(0, 2, 200), chance.integers(0, 60, 200)
    scores = labels + chance.normal(0, 2, 200)
    area, error = auroc_error(labels, scores, subjects)
    tested = clustered_delong(labels, [scores], [np.zeros(200)], subjects)
    assert area - 0.5 == pytest.approx(tested.difference)
    assert error == pytest.approx(tested.error)
    with pytest.raises(LabelError):
        auroc_error(np.ones(3), np.ones(3), np.arange(3))


def drawn(rows: int, seed: int, *, shift: float = 0.0, scale: float = 1.0, per_patient: int = 1) -> Outcomes:
    """Outcomes whose log-odds are `shift` above those that were predicted, of whose spread `scale` is true."""
    chance = np.random.default_rng(seed)
    patients = rows // per_patient
    odds = np.repeat(chance.normal(-1.5, 1, patients), per_patient)
    came = np.repeat(chance.random(patients), per_patient) < 1 / (1 + np.exp(-(shift - 1.5 + scale * (odds + 1.5))))
    return outcomes_of(came, 1 / (1 + np.exp(-odds)), np.repeat(np.arange(patients), per_patient))


@pytest.mark.parametrize("per_patient", [1, 4])
def test_without_change_few_p_are_small_whoever_the_rows_belong_to(per_patient: int) -> None:
    """At 5 % some 15 of 300."""
    pairs = [(drawn(400, 2 * n, per_patient=per_patient), drawn(800, 2 * n + 1, per_patient=per_patient))
             for n in range(300)]  # fmt: skip
    for p_of in (p_of_calibration, p_of_discrimination):
        small = sum(p_of(here, own) < 0.05 for here, own in pairs)
        assert 4 <= small <= 29, p_of.__name__


def test_more_outcomes_and_a_lower_rank_are_seen() -> None:
    own = drawn(2000, 1)
    more, flat = drawn(1000, 2, shift=0.6), drawn(1000, 3, scale=0.2)
    assert p_of_calibration(more, own) < 1e-4 < 0.01 < p_of_discrimination(more, own)
    assert p_of_discrimination(flat, own) < 1e-4
    assert more.ratio > 1.3
    assert own.ratio == pytest.approx(own.labels.sum() / own.probability.sum())
    assert p_of_discrimination(drawn(1000, 4, scale=3.0), own) > 0.9  # one-sided: a rise is no alarm
