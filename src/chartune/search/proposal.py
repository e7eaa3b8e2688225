"""Proposal: the point of the next trial, as a pure function of the space, the seed, its number and the trials so far.

grid, or nothing new for long ─▶ a setting that has not been tried
random                        ─▶ drawn by (seed, number)
gp, tpe                       ─▶ points of a Sobol sequence at first; then optuna's sampler, made anew for each trial
                                 with a seed of (seed, number) and shown all trials, so that a killed search resumes
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chartune.search.choice import Search
from chartune.search.extra import optuna
from chartune.search.space import Dimension, Range, Space, Values, key_of
from chartune.search.trial import Trial

STUCK: Final = 8
"""So many trials in a row that repeat others, and a setting that has not been tried is taken."""


def proposed(
    space: Space, search: Search, number: int, trials: Sequence[Trial], *, lower_is_better: bool
) -> dict[str, Any]:
    """The point of a trial.

    Args:
        space: what is searched.
        search: sampler, seed and start-up.
        number: of the trial.
        trials: all others, by number; those that run elsewhere are waited for by the sampler, not repeated.
        lower_is_better: whether low scores are.
    """
    complete = sum(trial.counts and trial.state == "complete" for trial in trials)
    if search.sampler == "grid" or _repeats(trials) >= STUCK:
        return _untried(space, search, number, trials)
    if search.sampler == "random":
        point = space.at(iter(_drawn(search.seed, number).random(len(space.dimensions))))
    elif complete < search.startup:
        point = space.at(iter(_sobol(search.seed, number, len(space.dimensions))))
    else:
        point = _by_model(space, search, number, trials, lower_is_better)
    running = {key_of(trial.settings) for trial in trials if trial.state == "running"}
    return _untried(space, search, number, trials) if key_of(space.settings(point)) in running else point


def _repeats(trials: Sequence[Trial]) -> int:
    """How many trials, from the last one back, repeat others."""
    count = 0
    for trial in reversed(trials):
        if trial.counts:
            break
        count += 1
    return count


def _untried(space: Space, search: Search, number: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """A setting that has not been tried: of a grid the first, else one by chance."""
    seen = {key_of(trial.settings) for trial in trials}
    left = [point for point in space.points or () if key_of(space.settings(point)) not in seen]
    random = _drawn(search.seed, number)
    if not left:
        return space.at(iter(random.random(len(space.dimensions))))
    return left[0 if search.sampler == "grid" else int(random.integers(len(left)))]


def _drawn(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _sobol(seed: int, number: int, dimensions: int) -> list[float]:
    """Point `number` of a scrambled Sobol sequence, [d] of shares from 0 to below 1."""
    from scipy.stats.qmc import Sobol

    sequence = Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if number:
        sequence.fast_forward(number)
    shares: list[float] = sequence.random(1)[0].tolist()
    return shares


def _by_model(
    space: Space, search: Search, number: int, trials: Sequence[Trial], lower_is_better: bool
) -> dict[str, Any]:
    """What optuna's sampler proposes after these trials."""
    library = optuna()
    seed = int(_drawn(search.seed, number).integers(2**31))
    samplers = {
        "gp": lambda: library.samplers.GPSampler(seed=seed, n_startup_trials=1),
        "tpe": lambda: library.samplers.TPESampler(seed=seed, n_startup_trials=1),
    }
    study = library.create_study(
        direction="minimize" if lower_is_better else "maximize", sampler=samplers[search.sampler]()
    )
    ways = distributions(space)
    for trial in trials:
        if trial.state != "failed":
            study.add_trial(library.trial.create_trial(
                state=getattr(library.trial.TrialState, trial.state.upper()), value=trial.score,
                params=coded(space, trial.point), distributions=ways,
            ))  # fmt: skip
    return decoded(space, study.ask(ways).params)


def distributions(space: Space) -> dict[str, Any]:
    """How optuna sees a space: numbers that rise as their places, other values as names, ranges as they are."""
    return {path: _distribution(one) for path, one in space.dimensions.items()}


def coded(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as optuna sees it."""
    return {path: _coded(one, point[path]) for path, one in space.dimensions.items()}


def decoded(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `coded`."""
    return {path: _decoded(one, params[path]) for path, one in space.dimensions.items()}


def _distribution(one: Dimension) -> Any:
    ways = optuna().distributions
    if isinstance(one, Range):
        whole = ways.IntDistribution(int(one.low), int(one.high), log=one.log) if one.integer else None
        return whole or ways.FloatDistribution(one.low, one.high, log=one.log)
    return ways.IntDistribution(0, len(one.values) - 1) if one.ordered else ways.CategoricalDistribution(one.labels)


def _coded(one: Dimension, value: Any) -> Any:
    if isinstance(one, Values):
        place = one.values.index(value)
        return place if one.ordered else one.labels[place]
    return value


def _decoded(one: Dimension, value: Any) -> Any:
    if isinstance(one, Values):
        return one.values[value if one.ordered else one.labels.index(value)]
    return value
