"""Trials in PostgreSQL: a cluster of this machine, started for these tests, with a password that nobody may see."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import StoreError
from chartune.search import journal, storages
from chartune.search.choice import Search
from chartune.search.loop import Evaluate, Problem, Result, searched
from chartune.search.space import Settings, Space, key_of
from chartune.search.storages import Journals
from chartune.search.trial import Outcome

pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = pytest.mark.skipif(BIN is None, reason="PostgreSQL is not installed")
SPACE = Space.parse({"rank": [2, 4, 8, 16], "targets": ["attention", "all"]})
PASSWORD = "kept-to-myself"


class Cluster:
    """A cluster of PostgreSQL in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://searcher:{PASSWORD}@localhost:{54_000 + os.getpid() % 9_000}/postgres"
        self.port = self.url.rpartition(":")[2].partition("/")[0]

    def run(self, program: str, *words: str) -> None:
        """A program of PostgreSQL, which none of them lets root do."""
        as_other = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*as_other, str(BIN and BIN / program), *words]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60)

    def start(self) -> None:
        """Start it, on this machine alone, with its socket in its folder; nothing of it is worth a sync."""
        given = f"-p {self.port} -k {self.folder} -c listen_addresses=localhost -c fsync=off"
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-o", given, "-l", f"{self.folder}/log", "start")

    def stop(self) -> None:
        """End it at once."""
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="chartune-pg-"))  # not below pytest's, which only root may enter
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        for place in (folder, secret):
            shutil.chown(place, "postgres")
    made = Cluster(folder)
    made.run("initdb", "-D", f"{folder}/data", "-U", "searcher", "--auth=scram-sha-256", f"--pwfile={secret}", "-N")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


def scored(settings: Settings, share: float) -> Outcome:
    return Outcome(abs(settings["rank"] - 8) + (settings["targets"] == "all"), repr(settings), 100, 1.0)


def found(asked: Problem, journals: Journals, folder: Path, evaluate: Evaluate = scored, owner: str = "me") -> Result:
    with journals.opened(folder) as storage:
        return searched(asked, evaluate, storage, owner)


def test_a_search_in_a_database_is_that_of_a_file_and_its_password_is_nowhere(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    asked = Problem("smoke", SPACE, Search(trials=2, sampler="random"), lower_is_better=True)
    assert found(asked, Journals(cluster.url), tmp_path / "database") == found(asked, Journals(), tmp_path / "file")
    printed = capfd.readouterr()
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert PASSWORD not in printed.out + printed.err + caplog.text
    assert PASSWORD.encode() not in written


@pytest.mark.slow
def test_a_database_that_dies_in_the_middle_is_said_and_the_search_goes_on_when_it_is_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    asked = Problem("dies", SPACE, Search(trials=5, sampler="random"), lower_is_better=True)
    calls = 0

    def dying(settings: Settings, share: float) -> Outcome:
        nonlocal calls
        calls += 1
        if calls == 3:
            cluster.stop()
        return scored(settings, share)

    with pytest.raises(StoreError, match="the same command again") as caught:
        found(asked, Journals(cluster.url), tmp_path, dying)
    assert PASSWORD not in str(caught.value)
    cluster.start()
    assert found(asked, Journals(cluster.url), tmp_path) == found(asked, Journals(), tmp_path / "file")


@pytest.mark.slow
def test_a_trial_whose_process_is_dead_is_done_by_another(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (journal, storages):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storages, "STALE_SECONDS", 2)
    asked = Problem("stale", SPACE, Search(trials=1, sampler="random"), lower_is_better=True)
    begun: list[Any] = []

    def dies(settings: Settings, share: float) -> Outcome:
        begun.append(settings)
        time.sleep(0.5)  # its heart has beaten once
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(asked, Journals(cluster.url), tmp_path, dies, "one machine")
    time.sleep(4)
    result = found(asked, Journals(cluster.url), tmp_path, scored, "another")
    assert result.ended == "1 trial has been made"
    assert [(trial.settings, trial.state) for trial in result.trials] == [(begun[0], "complete")]


@pytest.mark.slow
def test_two_machines_share_the_trials_of_one_search(cluster: Cluster, tmp_path: Path) -> None:
    asked = Problem("shared", SPACE, Search(trials=6, sampler="gp", startup=3), lower_is_better=True)
    done: dict[str, list[Settings]] = {"one": [], "another": []}

    def machine(owner: str) -> Result:
        def evaluate(settings: Settings, share: float) -> Outcome:
            done[owner].append(settings)
            time.sleep(1)
            return scored(settings, share)

        return found(asked, Journals(cluster.url), tmp_path / owner, evaluate, owner)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(machine, done))
    result = found(asked, Journals(cluster.url), tmp_path, scored, "a third")
    assert result.ended == "6 trials have been made"
    tried = [key_of(settings) for owner in done for settings in done[owner]]
    assert len(tried) == len(set(tried)) == 6  # nothing twice, although both propose at once
    assert all(done.values())


def test_a_lock_that_a_stopped_process_holds_is_waited_for_but_not_for_ever(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storages, "LOCK_SECONDS", 1)
    asked = Problem("held", SPACE, Search(trials=1, sampler="random"), lower_is_better=True)
    journals = Journals(cluster.url)
    too_late = pytest.raises(StoreError, match="has been at it for 1 seconds, as one that was stopped")
    with journals.opened(tmp_path) as storage, storages.locked(storage, "held"), too_late as caught:
        found(asked, journals, tmp_path)
    assert PASSWORD not in str(caught.value)
    assert found(asked, journals, tmp_path).ended == "1 trial has been made"


@pytest.mark.slow
def test_a_trial_of_a_process_that_only_slept_is_recorded_all_the_same(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (journal, storages):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storages, "STALE_SECONDS", 2)
    asked = Problem("slept", SPACE, Search(trials=1, sampler="random"), lower_is_better=True)
    calls: list[Settings] = []

    def sleeping(settings: Settings, share: float) -> Outcome:
        calls.append(settings)
        time.sleep(1)  # its heart has beaten once
        trial = journal.Journal(storage, "slept", SPACE, "me", lower_is_better=True)._id(0)
        with storage.engine.begin() as connection:  # as after a night without a heartbeat
            connection.exec_driver_sql(
                f"UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 day' WHERE trial_id = {trial}"
            )
        with Journals(cluster.url).opened(tmp_path) as other:
            its = journal.Journal(other, "slept", SPACE, "another", lower_is_better=True)
            with its.alone():
                assert [trial.number for trial in its.abandoned()] == [0]
        return scored(settings, share)

    with Journals(cluster.url).opened(tmp_path) as storage:
        monkeypatch.setattr(journal.Journal, "_beat", lambda self, trial, _: storage.record_heartbeat(trial))
        result = searched(asked, sleeping, storage, "me")
    assert [(trial.number, trial.settings, trial.state) for trial in result.trials] == [(1, calls[0], "complete")]
    assert len(calls) == 1
