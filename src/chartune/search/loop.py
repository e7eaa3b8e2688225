"""The loop of a search: propose, evaluate, write down, until the budget is spent or every setting has been tried.

    journal ─left open? abandoned?─▶ point ─settings─┬▶ tried before ─▶ told to the sampler, no trial of the budget
                  └▶ proposal ─────────────┘         └▶ evaluate ─▶ outcome ─▶ journal

With a fidelity there are two searches: one on a share of the training, and its best settings in full.

Searches that differ in their budget alone share a journal: a longer one goes on from a shorter one, and a shorter one
asked afterwards comes to what it would have come to alone, for it sees the trials within its budget and no others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from chartune.log import say
from chartune.search.choice import Search
from chartune.search.journal import Journal
from chartune.search.proposal import proposed
from chartune.search.space import Point, Settings, Space, key_of
from chartune.search.storages import STALE_SECONDS
from chartune.search.trial import Outcome, Trial, ranked

FUTILE: Final = 100
"""So many trials in a row that repeat others end a search: the sampler proposes nothing else."""
FULL: Final = "-full"
"""Ends the name of the search of those that are trained in full."""
Evaluate: TypeAlias = Callable[[Settings, float], Outcome]
"""Settings, and which share of the training is done → how they score."""
Proposing: TypeAlias = Callable[[int, Sequence[Trial]], Point]
"""Number of a trial, and all others → its point."""
Within: TypeAlias = tuple[Sequence[Trial], bool]
"""The trials that are within a budget, and whether it is spent."""


@dataclass(frozen=True)
class Problem:
    """What is searched, and how."""

    name: str
    """In the storage."""
    space: Space
    search: Search
    lower_is_better: bool
    """Whether low scores are."""

    @property
    def share(self) -> float:
        """Of the training, that a trial does."""
        return self.search.fidelity.share if self.search.fidelity else 1.0


@dataclass(frozen=True)
class Result:
    """What a search has come to."""

    trials: tuple[Trial, ...]
    """Those within the budget, by number; on a share of the training where there is a fidelity."""
    promoted: tuple[Trial, ...] = ()
    """Those of them that were trained in full."""
    ended: str = ""
    """Why no further trial is begun; empty: it has not ended."""
    beyond: tuple[Trial, ...] = ()
    """Trials of the same journal that a search with a larger budget has made: nothing is chosen among them."""
    promoted_beyond: tuple[Trial, ...] = ()
    """Likewise of those that were trained in full."""

    def best(self, problem: Problem) -> Trial | None:
        """The trial with the best score, in full training; None: every one has failed, or it has not ended."""
        tried = self.promoted if problem.search.fidelity else self.trials
        return next(iter(ranked(tried, lower_is_better=problem.lower_is_better)), None) if self.ended else None


def result_of(problem: Problem, trials: Sequence[Trial], promoted: Sequence[Trial]) -> Result:
    """What some trials come to, with nothing more done; those beyond the budget are set apart."""
    own, chosen = _within(problem, trials), list(promoted)
    ended = "" if any(trial.state == "running" for trial in own) else _ends(problem, own)
    if ended and problem.search.fidelity:
        chosen = _promoted(problem, own, promoted)
        done = {key_of(trial.settings) for trial in chosen if trial.state != "running"}
        ended = ended if {key_of(trial.settings) for trial in _chosen(problem, own)} <= done else ""
    beside = tuple(trial for trial in promoted if trial not in chosen)
    return Result(tuple(own), tuple(chosen), ended, tuple(trials[len(own) :]), beside)


def searched(
    problem: Problem,
    evaluate: Evaluate,
    storage: Any,
    owner: str = "",
    after: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Search until the end; what is there already is not done again.

    Args:
        problem: what is searched, and how.
        evaluate: gives the outcome of settings.
        storage: of optuna.
        owner: who is writing, as of `Journal`.
        after: is shown the result so far, after each trial.

    Raises:
        StoreError: the storage cannot be reached.
    """
    first = _journal(problem, problem.name, storage, owner)
    full = _journal(problem, f"{problem.name}{FULL}", storage, owner) if problem.search.fidelity else None

    def so_far() -> Result:
        return result_of(problem, first.trials(), full.trials() if full else ())

    def by_sampler(number: int, others: Sequence[Trial]) -> Point:
        seen = {key_of(trial.settings) for trial in others}
        again = [trial.point for trial in first.abandoned() if key_of(trial.settings) not in seen]
        lower = problem.lower_is_better
        return again[0] if again else proposed(problem.space, problem.search, number, others, lower_is_better=lower)

    def to_promote(others: Sequence[Trial]) -> list[Point]:
        done, own = {key_of(trial.settings) for trial in others}, _within(problem, first.trials())
        return [trial.point for trial in _chosen(problem, own) if key_of(trial.settings) not in done]

    def within(trials: Sequence[Trial]) -> Within:
        own = _within(problem, trials)
        return own, bool(_ends(problem, own))

    def within_promoted(trials: Sequence[Trial]) -> Within:
        return _promoted(problem, _within(problem, first.trials()), trials), not to_promote(trials)

    _tried(problem, first, by_sampler, within,
           lambda settings: evaluate(settings, problem.share), lambda: after(so_far()))  # fmt: skip
    if full:
        _tried(problem, full, lambda _, others: to_promote(others)[0], within_promoted,
               lambda settings: evaluate(settings, 1.0), lambda: after(so_far()))  # fmt: skip
    return so_far()


