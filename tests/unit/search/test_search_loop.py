"""The loop of a search: its budget, repeated and failed trials, kills at every step, and storages that break."""

import math
import shutil
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from chartune.errors import ConfigError, RunError, StoreError
from chartune.search import extra
from chartune.search.choice import Sampler, Search
from chartune.search.importance import importance
from chartune.search.journal import Journal
from chartune.search.loop import FUTILE, Evaluate, Problem, Result, result_of, searched
from chartune.search.space import Settings, Space
from chartune.search.storages import FILE, Journals, journal_file
from chartune.search.trial import Outcome

SIX = Space.parse({"tokens": [5, 10], "blocks": [10, 20, 30]})
WIDE = Space.parse({
    "rank": [2, 4, 8, 16], "rate": {"low": 1e-5, "high": 1e-1, "log": True}, "targets": ["attention", "all"],
})  # fmt: skip


class Toy:
    """A score that falls towards rank 8 and a rate of 1e-3; counts how often it is asked."""

    def __init__(self, broken: Callable[[Settings], float | None] = lambda _: None) -> None:
        self.asked: list[tuple[Settings, float]] = []
        self.broken = broken

    def __call__(self, settings: Settings, share: float) -> Outcome:
        self.asked.append((settings, share))
        score = self.broken(settings)
        if score is None:
            score = sum(abs(math.log10(value) - 1) for value in settings.values() if not isinstance(value, str))
        return Outcome(score, f"run{sorted(settings.items())}{share}", tokens=round(1000 * share), seconds=60 * share)


def problem(space: Space = SIX, **search: Any) -> Problem:
    return Problem("p", space, Search.parse(search), lower_is_better=True)


def made(asked: Problem, evaluate: Evaluate, storage: Any = None) -> Result:
    return searched(asked, evaluate, storage or optuna.storages.InMemoryStorage())


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random", "grid"])
def test_a_search_ends_when_every_setting_has_been_tried_and_what_is_repeated_is_no_trial(sampler: Sampler) -> None:
    toy = Toy()
    result = made(problem(sampler=sampler, startup=5), toy, storage := optuna.storages.InMemoryStorage())
    assert result.ended == "all 6 settings of the space have been tried"
    assert len(toy.asked) == 6
    repeated = [trial for trial in result.trials if not trial.counts]
    assert [trial.outcome for trial in repeated] == [result.trials[t.same_as or 0].outcome for t in repeated]
    kept = optuna.load_study(study_name="p", storage=storage)  # the sampler is shown what is repeated
    assert [trial.value for trial in kept.trials] == [trial.score for trial in result.trials]


def test_a_search_ends_with_its_budget_of_trials_tokens_or_minutes() -> None:
    for budget, count in (({"trials": 4}, 4), ({"tokens": 2500}, 3), ({"minutes": 5}, 5)):
        toy = Toy()
        result = made(problem(WIDE, sampler="random", **budget), toy)
        assert len(toy.asked) == count, budget
        assert next(iter(budget)) in result.ended


def test_a_larger_budget_goes_on_where_a_smaller_one_ended() -> None:
    asked, storage = Toy(), optuna.storages.InMemoryStorage()
    made(problem(WIDE, sampler="random", trials=3), asked, storage)
    result = made(problem(WIDE, sampler="random", trials=5), asked, storage)
    at_once = made(problem(WIDE, sampler="random", trials=5), Toy())
    assert len(asked.asked) == 5
    assert result == at_once


class Rising(Toy):
    """Each trial is better than all before it, so that a search beyond its budget would choose another."""

    def __call__(self, settings: Settings, share: float) -> Outcome:
        return replace(super().__call__(settings, share), score=-float(len(self.asked)))


SMALLER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"trials": 5}, {"trials": 3}),
    ({"tokens": 4500}, {"tokens": 1500}),
    ({"minutes": 5}, {"minutes": 2, "trials": 4}),
    ({"trials": 6, "fidelity": {"promoted": 3}}, {"trials": 4, "fidelity": {"promoted": 2}}),
    ({"trials": 4, "fidelity": {"promoted": 4}}, {"trials": 4, "fidelity": {"promoted": 1}}),
]


