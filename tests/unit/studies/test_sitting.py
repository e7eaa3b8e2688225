"""Cells done several at once: each after all that it waits for, none twice, and a death is the failure of its cell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import RunError, StoreError
from chartune.runner import run
from chartune.runs.run import Run
from chartune.search.storages import Journals
from chartune.store import Store
from chartune.studies.attempt import attempted
from chartune.studies.conduct import Conducted, Means, conduct
from chartune.studies.job import read_job, survey_of
from chartune.studies.order import all_before, waits_of
from chartune.studies.parents import family_of
from chartune.studies.sitting import Crew, Ended
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts

WORDS = ("one", "two", "three")
DIED = "its worker has ended with signal 9"


class Backwards:
    """A crew without processes: of the cells under way it always ends the one that was begun last."""

    def __init__(self, job: Path, size: int, deadly: frozenset[int]) -> None:
        self.asked = survey_of(read_job(job))
        self.size, self.deadly = size, deadly
        self.begun: list[int] = []
        self.log: list[str] = []

    def begin(self, number: int) -> None:
        assert len(self.begun) < self.size
        self.begun.append(number)
        self.log.append(f"begin {number}")

    def ended(self, seconds: float) -> Ended | None:
        number = self.begun.pop()
        self.log.append(f"end {number}")
        if number in self.deadly:
            return Ended(number, "failed", DIED, died=True)
        standing = attempted(self.asked, number, waits_of(self.asked.family), Journals())
        return Ended(number, standing.state, standing.why)


class Crews:
    """Makes crews, and remembers the last one."""

    def __init__(self, size: int = 2, deadly: tuple[int, ...] = ()) -> None:
        self.size, self.deadly = size, frozenset(deadly)
        self.last: Backwards | None = None

    @contextmanager
    def __call__(self, job: Path) -> Iterator[Crew]:
        self.last = Backwards(job, self.size, self.deadly)
        yield self.last

    @property
    def log(self) -> list[str]:
        return self.last.log if self.last else []


@pytest.fixture
def asked(tmp_path: Path) -> Study:
    """Cells 0 to 2 fit words; 3 averages the first two."""
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    stages: dict[str, Any] = {name: {"kind": "tfidf", "least_documents": n} for n, name in enumerate(WORDS, 1)}
    members = [{"from": "one"}, {"from": "two"}]
    stages["both"] = {"kind": "ensemble", "task": "mortality", "members": members}
    return Study.parse({"title": "t", "data": data, "stages": stages})


def by(asked: Study, store: Store, crews: Crews, *, retry: bool = False) -> Conducted:
    return conduct(asked, store.open(), means=Means(crews, crews.size, retry_failed=retry))


def names(done: Conducted) -> list[str]:
    return [run.name for run in done.runs]


def test_a_cell_begins_when_all_that_it_waits_for_have_ended(asked: Study, tmp_path: Path, store: Store) -> None:
    crews = Crews()
    done = by(asked, store, crews)
    assert crews.log == [
        "begin 0", "begin 1", "end 1", "begin 2", "end 2", "end 0", "begin 3", "end 3",
    ]  # fmt: skip
    assert names(done) == [*WORDS, "both"]
    alone = conduct(asked, Store(tmp_path / "alone").open())
    assert [run.fingerprint for run in done.runs] == [run.fingerprint for run in alone.runs]
    assert [run.scores for run in done.runs] == [run.scores for run in alone.runs]
    by(asked, store, crews)
    assert crews.log == []  # all of them are found


def test_a_death_is_the_failure_of_its_cell_and_the_others_go_on(asked: Study, store: Store) -> None:
    done = by(asked, store, Crews(deadly=(1,)))
    assert names(done) == ["one", "three"]
    assert [(gap.cell, gap.why) for gap in done.gaps] == [
        ("two", DIED), ("both", "it depends on `two`, which has no run"),
    ]  # fmt: skip
    standing = survey(family_of(asked)[0], store, {}).standings[1]
    assert (standing.state, standing.why) == ("failed", DIED)


def test_a_failed_cell_is_tried_again_on_request_only(asked: Study, store: Store) -> None:
    by(asked, store, Crews(deadly=(1,)))
    crews = Crews()
    again = by(asked, store, crews)
    assert crews.log == []
    assert again.gaps[0].why == DIED
    assert names(conduct(asked, store)) == ["one", "three"]  # nor without a crew
    assert names(by(asked, store, crews, retry=True)) == [*WORDS, "both"]
    assert crews.log == ["begin 1", "end 1", "begin 3", "end 3"]


def test_what_is_wrong_with_the_machine_is_not_held_against_a_cell(
    asked: Study, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stage: Any, store: Store) -> Run:
        raise StoreError("the store must have room, but has none")

    with monkeypatch.context() as change:
        change.setattr("chartune.studies.attempt.run", full)
        done = conduct(asked, store.open())
    assert done.gaps[0].why == "the store must have room, but has none"
    assert names(conduct(asked, store)) == [*WORDS, "both"]


def test_a_cell_that_another_process_is_at_is_looked_at_again_after_the_others(
    asked: Study, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.studies.sitting.AGAIN_SECONDS", 0.0)
    conduct(asked, store.open())
    family = family_of(asked)[0]
    first = survey(family, store, {}).standings[0].identity
    assert first is not None
    for name in (standing.identity for standing in survey(family, store, {}).standings.values()):
        assert name is not None
        (store.root / "runs" / name.fingerprint).rename(store.root / f"away-{name.fingerprint}")
    trained: list[str] = []
    lease = store.lease("runs", first.fingerprint)

    def counted(stage: Any, store: Store) -> Run:
        trained.append(stage.name)
        if len(trained) == 2:  # meanwhile the other process has done it
            (store.root / f"away-{first.fingerprint}").rename(store.root / "runs" / first.fingerprint)
            lease.__exit__(None, None, None)
        return run(stage, store)

    monkeypatch.setattr("chartune.studies.attempt.run", counted)
    lease.__enter__()
    crews = Crews(size=1)
    assert names(by(asked, store, crews)) == [*WORDS, "both"]
    assert trained == ["two", "three", "both"]
    assert crews.log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_an_error_is_no_death_and_is_kept(asked: Study, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(stage: Any, store: Store) -> Run:
        if stage.name == "three":
            raise RunError("a fit must end, but has not")
        return run(stage, store)

    monkeypatch.setattr("chartune.studies.attempt.run", failing)
    done = by(asked, store, Crews())
    assert [(gap.cell, gap.why) for gap in done.gaps] == [("three", "a fit must end, but has not")]
    monkeypatch.undo()
    assert [gap.cell for gap in by(asked, store, Crews()).gaps] == ["three"]


def test_a_cell_waits_for_its_parents_its_lender_and_who_conducts_its_search(tmp_path: Path) -> None:
    grid, rate = {"seed": [0, 1]}, "optimisation.learning_rate"
    lora = {"kind": "finetune", "task": "mortality", "backbone": {"name": "small-llama"}}
    stages: dict[str, Any] = {
        "below": {"kind": "pretrain", "grid": grid, "backbone": {"name": "small-llama"}},
        "lora": {**lora, "grid": grid, "space": {rate: [1e-3, 1e-2]}},
        "other": {**lora, "grid": {"seed": [2]}, "settings_of": "lora"},
        "above": {**lora, "grid": grid, "stack": {"layers": [
            {"kind": "frozen", "adapter": {"from": "below"}}, {"kind": "fresh"}]}},
    }  # fmt: skip
    data = {"source": {"kind": "mimic3", "folder": "raw"}}
    family = family_of(Study.parse({"title": "t", "data": data, "stages": stages}))[0]
    waits = waits_of(family)
    titles = {cell.title(): number for number, cell in family.cells.items()}
    assert waits[titles["lora (seed=0)"]] == set()
    assert waits[titles["lora (seed=1)"]] == {titles["lora (seed=0)"]}
    assert waits[titles["other (seed=2)"]] == {titles["lora (seed=0)"]}
    assert waits[titles["above (seed=1)"]] == {titles["below (seed=1)"]}
    assert all_before(titles["other (seed=2)"], waits) == [titles["lora (seed=0)"]]
