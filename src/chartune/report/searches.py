"""Searches: which settings were tried, how they scored on the validation split, and which were chosen.

trials ─runs of the store─▶ scores as they may be shown ─▶ table · score against budget · coordinates · importance
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chartune.answers import Metric
from chartune.disclosure import TOO_FEW
from chartune.quantities import human_seconds
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.search.choice import Fidelity
from chartune.search.loop import Problem, Result
from chartune.search.space import Settings, key_of
from chartune.search.trial import Trial, ranked

NOTE: Final = (
    "Every trial was trained on the training split and scored on the validation split alone. The score of the best one "
    "is the best of many: only the test split says how well it does on new patients."
)
FEW: Final[int] = Fidelity.model_fields["promoted"].default
"""How many a search with a `fidelity` trains in full, unless it says otherwise."""
NO_SCORE: Final = Metric("score", "Score")
"""Where no trial has one."""
CHOSEN, FAILED = "chosen", "failed"


@dataclass(frozen=True)
class SearchShown:
    """A search as a report gets it."""

    title: str
    """Of the cell that was searched."""
    problem: Problem
    result: Result
    headline: Metric
    """The score that decides."""
    scores: Mapping[str, str]
    """Run of a trial → its validation score as it may be shown; a run that is not in it is not in the store."""
    importance: Mapping[str, float]
    """Path of a setting → its share of all importance; empty: not known."""

    def shown(self, trial: Trial) -> str:
        """The score of a trial as it may be shown; empty: it has none."""
        return "" if trial.score is None else self.scores.get(trial.outcome.run) or NOT_MEASURED

    def value(self, trial: Trial) -> float | None:
        """The number of that; None: it has none that may be shown."""
        text = self.shown(trial)
        return None if text in ("", NOT_MEASURED, TOO_FEW) else float(text.split()[0])


def trials_table(one: SearchShown, trials: Sequence[Trial], caption: str) -> Table:
    """Trial by trial, in their order; those that repeat others stand in the note.

    Args:
        one: the search.
        trials: of it.
        caption: of the table.
    """
    best, paths = one.result.best(one.problem), list(one.problem.space.dimensions)
    columns = (
        Column("Trial", numeric=False), *(Column(path.rpartition(".")[2], path, numeric=False) for path in paths),
        Column(one.headline.title, "on the validation split"), Column("Time"), Column("", numeric=False),
    )  # fmt: skip
    rows = []
    for trial in trials:
        if trial.counts and trial.state != "running":
            chosen = trial == best
            cells = [Cell(value_text(trial.settings, path)) for path in paths]
            remark = CHOSEN if chosen else FAILED if trial.state == "failed" else ""
            value, _, interval = one.shown(trial).partition(" [")
            score = Cell(value or NOT_MEASURED, interval.removesuffix("]").replace(", ", " to "), strong=chosen)
            rows.append((Cell(str(trial.number)), *cells, score, Cell(human_seconds(trial.seconds)),
                         Cell(remark, trial.outcome.why)))  # fmt: skip
    return Table(caption, columns, tuple(rows), NOTE, cards=False)


def counted(one: SearchShown) -> str:
    """How many trials were made, failed and repeated others, and why the search ended, in a sentence."""
    trials = one.result.trials
    made = [trial for trial in trials if trial.counts and trial.state != "running"]
    failed, repeated = sum(trial.state == "failed" for trial in made), len(trials) - sum(t.counts for t in trials)
    size = one.problem.space.size
    of = f" of the {size} settings of the space" if size is not None else ""
    how = f"Sampler {one.problem.search.sampler}, seed {one.problem.search.seed}"
    short = f", each on {100 * one.problem.share:g} % of the training" if one.problem.share < 1 else ""
    ended = f"It ended because {one.result.ended}." if one.result.ended else "It goes on."
    return (
        f"{how}: {len(made)} trials{of}{short}, of which {failed} failed; {repeated} further proposals repeated a "
        f"trial and were answered from it. {ended}"
    )


def chosen_said(one: SearchShown) -> str:
    """The best settings in a sentence; empty: nothing has been chosen."""
    best = one.result.best(one.problem)
    if best is None:
        return ""
    said = ", ".join(f"{path} = {value_text(best.settings, path)}" for path in best.settings)
    return f"Chosen by the validation {one.headline.worded} ({one.shown(best)}): {said}."


def saving_said(one: SearchShown) -> str:
    """What it would have cost to train only the best few in full, in a sentence; empty: not all trials were.

    That is known where a search with a `fidelity` promotes every trial, because its space is small enough.
    """
    lower, share = one.problem.lower_is_better, one.problem.share
    short = ranked(one.result.trials, lower_is_better=lower)
    full = {key_of(trial.settings): trial for trial in ranked(one.result.promoted, lower_is_better=lower)}
    best_few = [full[key] for trial in short[:FEW] if (key := key_of(trial.settings)) in full]
    if share == 1 or not one.result.ended or len(short) <= FEW or len(full) < len(short):
        return ""
    best, cheapest = next(iter(full.values())), ranked(best_few, lower_is_better=lower)[0]
    if one.value(best) is None or one.value(cheapest) is None:
        return ""
    lost = "nothing would have been lost" if cheapest == best else f"instead of {one.shown(best)}, the best of all"
    spent = (share * len(short) + FEW) / len(short)
    return (
        f"All {len(short)} trials were trained in full, too. Had only the best {FEW} on {100 * share:g} % been, at "
        f"{100 * spent:.0f} % of the training of all, the chosen one would have scored {one.shown(cheapest)}: {lost}."
    )


def value_text(settings: Settings, path: str) -> str:
    """A setting as a table shows it; idle: a dash."""
    if path not in settings:
        return "–"
    value = settings[path]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