@pytest.mark.parametrize(("larger", "smaller"), SMALLER)
def test_a_smaller_budget_asked_after_a_larger_one_chooses_among_its_own_trials_alone(
    larger: dict[str, Any], smaller: dict[str, Any]
) -> None:
    storage, toy, alone = optuna.storages.InMemoryStorage(), Rising(), problem(WIDE, sampler="random", **smaller)
    every = made(problem(WIDE, sampler="random", **larger), toy, storage)
    asked = len(toy.asked)
    afterwards, at_once = made(alone, toy, storage), made(alone, Rising())
    assert afterwards.ended == at_once.ended
    assert [trial.settings for trial in afterwards.trials] == [trial.settings for trial in at_once.trials]
    assert len(every.trials) == len(afterwards.trials) + len(afterwards.beyond)
    ours, theirs = (one.best(alone) for one in (afterwards, every))
    assert ours is not None
    assert theirs is not None
    assert ours != theirs
    if "fidelity" not in smaller:
        assert len(toy.asked) == asked
        assert afterwards.trials == at_once.trials
        assert ours == at_once.best(alone)
    else:  # the best of its own trials on a share of the training are the ones that it trains in full
        best = sorted(afterwards.trials, key=lambda trial: trial.score or 0)[: smaller["fidelity"]["promoted"]]
        assert {str(trial.settings) for trial in afterwards.promoted} == {str(trial.settings) for trial in best}


def test_a_trial_that_a_larger_budget_has_left_open_is_not_taken_up_by_a_smaller_one() -> None:
    storage, toy = optuna.storages.InMemoryStorage(), Toy()
    with pytest.raises(KillError):
        made(problem(WIDE, sampler="random", trials=5), Dying(toy, 4), storage)
    smaller = made(problem(WIDE, sampler="random", trials=3), toy, storage)
    assert (len(toy.asked), smaller.ended) == (4, "3 trials have been made")
    assert [trial.state for trial in smaller.beyond] == ["running"]
    larger = made(problem(WIDE, sampler="random", trials=5), toy, storage)
    assert (len(toy.asked), len(larger.trials)) == (6, 5)


def test_the_seed_and_the_number_of_a_trial_determine_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def by_chance(*, seed: int, n_startup_trials: int) -> optuna.samplers.BaseSampler:
        seeds.append(seed)  # which a Gaussian process on so smooth a score would not show
        return optuna.samplers.RandomSampler(seed=seed)

    monkeypatch.setattr(optuna.samplers, "GPSampler", by_chance)
    for search in ({"sampler": "random", "trials": 3}, {"sampler": "gp", "trials": 5, "startup": 3}):
        runs = [made(problem(WIDE, seed=seed, **search), Toy()) for seed in (0, 0, 1)]
        assert runs[0] == runs[1]
        assert {trial.number for trial in runs[0].trials if trial in runs[2].trials} == set()
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4


class KillError(BaseException):
    """Ends a search as SIGKILL does: nothing handles it."""


class Dying:
    """A step of a search that is done, or half done, when the process dies at its n-th call."""

    def __init__(self, step: Callable[..., Any], call: int) -> None:
        self.step, self.left = step, call

    def __call__(self, *arguments: Any) -> Any:
        self.left -= 1
        made = self.step(*arguments)
        if not self.left:
            raise KillError
        return made

    def __get__(self, journal: Any, _: Any) -> Any:
        return lambda *arguments: self(journal, *arguments)


@pytest.fixture(scope="module")
def whole() -> Result:
    return made(problem(WIDE, trials=4, startup=3), Toy())


