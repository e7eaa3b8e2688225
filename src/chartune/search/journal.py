"""Journal: the trials of one search, so that a killed one goes on and optuna-dashboard can look at it.

A trial is written as it begins, with its point, and closed with its outcome. What a kill leaves open is taken up again:
of a file at once, of a database when it is this store's own, or when its heartbeat has stopped. One that somebody else
has closed without an outcome, such as another process, or a person at the dashboard, is given up: it counts nothing.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chartune.search.extra import experimental, optuna
from chartune.search.proposal import coded, distributions
from chartune.search.space import Point, Space
from chartune.search.storages import HEARTBEAT_SECONDS, broken, locked, reaching
from chartune.search.trial import Trial

POINT, SETTINGS, OUTCOME, SAME_AS, OWNER = "point", "settings", "outcome", "same_as", "owner"


class Journal:
    """The trials of one search."""

    def __init__(self, storage: Any, name: str, space: Space, owner: str, *, lower_is_better: bool) -> None:
        """Open it, or begin it. Everything here raises StoreError where the storage cannot be reached.

        Args:
            storage: of optuna.
            name: of the search; the same in every process.
            space: what is searched.
            owner: who is writing; what an owner has left open is its own to take up.
            lower_is_better: whether low scores are.
        """
        library = optuna()
        self.space, self.owner, self._storage, self._name = space, owner, storage, name
        direction = library.study.StudyDirection.MINIMIZE if lower_is_better else library.study.StudyDirection.MAXIMIZE
        with reaching():
            try:
                self._study = storage.get_study_id_from_name(name)
            except KeyError:
                with contextlib.suppress(library.exceptions.DuplicatedStudyError):  # another process was faster
                    storage.create_new_study([direction], name)
                self._study = storage.get_study_id_from_name(name)

    def trials(self) -> list[Trial]:
        """All that have a point and are not abandoned, by number."""
        return self._read(abandoned=False)

    def abandoned(self) -> list[Trial]:
        """Trials whose process has died, or that were closed otherwise; their settings are still to be tried."""
        return self._read(abandoned=True)

    def left_open(self) -> tuple[int, Point | None] | None:
        """The number of a trial that this owner has begun and not ended, and its point if it has one; None: none."""
        for frozen in self._frozen():
            if frozen.state.name == "RUNNING" and frozen.user_attrs.get(OWNER, self.owner) == self.owner:
                return frozen.number, frozen.user_attrs.get(POINT)
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While a point is proposed: the only one of all processes of a database, so that no two propose the same.

        Trials of others whose heartbeat has stopped are given up first.
        """
        with locked(self._storage, self._name):
            if self._beats:
                with reaching(), experimental():
                    study = optuna().load_study(study_name=self._name, storage=self._storage)
                    optuna().storages.fail_stale_trials(study)
            yield

    def begin(self) -> int:
        """The number of a new trial."""
        with reaching():
            trial = self._storage.create_new_trial(self._study)
            self._storage.set_trial_user_attr(trial, OWNER, self.owner)
            return int(self._storage.get_trial_number_from_id(trial))

    def keep(self, number: int, point: Point) -> None:
        """Write down the point of a trial that has begun; done again after a kill, it changes nothing."""
        with reaching():
            trial, ways = self._id(number), distributions(self.space)
            self._storage.set_trial_user_attr(trial, SETTINGS, self.space.settings(point))
            for path, value in coded(self.space, point).items():
                self._storage.set_trial_param(trial, path, ways[path].to_internal_repr(value), ways[path])
            self._storage.set_trial_user_attr(trial, POINT, dict(point))

    def end(self, trial: Trial) -> bool:
        """Close a trial with its outcome. Returns whether it was open: else somebody has closed it meanwhile."""
        states = optuna().trial.TrialState
        outcome = replace(trial.outcome, score=None) if trial.outcome.failed else trial.outcome
        values = None if outcome.failed else [outcome.score]
        with reaching(), contextlib.suppress(optuna().exceptions.UpdateFinishedTrialError):
            known = self._id(trial.number)
            self._storage.set_trial_user_attr(known, SAME_AS, trial.same_as)
            self._storage.set_trial_user_attr(known, OUTCOME, vars(outcome))
            self._storage.set_trial_state_values(known, states.COMPLETE if values else states.FAIL, values)
            return True
        return False

    @contextmanager
    def beating(self, number: int) -> Iterator[None]:
        """While a trial is evaluated: show that this process lives, where the storage keeps heartbeats."""
        if not self._beats:
            yield
            return
        with reaching():
            done, trial = threading.Event(), self._id(number)
        beat = threading.Thread(target=self._beat, args=(trial, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()

    def _beat(self, trial: int, done: threading.Event) -> None:
        while True:
            with contextlib.suppress(*broken()):  # the database may be away for a moment
                self._storage.record_heartbeat(trial)
            self._storage.remove_session()
            if done.wait(HEARTBEAT_SECONDS):
                return

    @property
    def _beats(self) -> bool:
        """Whether the storage keeps heartbeats."""
        return getattr(self._storage, "heartbeat_interval", None) is not None

    def _frozen(self) -> list[Any]:
        with reaching():
            frozen: list[Any] = self._storage.get_all_trials(self._study, deepcopy=False)
        return sorted(frozen, key=lambda trial: trial.number)

    def _read(self, *, abandoned: bool) -> list[Trial]:
        """Those that are abandoned, or that are not, as far as they have a point."""
        every = [frozen for frozen in self._frozen() if POINT in frozen.user_attrs]
        with reaching():
            return [_trial(frozen, self.space) for frozen in every if _abandoned(frozen) == abandoned]

    def _id(self, number: int) -> int:
        known: int = self._storage.get_trial_id_from_study_id_trial_number(self._study, number)
        return known


def _abandoned(frozen: Any) -> bool:
    """Whether a trial was closed by somebody who has no outcome of it; a failed one with a score was closed between."""
    outcome, state = frozen.user_attrs.get(OUTCOME), frozen.state.name
    if not frozen.state.is_finished() or (state == "COMPLETE" and outcome):
        return False
    return state != "FAIL" or not outcome or outcome["score"] is not None


def _trial(frozen: Any, space: Space) -> Trial:
    """As chartune sees it. Raises ValueError, KeyError: it is none of this space, or was damaged."""
    known = frozen.user_attrs
    coded(space, known[POINT])  # or it has values that the space has not
    state = {"COMPLETE": "complete", "FAIL": "failed"}.get(frozen.state.name, "running")
    closed = {"outcome": known[OUTCOME]} if OUTCOME in known and state != "running" else {}
    return Trial.from_json({
        "number": frozen.number, "point": known[POINT], "settings": known[SETTINGS], "state": state,
        "same_as": known.get(SAME_AS), **closed,
    })  # fmt: skip
