"""Searching: the search of a cell, conducted or looked at; its trials are ordinary runs without test scores.

cell + space ─first trial's identity─▶ name of the search ─▶ searches/<name>/ journal.log   what optuna keeps
trial ─stage without test scores─▶ store, ledger, or run ─▶ validation score ┘  search.json  what reports read
"""

import hashlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from chartune.config import fingerprint
from chartune.errors import ChartuneError, RunError, StoreError
from chartune.log import say
from chartune.quantities import Duration, Estimate
from chartune.report.released import headline_text
from chartune.report.searches import NO_SCORE, SearchShown
from chartune.runner import run
from chartune.runs.run import CHOOSING, SHELF, Run
from chartune.search.importance import importance
from chartune.search.loop import Problem, Result, result_of, searched
from chartune.search.space import Settings
from chartune.search.storages import RECORD, SEARCHES, Journals
from chartune.search.trial import Outcome, Trial
from chartune.stages.identity import Identity
from chartune.store import Artefact, Store, storing, write_json
from chartune.studies.cell import Cell
from chartune.studies.identity import Contents, identity_of
from chartune.studies.ledger import Entry
from chartune.studies.parents import Family
from chartune.studies.remade import Remade, named
from chartune.studies.spaces import trial_of
from chartune.writing import remembered

REVISION: Final = 1
Keep: TypeAlias = Callable[[Run, Cell, Identity], None]
"""What is done with each finished run of a study, its cell and its identity, such as to put it into a ledger."""


@dataclass(frozen=True)
class Searched:
    """The search of a cell, as far as it is."""

    cell: Cell
    problem: Problem
    result: Result
    folder: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """Runs that a ledger lists, by fingerprint: its trials may be among them."""

    @property
    def chosen(self) -> Settings | None:
        """The best settings; None: the search has not ended, or every trial has failed."""
        best = self.result.best(self.problem)
        return best.settings if best else None

    @property
    def title(self) -> str:
        """What to call it: its cell, without the seed, which its trials share."""
        return replace(
            self.cell, axes={path: value for path, value in self.cell.axes.items() if path != "seed"}
        ).title()

    def shown(self, store: Store) -> SearchShown:
        """As a report gets it, with the scores of its trials from the store, or else from the ledger."""
        names = {trial.outcome.run for trial in (*self.result.trials, *self.result.promoted) if trial.outcome.run}
        found = {name: store.find(SHELF, name) for name in names}
        runs = {name: Run(artefact.path) for name, artefact in found.items() if artefact}
        listed = {name: self.entries[name] for name in names - set(runs) if name in self.entries}
        scores = {name: headline_text(one, one.headline.metric, False) for name, one in runs.items()}
        scores |= {name: entry.text(CHOOSING) for name, entry in listed.items()}
        headlines = [*(one.headline for one in runs.values()), *(entry.headline for entry in listed.values())]
        known = remembered(self.folder / RECORD).get("importance")
        importance = known if isinstance(known, dict) else {}
        return SearchShown(self.title, self.problem, self.result, next(iter(headlines), NO_SCORE), scores, importance)

    def as_text(self) -> str:
        """How far it is, in a clause."""
        counted = sum(trial.counts and trial.state != "running" for trial in self.result.trials)
        if not self.result.ended:
            return f"its search has made {counted} of at most {self.problem.search.trials} trials"
        return "" if self.chosen is not None else f"each of the {counted} trials of its search has failed"


