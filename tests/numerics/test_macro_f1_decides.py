"""Macro F1 as the score that decides: equal to scikit-learn's, and beside the scores that classes have anyhow."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from chartune.answers import ONE_OF, ONE_OF_BY_F1


@pytest.mark.parametrize("seed", range(3))
def test_the_headline_is_the_macro_f1_of_scikit_learn(seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = chance.choice(4, size=150, p=[0.6, 0.2, 0.1, 0.1])
    logits, every = chance.normal(size=(150, 4)) + 1.5 * np.eye(4)[labels], np.ones(4, dtype=bool)
    expected = f1_score(labels, logits.argmax(axis=1), average="macro")
    scores, per_label = ONE_OF_BY_F1.score(labels, logits, np.arange(150), every)
    others, _ = ONE_OF.score(labels, logits, np.arange(150), every)
    assert ONE_OF_BY_F1.headline.metric == next(iter(scores)) == "f1_macro"
    assert scores["f1_macro"].value == pytest.approx(expected)
    assert ONE_OF_BY_F1.quick(labels, logits, every)["f1_macro"] == pytest.approx(expected)
    assert {name: scores[name] for name in others} == others
    assert scores["accuracy"].value == pytest.approx(accuracy_score(labels, logits.argmax(axis=1)))
    assert len(per_label) == 4
    wider = np.concatenate([np.full((150, 1), -9.0), logits], axis=1)  # a first class that nobody has
    rows = ONE_OF_BY_F1.rows(labels + 1, wider, np.arange(150))
    assert ONE_OF_BY_F1.headline.value(rows.scorable()) == pytest.approx(expected)
    names = [score.metric for score in (*ONE_OF_BY_F1.measures, *ONE_OF_BY_F1.further)]
    assert len(names) == len(set(names))