@pytest.mark.parametrize(("step", "call"), [("begin", 1), ("begin", 4), ("keep", 4), ("evaluate", 4), ("end", 3)])
def test_a_search_that_was_killed_anywhere_goes_on_as_if_never_killed(
    step: str, call: int, whole: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, toy = problem(WIDE, trials=4, startup=3), Toy()
    with monkeypatch.context() as patch:
        if step != "evaluate":
            patch.setattr(Journal, step, Dying(getattr(Journal, step), call))
        with pytest.raises(KillError):
            made(asked, Dying(toy, call) if step == "evaluate" else toy, journal_file(tmp_path))
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"op_code": 4, "wor')  # what a kill leaves of a line
    (tmp_path / f"{FILE}.lock").touch()
    assert made(asked, Toy(), journal_file(tmp_path)) == whole


def test_a_failed_trial_is_kept_is_a_trial_and_is_not_tried_again() -> None:
    toy, storage = (
        Toy(lambda settings: math.nan if settings["blocks"] == 30 else None),
        optuna.storages.InMemoryStorage(),
    )
    result = made(problem(sampler="random", seed=1), lambda *asked: replace(toy(*asked), why="a reason"), storage)
    assert len(toy.asked) == 6
    every = [trial for trial in result.trials if trial.state == "failed"]
    failed = [trial for trial in every if trial.counts]
    assert {(trial.settings["blocks"], trial.outcome.why) for trial in every} == {(30, "a reason")}
    assert len(every) > len(failed) == 2  # proposed again, and answered as before
    kept = optuna.load_study(study_name="p", storage=storage)
    assert {kept.trials[trial.number].state.name for trial in failed} == {"FAIL"}
    best = result.best(problem(sampler="random"))
    assert best is not None
    assert best.settings == {"tokens": 10, "blocks": 10}


def test_where_every_trial_fails_nothing_is_chosen() -> None:
    asked = problem(sampler="grid")
    assert made(asked, Toy(lambda _: math.nan)).best(asked) is None


def test_the_best_on_a_share_of_the_training_are_trained_in_full_and_one_of_these_is_chosen() -> None:
    asked = problem(WIDE, sampler="random", trials=6, fidelity={"share": 0.2, "promoted": 2})
    toy = Toy()
    result = made(asked, toy)
    assert [share for _, share in toy.asked] == [0.2] * 6 + [1.0] * 2
    best_two = sorted(result.trials, key=lambda trial: trial.score or 0)[:2]
    assert [trial.settings for trial in result.promoted] == [trial.settings for trial in best_two]
    assert result.best(asked) == result.promoted[0]


def test_a_search_has_ended_once_all_that_are_promoted_are_trained_in_full_and_chooses_nothing_before() -> None:
    asked = problem(sampler="grid", trials=6, fidelity={"share": 0.2, "promoted": 2})
    whole = made(asked, Toy())
    assert whole.ended
    for trials, promoted in ((whole.trials, whole.promoted[:1]), (whole.trials[:3], ()), (whole.trials, ())):
        begun = result_of(asked, trials, promoted)
        assert (begun.ended, begun.best(asked)) == ("", None)
    assert result_of(asked, whole.trials, whole.promoted) == whole


def test_a_search_ends_where_nothing_but_what_was_tried_is_proposed() -> None:
    asked = problem(WIDE, sampler="random")
    first = made(problem(WIDE, sampler="random", trials=1), Toy()).trials[0]
    repeated = [replace(first, number=1 + n, same_as=0) for n in range(FUTILE)]
    assert result_of(asked, [first, *repeated[:-1]], ()).ended == ""
    assert result_of(asked, [first, *repeated], ()).ended == "only settings that had been tried were proposed"


def test_a_budget_of_tokens_leaves_enough_for_those_that_are_trained_in_full() -> None:
    toy = Toy()
    made(problem(WIDE, sampler="random", tokens=4000, fidelity={"share": 0.2, "promoted": 2}), toy)
    assert sum(1000 * share for _, share in toy.asked) == pytest.approx(4000)


def test_settings_that_are_one_run_are_one_trial() -> None:
    asked = problem(Space.parse({"a": [1, 2], "b": ["x", "y"]}), sampler="grid")
    result = made(asked, lambda settings, _: Outcome(float(settings["a"]), f"run{settings['a']}"))
    assert [trial.same_as for trial in result.trials] == [None, 0, None, 2]


def test_a_journal_is_private_and_a_second_look_changes_nothing(tmp_path: Path) -> None:
    made(problem(sampler="grid"), Toy(), journal_file(tmp_path / "s"))
    before = (tmp_path / "s" / FILE).read_bytes()
    toy = Toy()
    made(problem(sampler="grid"), toy, journal_file(tmp_path / "s"))
    assert (toy.asked, (tmp_path / "s" / FILE).read_bytes()) == ([], before)
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (tmp_path / "s", tmp_path / "s" / FILE)]
    assert modes == [0o700, 0o600]


class Dead(optuna.storages.InMemoryStorage):
    """A storage that goes away in the middle of a search."""

    left = 40

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.left -= 1
        if not self.left:
            raise optuna.exceptions.StorageInternalError("postgresql://user:secret@host/db went away")
        super().set_trial_user_attr(trial_id, key, value)