def _journal(problem: Problem, name: str, storage: Any, owner: str) -> Journal:
    return Journal(storage, name, problem.space, owner, lower_is_better=problem.lower_is_better)


def _ends(problem: Problem, trials: Sequence[Trial]) -> str:
    """Why no trial is begun any more; empty: one is."""
    last = [trial.counts for trial in trials[-FUTILE:]]
    if len(last) == FUTILE and not any(last):
        return "only settings that had been tried were proposed"
    return problem.search.ends(problem.space, trials)


def _within(problem: Problem, trials: Sequence[Trial]) -> list[Trial]:
    """The first trials, up to the one with which the budget is spent; all where it is not."""
    ends = (count for count in range(1, len(trials)) if _ends(problem, trials[:count]))
    return list(trials[: next(ends, len(trials))])


def _promoted(problem: Problem, own: Sequence[Trial], promoted: Sequence[Trial]) -> list[Trial]:
    """Of those that were trained in full the ones that a search with these trials trains in full."""
    wanted = {key_of(trial.settings) for trial in _chosen(problem, own)}
    return [trial for trial in promoted if key_of(trial.settings) in wanted]


def _chosen(problem: Problem, trials: Sequence[Trial]) -> list[Trial]:
    """Those that are trained in full."""
    count = problem.search.fidelity.promoted if problem.search.fidelity else 0
    return ranked(trials, lower_is_better=problem.lower_is_better)[:count]


def _tried(
    problem: Problem, journal: Journal, propose: Proposing, within: Callable[[Sequence[Trial]], Within],
    evaluate: Callable[[Settings], Outcome], after: Callable[[], None],
) -> None:  # fmt: skip
    """Trial by trial, those that a kill has left open first; of these what is beyond the budget stays open."""
    while True:
        with journal.alone():
            trials, left = journal.trials(), journal.left_open()
            own, spent = within(trials)
            if spent and (left is None or left[0] not in {trial.number for trial in own}):
                return
            number, point = left or (journal.begin(), None)
            others = [trial for trial in trials if trial.number != number]
            if point is None:
                point = propose(number, others)
                journal.keep(number, point)
        with journal.beating(number):
            done = _done(Trial(number, point, problem.space.settings(point)), others, evaluate)
        if not journal.end(done):
            _recorded_again(journal, done)
        after()


def _recorded_again(journal: Journal, done: Trial) -> None:
    """Write down the outcome of a trial that was given up meanwhile, unless somebody has begun its settings anew."""
    with journal.alone():
        taken_up = any(key_of(trial.settings) == key_of(done.settings) for trial in journal.trials())
        if not taken_up:
            number = journal.begin()
            journal.keep(number, done.point)
            journal.end(replace(done, number=number))
    say(
        f"warning: trial {done.number} of the search was closed while it was evaluated, as of a process that has "
        f"stopped (after {STALE_SECONDS} seconds without a sign of life) or by hand; "
        + ("somebody else is at its settings, and what it has trained stays in the store" if taken_up
           else f"its outcome is recorded as that of trial {number}")
    )  # fmt: skip


def _done(trial: Trial, others: Sequence[Trial], evaluate: Callable[[Settings], Outcome]) -> Trial:
    """A trial with its outcome: that of an earlier one of the same settings, or as evaluated."""
    earlier = [other for other in others if other.counts and other.state != "running"]
    same = next((other for other in earlier if key_of(other.settings) == key_of(trial.settings)), None)
    outcome = same.outcome if same else evaluate(trial.settings)
    same = same or next((other for other in earlier if outcome.run and other.outcome.run == outcome.run), None)
    return replace(trial, outcome=outcome, same_as=same.number if same else None)