@dataclass(frozen=True)
class Bench:
    """Where the settings of one cell of a study are searched."""

    family: Family
    number: int
    """Of the cell."""
    made: Mapping[str, str]
    """Stage referred to → its adapter in the store."""
    data: Artefact
    """The cell's prepared data."""
    store: Store
    elsewhere: Contents
    """The content of parents' adapters that only a ledger lists."""
    entries: Mapping[str, Entry]
    """Runs that a ledger lists, by fingerprint: trials among them are not trained again."""
    keep: Keep
    """Is given every trial that was trained, or was found in the store."""
    remade: Remade = field(default_factory=dict)
    """Adapters of parents that a ledger lists and that were trained again here."""

    @property
    def cell(self) -> Cell:
        """The cell that is searched."""
        return self.family.cells[self.number]

    def look(self) -> Searched | None:
        """How far the search is; None: its base model is not made yet."""
        space, search = self.cell.space, self.cell.search
        if space is None or search is None:
            raise AssertionError("only a cell with a space is searched")
        _, identity = self._staged(trial_of(self.cell, space.settings(space.first)), 1.0)
        if identity is None:
            return None
        parts = {"first": identity.fingerprint, "space": space.to_json(), "search": search.hashable()}
        name = fingerprint("search", REVISION, parts)
        problem = Problem(name, space, search, lower_is_better=identity.kind == "pretrain")
        folder = self.store.root / SEARCHES / name
        return Searched(self.cell, problem, _recorded(problem, folder), folder, self.entries)

    def search(self, journals: Journals) -> Searched:
        """Search to the end; what is there already is not done again.

        Raises:
            RunError: every trial has failed, or others are still at some.
            StoreError: another process is searching, or the trials cannot be written down.
        """
        asked = self.look()
        if asked is None:
            raise AssertionError("a base model is made before it is searched on")
        problem = asked.problem
        with self.store.lease(SEARCHES, problem.name), journals.opened(asked.folder) as storage:
            result = searched(
                problem, self._evaluated, storage, _owner(self.store),
                lambda result: _record(replace(asked, result=result)),
            )  # fmt: skip
            done = replace(asked, result=result)
            _record(done, importance(problem.space, result.trials, lower_is_better=problem.lower_is_better))
        if done.chosen is None:
            raise RunError(
                f"a search must end with settings that have a score, but {done.as_text()}"
                f"{_first_failure(result)}; correct the space, or give the same command again where others are at it."
            )
        repeated = sum(not trial.counts for trial in result.trials)
        say(f"{self.cell.title()}: {result.ended}{f' ({repeated} more repeated others)' if repeated else ''}")
        return done

    def keep_trials(self, asked: Searched) -> None:
        """Give `keep` the trials of a search that may have been made before, as far as their runs are in the store."""
        for share, trials in ((asked.problem.share, asked.result.trials), (1.0, asked.result.promoted)):
            for trial in (one for one in trials if one.outcome.run):
                cell = trial_of(self.cell, trial.settings)
                _, identity = self._staged(cell, share)
                if identity and (finished := self._found(identity)):
                    self.keep(finished, cell, identity)

    def _staged(self, trial: Cell, share: float) -> tuple[Any, Identity | None]:
        """A trial as the stage that does a share of the training, and the identity of its run."""
        stage = shortened(self.family.stage(self.number, self.made, trial), share)
        return stage, identity_of(stage, self.data, self.store, self.elsewhere)

    def _evaluated(self, settings: Settings, share: float) -> Outcome:
        """Settings as a run: listed, found in the store, or trained; never scored on the test split."""
        trial, begun = trial_of(self.cell, settings), time.monotonic()
        try:
            stage, identity = self._staged(trial, share)
            if identity and (listed := self._listed(identity)):
                say(f"trial {trial.name}: its score stands in the ledger")
                return listed
            finished = self._found(identity) or run(stage, self.store)
        except StoreError:  # of the machine, and not of these settings: the trial stays open
            raise
        except ChartuneError as error:
            say(f"trial {trial.name}: {error}")
            seconds = max(error.seconds, time.monotonic() - begun)  # what failed has spent of the budget, too
            return Outcome(None, tokens=error.tokens, seconds=seconds, why=str(error))
        if identity:
            self.keep(finished, trial, identity)
        what, estimate = finished.headline, finished.estimate(finished.headline.metric, CHOOSING)
        say(f"trial {trial.name}: {what.title} {headline_text(finished, what.metric, False)} on validation")
        cost = finished.cost
        if estimate is None:
            return Outcome(None, finished.fingerprint, cost.tokens, cost.seconds, "no score was measured")
        return Outcome(estimate.value, finished.fingerprint, cost.tokens, cost.seconds)

    def _found(self, identity: Identity | None) -> Run | None:
        """A run in the store."""
        found = self.store.find(SHELF, identity.fingerprint) if identity else None
        return Run(found.path) if found else None

    def _listed(self, identity: Identity) -> Outcome | None:
        """What a ledger says of a run that is not in the store; None: nothing, or its score is not shown there."""
        known = () if self._found(identity) else named(identity, self.remade)
        entry = next((self.entries[one.fingerprint] for one in known if one.fingerprint in self.entries), None)
        score = entry.score(CHOOSING) if entry else None
        if entry is None or not isinstance(score, Estimate):
            return None
        return Outcome(score.value, entry.fingerprint, entry.cost.get("tokens"), entry.cost.get("seconds"))


def shortened(stage: Any, share: float) -> Any:
    """A stage that does a share of its training; its learning rate still falls to the end."""
    if share >= 1:
        return stage
    usual = stage.optimisation.duration
    duration = Duration(value=usual.value * share, unit=usual.unit)
    optimisation = stage.optimisation.model_copy(update={"duration": duration})
    return stage.model_copy(update={"optimisation": optimisation, "name": f"{stage.name} ({100 * share:g} %)"})


def _first_failure(result: Result) -> str:
    why = next((trial.outcome.why for trial in result.trials if trial.outcome.why), "")
    return f" (the first: {why.rstrip('.')})" if why else ""


def _owner(store: Store) -> str:
    """Who is searching, as others may see it: a store of a machine."""
    return hashlib.sha256(f"{socket.gethostname()}:{store.root}".encode()).hexdigest()[:16]


def _record(done: Searched, weights: Mapping[str, float] | None = None) -> None:
    """Write the trials down as plain JSON, for those who have no optuna; `weights`: the importance of each setting.

    Those beyond the budget, too: a study with a larger one finds them here.
    """
    problem, result = done.problem, done.result
    every = {"trials": (*result.trials, *result.beyond), "promoted": (*result.promoted, *result.promoted_beyond)}
    plain = {
        name: [one.to_json() for one in sorted(trials, key=lambda one: one.number)] for name, trials in every.items()
    }
    about = {"space": problem.space.to_json(), "lower_is_better": problem.lower_is_better, "share": problem.share}
    with storing(done.folder):
        done.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(
            done.folder / RECORD, {"cell": done.cell.title(), **about, **plain, "importance": dict(weights or {})}
        )


def _recorded(problem: Problem, folder: Path) -> Result:
    known = remembered(folder / RECORD)
    try:
        trials, promoted = ([Trial.from_json(one) for one in known.get(name, ())] for name in ("trials", "promoted"))
    except (TypeError, ValueError):  # damaged: the journal has them, too
        return Result(())
    return result_of(problem, trials, promoted)
