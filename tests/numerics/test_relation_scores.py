"""Scores of relations: those of scikit-learn over the classes that are relations, on whole rows and on draws."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from chartune.answers import ANSWERS, RELATION, answer_of
from chartune.answers.catalog import _choosable


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn_over_relations_alone(seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = chance.choice(4, size=200, p=[0.7, 0.1, 0.1, 0.1])
    logits = chance.normal(size=(200, 4)) + 2 * np.eye(4)[labels]
    scores, per_label = RELATION.score(labels, logits, np.arange(200), np.ones(4, dtype=bool))
    said, relations = logits.argmax(axis=1), [1, 2, 3]
    for metric, value in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        expected = value(labels, said, labels=relations, average="micro", zero_division=0)
        assert scores[metric].value == pytest.approx(expected)
        assert scores[metric].low is not None
    assert scores["accuracy"].value == pytest.approx(accuracy_score(labels, said))
    assert scores["accuracy"].value == pytest.approx(f1_score(labels, said, average="micro"))
    assert len(per_label) == 4


def test_the_headline_leaves_out_pairs_without_a_relation() -> None:
    labels, logits = np.asarray([0, 0, 0, 1, 2]), np.eye(3)[[0, 0, 1, 1, 0]] * 5.0
    assert RELATION.headline.metric == "f1"
    quick = RELATION.quick(labels, logits, np.ones(3, dtype=bool))
    assert quick["f1"] == pytest.approx(2 * 1 / (2 + 2))
    more = np.concatenate([labels, np.zeros(50, dtype=int)]), np.concatenate([logits, np.eye(3)[[0] * 50] * 5.0])
    assert RELATION.quick(*more, np.ones(3, dtype=bool))["f1"] == pytest.approx(0.5)


def test_nothing_said_is_no_precision_and_an_f1_of_zero() -> None:
    labels, logits = np.asarray([0, 1, 2]), np.eye(3)[[0, 0, 0]] * 5.0
    scores, _ = RELATION.score(labels, logits, np.arange(3), np.ones(3, dtype=bool))
    assert scores["f1"].value == 0
    assert "precision" not in scores


def test_a_table_cannot_ask_for_it_because_its_first_class_would_be_any() -> None:
    assert answer_of("relation") is ANSWERS["relation"] is RELATION
    with pytest.raises(ValueError, match="must be one of"):
        _choosable("relation")
