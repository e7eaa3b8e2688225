"""What is proposed next: what a sampler is shown of the trials so far, and when it is not asked."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest

from chartune.search.choice import Search
from chartune.search.proposal import STUCK, proposed
from chartune.search.space import Space
from chartune.search.trial import Outcome, State, Trial

SPACE = Space.parse({"rank": [2, 4, 8, 16], "targets": ["attention", "all"]})
RANGE = Space.parse({"rate": {"low": 0.0, "high": 1.0}})
Shown = list[tuple[str, int, float | None]]


def trial(number: int, rank: int, state: State = "complete", same_as: int | None = None) -> Trial:
    point = {"rank": rank, "targets": "all"}
    return Trial(number, point, point, state, Outcome(10.0 + rank if state == "complete" else None), same_as)


def after(trials: Sequence[Trial], space: Space = SPACE, **search: Any) -> dict[str, Any]:
    return proposed(space, Search.parse(search), len(trials), trials, lower_is_better=True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """State, place of the rank and score of each trial that the sampler has seen; it proposes rank 4 on all."""
    seen: Shown = []

    class Asked(optuna.samplers.BaseSampler):
        def __init__(self, **_: Any) -> None:
            """Takes what a Gaussian process would."""

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            known = study.get_trials(deepcopy=False)[: trial.number]
            seen.extend((one.state.name, one.params["rank"], one.values and one.values[0]) for one in known)
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return 1 if name == "rank" else "all"

    monkeypatch.setattr(optuna.samplers, "GPSampler", Asked)
    return seen


def test_the_sampler_is_shown_what_is_repeated_and_what_runs_elsewhere_and_nothing_that_failed(shown: Shown) -> None:
    trials = [trial(0, 8), trial(1, 8, same_as=0), trial(2, 16, "failed"), trial(3, 2, "running")]
    assert after(trials, startup=1) == {"rank": 4, "targets": "all"}
    assert shown == [("COMPLETE", 2, 18.0), ("COMPLETE", 2, 18.0), ("RUNNING", 0, None)]


def test_what_is_repeated_or_has_failed_is_no_trial_of_the_startup(shown: Shown) -> None:
    trials = [trial(0, 8), trial(1, 8, same_as=0), trial(2, 16, "failed")]
    after(trials, startup=2)
    assert shown == []
    after([*trials, trial(3, 2)], startup=2)
    assert shown != []


def test_a_setting_that_runs_elsewhere_is_not_proposed(shown: Shown) -> None:
    tried = [trial(0, 8), trial(1, 4, "running")]
    assert after(tried, startup=1) not in [dict(one.point) for one in tried]
    assert shown != []


def test_a_sampler_that_only_repeats_is_not_asked_any_more(shown: Shown) -> None:
    repeated = [trial(0, 4), *(trial(1 + n, 4, same_as=0) for n in range(STUCK))]
    assert after(repeated[:-1], startup=1) == {"rank": 4, "targets": "all"}
    assert after(repeated, startup=1) != {"rank": 4, "targets": "all"}


def test_the_first_trials_are_spread_evenly() -> None:
    first = [proposed(RANGE, Search(), number, [], lower_is_better=True)["rate"] for number in range(8)]
    assert sorted(math.floor(8 * rate) for rate in first) == list(range(8))  # one in each eighth


def test_points_that_mean_the_same_exhaust_no_space() -> None:
    space = Space.parse({"network": ["mlp", "lstm"], "layers": {"values": [1, 2], "when": {"network": "lstm"}}})
    points = [{"network": network, "layers": layers} for network in ("mlp", "lstm") for layers in (1, 2)]
    every = [Trial(n, point, space.settings(point), "complete", Outcome(1.0)) for n, point in enumerate(points)]
    assert Search().ends(space, every) == "all 3 settings of the space have been tried"
    assert Search().ends(space, every[:3]) == ""


def test_a_budget_counts_nothing_twice_and_leaves_enough_for_those_that_are_trained_in_full() -> None:
    def ends(*trials: Trial, **search: Any) -> str:
        return Search.parse(search).ends(RANGE, trials)

    once = replace(trial(0, 8), outcome=Outcome(1.0, tokens=60, seconds=60))
    again = replace(once, number=1, same_as=0)
    for budget in ({"trials": 2}, {"tokens": 120}, {"minutes": 2}):
        assert ends(once, again, **budget) == ""
        assert ends(once, replace(again, same_as=None), **budget) != ""
    half = {"share": 0.5, "promoted": 4}  # of one trial no more than that one is trained in full, at twice its price
    for name, spent in (("tokens", 180), ("minutes", 3)):
        assert ends(once, fidelity=half, **{name: spent}) == f"the {name} are spent"
        assert ends(once, fidelity=half, **{name: spent + 1}) == ""
