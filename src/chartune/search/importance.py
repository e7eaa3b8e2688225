"""Importance: how much each setting matters, by what the best trials have that others have not."""

from collections.abc import Sequence
from typing import Final

from chartune.search.extra import optuna
from chartune.search.proposal import coded, distributions
from chartune.search.space import Space
from chartune.search.trial import Trial

FEWEST: Final = 8
"""Trials with a score below which nothing is said."""


def importance(space: Space, trials: Sequence[Trial], *, lower_is_better: bool) -> dict[str, float]:
    """Path → its share of all importance, by PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255); empty: not known.

    Args:
        space: what was searched.
        trials: of it; those that repeat others are left out.
        lower_is_better: whether low scores are.
    """
    scored = [trial for trial in trials if trial.counts and trial.score is not None]
    several = {path for path, one in space.dimensions.items() if len({str(trial.point[path]) for trial in scored}) > 1}
    if len(scored) < FEWEST or not several or len({trial.score for trial in scored}) < 2:
        return {}
    library, ways = optuna(), distributions(space)
    study = library.create_study(direction="minimize" if lower_is_better else "maximize")
    for trial in scored:
        made = {path: value for path, value in coded(space, trial.point).items() if path in several}
        study.add_trial(library.trial.create_trial(
            value=trial.score, params=made, distributions={path: ways[path] for path in made}
        ))  # fmt: skip
    found = library.importance.get_param_importances(study)
    return {path: round(float(found.get(path, 0.0)), 4) for path in space.dimensions}
