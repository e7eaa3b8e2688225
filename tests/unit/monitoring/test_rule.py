"""The rule of an alarm: neither chance nor a trifle."""

from typing import Final

import numpy as np
import polars as pl
import pytest

from chartune.metrics.drifting import Baseline, Outcomes, outcomes_of
from chartune.monitoring.reference import Reference, reference
from chartune.monitoring.returned import Own, returned
from chartune.monitoring.vocabulary import Vocabulary
from chartune.monitoring.windows import judged
from chartune.runs.monitored import LENGTH, SCORE, UNKNOWN, Drifted, Returned, Rule
from chartune.runs.run import Run
from chartune.stages.loading import load
from chartune.store import Store
from chartune.testing.in_use import OWN, WORDS

CHANCE: Final = np.random.default_rng(0)
OF_THE_RUN: Final = CHANCE.normal(size=4000) ** 2


def own(*names: str) -> Reference:
    return Reference("test", 4000, dict.fromkeys(names, Baseline.of(OF_THE_RUN)), Vocabulary.of(()), ())


def judge(rule: Rule, here: np.ndarray, *names: str) -> Drifted:
    return judged(own(*names), dict.fromkeys(names, here), rule)[0]


def test_a_trifle_in_many_rows_is_none_and_chance_in_few_neither() -> None:
    many, few = 1.15 * CHANCE.normal(size=4000) ** 2, CHANCE.normal(size=40) ** 2
    trifle, chance = judge(Rule(), many, SCORE), judge(Rule(), few, SCORE)
    assert trifle.p < 1e-3
    assert trifle.psi < 0.1
    assert chance.psi > 0.1
    assert not trifle.alarm
    assert not chance.alarm
    assert judge(Rule(psi=trifle.psi), many, SCORE).alarm
    assert judge(Rule(level=2 * chance.p), few, SCORE).alarm


def test_the_level_is_shared_by_the_measures() -> None:
    here = 2 * CHANCE.normal(size=300) ** 2
    p = judge(Rule(), here, SCORE).p
    rule = Rule(level=1.5 * p, psi=0)
    assert judge(rule, here, SCORE).alarm
    assert not judge(rule, here, SCORE, UNKNOWN).alarm


def test_lengths_are_shown_by_their_median_and_others_by_their_mean() -> None:
    here = np.asarray([1.0, 2.0, 30.0])
    length, score = judge(Rule(), here, LENGTH), judge(Rule(), here, SCORE)
    assert (length.here, score.here) == (2, 11)
    assert length.own == pytest.approx(np.median(OF_THE_RUN))
    assert score.own == pytest.approx(OF_THE_RUN.mean())


def outcomes(rows: int, spread: float, seed: int) -> Outcomes:
    chance = np.random.default_rng(seed)
    odds = chance.normal(-1, 1.5, rows)
    came = chance.random(rows) < 1 / (1 + np.exp(-(-1 + spread * (odds + 1))))
    return outcomes_of(came, 1 / (1 + np.exp(-odds)), np.arange(rows))


def of(rule: Rule, here: Outcomes) -> Returned:
    before = Own((0,), ("died",), (outcomes(2000, 1, 1),))
    return returned(before, here.labels[:, None], here.probability[:, None], rule)[0]


def test_an_auroc_must_have_fallen_by_so_much() -> None:
    here = outcomes(2000, 0.6, 2)
    fallen = of(Rule(auroc=0), here)
    assert fallen.own_auroc is not None
    assert fallen.auroc is not None
    gap = fallen.own_auroc - fallen.auroc
    assert fallen.auroc_alarm
    assert of(Rule(auroc=gap - 1e-9), here).auroc_alarm
    assert not of(Rule(auroc=gap + 1e-9), here).auroc_alarm


def test_the_level_is_shared_by_the_tests_of_all_labels() -> None:
    here = outcomes(600, 0.6, 3)
    p = of(Rule(), here).p_auroc
    assert p is not None
    rule = Rule(level=2.5 * p, auroc=0)
    assert of(rule, here).auroc_alarm
    two = Own((0, 1), ("a", "b"), (outcomes(2000, 1, 1),) * 2)
    both = returned(two, np.stack([here.labels] * 2, 1), np.stack([here.probability] * 2, 1), rule)
    assert [one.auroc_alarm for one in both] == [False, False]


def test_rows_whose_outcome_is_not_known_do_not_count() -> None:
    here = outcomes(400, 1, 4)
    before = Own((0,), ("died",), (outcomes(2000, 1, 1),))
    true = np.where(np.arange(400) < 150, here.labels, np.nan)[:, None]
    made = returned(before, true, here.probability[:, None], Rule())[0]
    assert (made.rows, made.cases) == (150, int(here.labels[:150].sum()))
    assert returned(before, np.full((400, 1), np.nan), here.probability[:, None], Rule()) == ()


def test_known_words_are_those_of_training_texts_alone(in_use: tuple[Store, dict[str, Run]]) -> None:
    store, runs = in_use
    made = reference(load(runs["binary"], store), store)
    data = store.find("data", runs["binary"].data or "")
    assert data is not None
    splits = pl.read_parquet(data.path / "splits.parquet")
    learnt = set(splits.filter(pl.col("split") == "train")["subject_id"].to_list())
    known = {word for word in (*WORDS, *OWN) if made.vocabulary.unknown([word]) == 0}
    assert known == {*WORDS, *(word for n, word in enumerate(OWN) if n in learnt)}
    assert len(made.vocabulary) == len(known)
    assert made.vocabulary.unknown(["septic", "zebrafinch", "zebrafinch"]) == 2
    assert made.baselines[UNKNOWN].values.max() > 0