def test_a_storage_that_dies_in_the_middle_is_said_and_the_search_goes_on_when_it_is_back() -> None:
    storage, toy = Dead(), Toy()
    with pytest.raises(StoreError, match="give the same command again") as caught:
        searched(problem(WIDE, sampler="random"), toy, storage)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    back = searched(problem(WIDE, sampler="random"), toy, storage)
    assert back == searched(problem(WIDE, sampler="random"), Toy(), optuna.storages.InMemoryStorage())


@pytest.mark.parametrize("harm", ["lost", "lost with its folder", "cut off", "none of optuna's"])
def test_a_journal_that_is_lost_or_damaged_in_the_middle_is_said_with_the_remedy(
    harm: str, whole: Result, tmp_path: Path
) -> None:
    asked, toy, folder = problem(WIDE, trials=4, startup=3), Toy(), tmp_path / "search"
    file = folder / FILE

    def evaluate(settings: Settings, share: float) -> Outcome:
        if len(toy.asked) == 2:
            content = file.read_bytes()
            shutil.rmtree(folder) if harm.endswith("folder") else file.unlink()
            if not harm.startswith("lost"):
                file.write_bytes(content[:200] if harm == "cut off" else b"{{{\n" + content)
        return toy(settings, share)

    with pytest.raises(StoreError, match=r"journal\.log of the search, .* remove a damaged file, .* the same command"):
        made(asked, evaluate, journal_file(folder))
    if not harm.startswith("lost"):
        with pytest.raises(StoreError, match=r"search/journal\.log cannot be read or written \(JSONDecodeError\)"):
            made(asked, Toy(), journal_file(folder))
        file.unlink()
    assert made(asked, Toy(), journal_file(folder)) == whole


def test_a_lock_that_a_dead_process_has_left_in_the_middle_is_waited_for_and_removed(
    whole: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, waited = Toy(), [0.0]

    def evaluate(settings: Settings, share: float) -> Outcome:
        if len(toy.asked) == 2:
            (tmp_path / f"{FILE}.lock").touch()
        return toy(settings, share)

    storage = journal_file(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: sum(waited))
    monkeypatch.setattr(time, "sleep", waited.append)
    assert made(problem(WIDE, trials=4, startup=3), evaluate, storage) == whole
    assert sum(waited) > 30


def test_what_is_wrong_with_the_machine_leaves_the_trial_open() -> None:
    storage = optuna.storages.InMemoryStorage()

    def full(settings: Settings, share: float) -> Outcome:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        made(problem(sampler="grid"), full, storage)
    result = made(problem(sampler="grid"), Toy(), storage)
    assert [trial.number for trial in result.trials] == list(range(6))


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "sqlite:///secret.db", "secret"])
def test_an_address_that_is_none_of_postgresql_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://user@host/database") as caught:
        Journals(url)
    assert "secret" not in str(caught.value)


def test_a_password_is_shown_neither_by_the_object_nor_by_its_error(tmp_path: Path) -> None:
    journals = Journals("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in repr(journals)
    with pytest.raises((StoreError, ConfigError)) as caught, journals.opened(tmp_path):
        raise AssertionError("nobody listens there; or the driver is not installed")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_without_optuna_a_search_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("optuna", "sqlalchemy", "sqlalchemy.exc"):  # the second comes with the first
        monkeypatch.setitem(sys.modules, package, None)
    extra.optuna.cache_clear()
    with pytest.raises(ConfigError, match=r"optuna, which is not installed; run `pip install 'chartune\[search\]'`\."):
        journal_file(tmp_path)
    extra.optuna.cache_clear()


def test_the_setting_that_decides_is_the_important_one() -> None:
    def by_rate(settings: Settings, share: float) -> Outcome:
        return Outcome(abs(math.log10(settings["rate"]) + 3), repr(settings))

    result = made(problem(WIDE, sampler="random", trials=12), by_rate)
    known = importance(WIDE, result.trials, lower_is_better=True)
    assert max(known, key=lambda path: known[path]) == "rate"
    assert importance(WIDE, result.trials[:7], lower_is_better=True) == {}


def test_an_error_of_the_evaluation_is_not_taken_for_one_of_the_storage() -> None:
    def failing(settings: Settings, share: float) -> Outcome:
        raise RunError("unforeseen")

    with pytest.raises(RunError, match="unforeseen"):
        made(problem(sampler="grid"), failing)
