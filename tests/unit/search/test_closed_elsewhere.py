"""Trials that somebody else has closed, searches that are gone, and journals that hold what is none of a search."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from chartune.errors import StoreError
from chartune.search.choice import Search
from chartune.search.journal import OUTCOME, Journal
from chartune.search.loop import Problem, Result, searched
from chartune.search.space import Settings, Space
from chartune.search.storages import FILE, journal_file
from chartune.search.trial import Outcome, Trial

SPACE = Space.parse({"rank": [2, 4, 8, 16], "targets": ["attention", "all"]})
ASKED = Problem("p", SPACE, Search(trials=4, sampler="random", seed=1), lower_is_better=True)
State = optuna.trial.TrialState


class Score:
    """A score by rank; does something else at its second call."""

    def __init__(self, meanwhile: Callable[[Settings], object] = lambda _: None) -> None:
        self.meanwhile, self.asked = meanwhile, list[Settings]()

    def __call__(self, settings: Settings, share: float) -> Outcome:
        self.asked.append(settings)
        if len(self.asked) == 2:
            self.meanwhile(settings)
        return Outcome(abs(settings["rank"] - 8.0), repr(settings), 100, 1.0)


def made(storage: Any, evaluate: Score) -> Result:
    return searched(ASKED, evaluate, storage, "me")


def closed(storage: Any, state: State) -> None:
    """Close the trial that runs, as a process does that takes this one for dead, or a person at the dashboard."""
    trial = storage.get_all_trials(storage.get_study_id_from_name("p"))[-1]
    storage.set_trial_state_values(trial._trial_id, state, [0.0] if state == State.COMPLETE else None)


@pytest.mark.parametrize("state", [State.FAIL, State.COMPLETE, State.PRUNED])
def test_a_trial_that_was_closed_meanwhile_is_recorded_again_with_its_own_outcome_and_not_evaluated_twice(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = optuna.storages.InMemoryStorage()
    score = Score(lambda _: closed(storage, state))
    result, alone = made(storage, score), made(optuna.storages.InMemoryStorage(), Score())
    assert result.ended == "4 trials have been made"
    assert len(score.asked) == 4
    second = next(trial for trial in result.trials if trial.settings == score.asked[1])
    assert (second.number, second.outcome) == (2, alone.trials[1].outcome)
    assert made(storage, Score()) == result


def test_what_somebody_else_has_begun_anew_is_left_to_them() -> None:
    storage = optuna.storages.InMemoryStorage()

    def taken_up(settings: Settings) -> None:
        closed(storage, State.FAIL)
        other = Journal(storage, "p", SPACE, "another", lower_is_better=True)
        other.keep(other.begin(), settings)

    score = Score(taken_up)
    result = made(storage, score)
    same = [trial for trial in result.trials if trial.settings == score.asked[1]]
    assert [(trial.number, trial.state) for trial in same] == [(2, "running")]


def test_a_trial_that_was_closed_while_its_outcome_was_written_is_given_up_and_no_failure() -> None:
    storage = optuna.storages.InMemoryStorage()
    made(storage, Score())
    journal = Journal(storage, "p", SPACE, "me", lower_is_better=True)
    storage.set_trial_user_attr(journal._id(journal.begin()), OUTCOME, vars(Outcome(1.0)))
    journal.keep(4, {"rank": 2, "targets": "all"})
    storage.set_trial_state_values(journal._id(4), State.FAIL)
    assert [trial.number for trial in journal.abandoned()] == [4]
    assert 4 not in {trial.number for trial in journal.trials()}


def test_a_search_that_somebody_deletes_in_the_middle_is_an_error_that_says_how_to_go_on() -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(StoreError, match="the same command again"):
        made(storage, Score(lambda _: storage.delete_study(storage.get_study_id_from_name("p"))))
    assert made(storage, Score()).trials == made(optuna.storages.InMemoryStorage(), Score()).trials


class Away(optuna.storages.InMemoryStorage):
    """A storage that keeps heartbeats, and is away when one is to begin."""

    heartbeat_interval = 30

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        raise optuna.exceptions.StorageInternalError("postgresql://user:secret@host/db is away")


def test_a_storage_that_is_away_when_a_heart_begins_to_beat_is_an_error_of_the_storage() -> None:
    journal = Journal(Away(), "p", SPACE, "me", lower_is_better=True)
    with pytest.raises(StoreError, match="the same command again") as caught, journal.beating(journal.begin()):
        raise AssertionError("no trial is evaluated whose process would be taken for dead")
    assert "secret" not in str(caught.value)


def without(word: bytes) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(line for line in content.splitlines(keepends=True) if word not in line)


@pytest.mark.parametrize(
    "harm",
    [lambda _: b"[1, 2]\n", lambda _: b"5\n", lambda _: b'{"a": 1}\n', lambda _: b'{"op_code": 99}\n',
     lambda content: b"\0\n" + content, without(b'"settings"'), lambda content: content.replace(b'"rank"', b'"rnk"'),
     lambda content: content.replace(b'"all"', b'"none"').replace(b'"attention"', b'"none"'),
     lambda content: content.replace(b'"score":', b'"score":"x","other":')],
)  # fmt: skip
def test_a_journal_of_something_else_is_refused_with_the_remedy(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    whole = made(journal_file(tmp_path), Score())
    file = tmp_path / FILE
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(StoreError, match=r"remove a damaged file, .* the same command"):
        made(journal_file(tmp_path), Score())
    file.unlink()
    assert made(journal_file(tmp_path), Score()) == whole


def test_what_a_later_version_has_written_of_a_trial_besides_is_left_out(tmp_path: Path) -> None:
    whole = made(journal_file(tmp_path), Score())
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes().replace(b'"score":', b'"later":1,"score":'))
    assert made(journal_file(tmp_path), Score()) == whole
    plain = whole.trials[0].to_json()
    assert Trial.from_json(json.loads(json.dumps({**plain, "later": 1}))) == whole.trials[0]
    with pytest.raises(ValueError, match="settings"):
        Trial.from_json({"number": 1, "point": {}})
