"""Stage → Run: the frame around every stage, from the fingerprint to the signed folder.

    stage ─fingerprint─▶ there already? ─▶ Run
                       └▶ lease ▶ partial folder (checkpoints, events) ▶ work ▶ sign ▶ Run

A stage that is killed leaves its partial folder; the same command takes it up from the newest checkpoint.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from chartune.allocator import give_back
from chartune.config import Config, Unhashed
from chartune.disclosure import is_made_up
from chartune.log import say, unseen
from chartune.models.memory import within_memory
from chartune.models.numerics import Resolved
from chartune.names import Name
from chartune.quantities import Cost, Estimate
from chartune.report.followed import Released, released_events
from chartune.runs.begun import attempted
from chartune.runs.efficiency import EFFICIENCY, Efficiency
from chartune.runs.ledger import free_name, only_bearer, rename
from chartune.runs.locks import locked
from chartune.runs.record import RUN, RunRecord
from chartune.runs.run import Run
from chartune.stages.account import write_account
from chartune.stages.facts import PACKAGES, environment
from chartune.stages.identity import identified
from chartune.stages.table import SCORED
from chartune.store import Artefact, Store, storing, write_json
from chartune.tasks.dataset import Dataset, read_dataset
from chartune.tasks.prepare import AnyPreparation
from chartune.tasks.switches import switches
from chartune.train.checkpoint import State
from chartune.train.energy import Energy
from chartune.train.meter import PeakMemory, device_name
from chartune.train.processes import must_be_first, take_part

RUNS: Final = "runs"
CHECKPOINTS: Final = "checkpoints"
SPENT: Final = ".spent"
Planned = Callable[[], Mapping[str, Any]] | None
"""Gives `planned` of run.json: seconds, peak_bytes, trainable_parameters; micro_batch_tokens if memory allows less."""


class Stage(Config):
    """What all stages have in common."""

    name: Annotated[Name | None, Unhashed()] = None
    """What a person calls it; None: made from what it does."""
    data: Annotated[AnyPreparation, Unhashed()]
    """What it is made from; the fingerprint takes the hash of the prepared data instead."""
    seed: int = Field(0, ge=0)
    """Order of examples, fresh weights and dropout are drawn from it."""

    def idle(self) -> Mapping[str, str]:
        """Fields that change nothing of its run as the others stand: path → why, and what to vary instead."""
        return {}

    def followed(self, fingerprint: str, about: RunRecord, released: Released) -> AbstractContextManager[None]:
        """Whoever else gets the events of its run meanwhile: nobody, unless a stage has trackers.

        Args:
            fingerprint: of the run.
            about: what is known of it.
            released: what may be shown of its events.

        Raises:
            ConfigError: a tracker cannot be had.
        """
        return nullcontext()

    @field_validator("data", mode="before")
    @classmethod
    def _as_they_were_prepared(cls, data: Any) -> Any:
        return read_dataset(data).config if isinstance(data, Artefact) else data


class LearningStage(Stage):
    """A stage that learns from the training split and is chosen by the validation split."""

    scores_test: bool = True
    """Whether the test split is scored, too; False: only the validation split, as of a study's cells that are not
    final."""

    def hashable(self) -> dict[str, Any]:
        """As of every config; a stage that scores the test split, as most do, is named as before there was a choice."""
        fields = super().hashable()
        return {name: value for name, value in fields.items() if name != "scores_test" or not self.scores_test}

    @property
    def scored(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return SCORED if self.scores_test else SCORED[:1]


@dataclass
class Work:
    """What a stage needs while it works."""

    store: Store
    folder: Path
    """The partial folder; its `checkpoints` are removed before signing."""
    fingerprint: str
    """Name of the run to be."""
    most_tokens: int | None = None
    """Padded tokens that memory allows a micro-batch, as was planned; None: as many as the rule says."""

    @property
    def checkpoints(self) -> Path:
        """Where the loop keeps its checkpoints."""
        return self.folder / CHECKPOINTS


@dataclass
class Outcome:
    """What a stage has to say when its work is done."""

    scores: dict[str, dict[str, Estimate]]
    """By split and metric."""
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    tokens: int | None = None
    """Training tokens, padding excluded."""
    state: State = field(default_factory=State)
    """How training ended."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Further entries of run.json."""
    efficiency: Efficiency | None = None
    """What was measured besides; None: nothing."""


Tested = Callable[[Run, Work], Outcome] | None
"""Takes over the weights of a run that has scored the validation split alone, and scores the test split."""


def perform(
    stage: Stage, store: Store, data: Artefact, *, kind: str, revision: int, name: str, parts: Mapping[str, Any],
    facts: Mapping[str, Any], resolved: Resolved | None, work: Callable[[Work], Outcome],
    planned: Planned = None, tested: Tested = None,
) -> Run:  # fmt: skip
    """Do a stage, or find it done.

    Args:
        stage: its config.
        store: where the run goes.
        data: the prepared data that it stands on.
        kind: `pretrain`, `finetune`, `tfidf`.
        revision: raised when a bug fix changes what such a run holds.
        name: what to call it.
        parts: hashes of further inputs and resolved numerics, for the fingerprint.
        facts: entries of run.json known beforehand.
        resolved: the numerics in force; None where no model is involved.
        work: does it, in the partial folder.
        planned: states what was expected of it, to stand beside what is measured; asked only when there is work to do.
        tested: scores the test split with the weights of the same stage's run that has left it out, where there is
            one; None: such a run is trained again.

    Raises:
        StoreError: another process is at it, or the store cannot be written.
        ConfigError: several processes were launched for a stage that one does.
    """
    must_be_first(kind)
    identity = identified(stage, data.fingerprint, kind=kind, revision=revision, parts=parts).fingerprint
    same = _validated(stage, store, data, kind, revision, parts)
    own = (identity, same.fingerprint) if same else (identity,)
    if stage.name is not None:
        name = free_name(store, stage.name, task=facts.get("task"), seed=stage.seed, own=own)
    known = {"kind": kind, "name": name, "data": data.fingerprint, **facts, "seed": stage.seed}
    take_part(lambda folder: work(Work(store, folder, identity)))
    done = store.find(RUNS, identity)
    if not done:
        with store.lease(RUNS, identity):
            done = store.find(RUNS, identity)  # another process may have finished it meanwhile
            if not done:
                give_back()  # of what the last run of this process has left
                place = Work(store, store.partial(RUNS, identity), identity)
                if tested and same:
                    known, planned, work = _from(same, known), lambda: same.planned, partial(tested, same)
                done = _done(place, stage, data, known, resolved, planned, work)
                name = only_bearer(store, Run(done.path)).name if stage.name is not None else name
    return _called(Run(done.path), None if stage.name is None else name)


def _validated(
    stage: Stage, store: Store, data: Artefact, kind: str, revision: int, parts: Mapping[str, Any]
) -> Run | None:
    """The finished run of the same stage that has left out the test split; None: there is none."""
    if not isinstance(stage, LearningStage) or not stage.scores_test:
        return None
    without = stage.model_copy(update={"scores_test": False})
    same = identified(without, data.fingerprint, kind=kind, revision=revision, parts=parts).fingerprint
    found = store.find(RUNS, same)
    return Run(found.path) if found else None


def _from(run: Run, known: Mapping[str, Any]) -> dict[str, Any]:
    say(f"run {run.fingerprint} is the same but for the test split: its weights are taken, and score that")
    return {**known, "trained_in": run.fingerprint}


def _done(
    place: Work, stage: Stage, data: Artefact, known: Mapping[str, Any],
    resolved: Resolved | None, planned: Planned, work: Callable[[Work], Outcome],
) -> Artefact:  # fmt: skip
    """Say what is asked and what is expected of it, do it, and sign what it leaves."""
    with storing(place.folder):
        stage.write(place.folder / "stage.yaml")
        dataset = read_dataset(data)
        switched = switches(dataset, known.get("task"))
        write_json(place.folder / "environment.json", environment(resolved, switched))
        about = RunRecord.model_validate_json(json.dumps(known))
        write_json(place.folder / RUN, about.to_json())  # what it needs
        followed = partial(stage.followed, place.fingerprint, about, released_events(about, dataset))
        expected = (dict(planned()) or None) if planned else None
        place.most_tokens = (expected or {}).get("micro_batch_tokens")
        _carry_out(partial(_followed, work, followed), place, {**known, "planned": expected}, dataset)
        remove_checkpoints(place.folder)
    return place.store.publish(RUNS, place.fingerprint, {"sensitivity": "restricted"})


def _followed(work: Callable[[Work], Outcome], followed: Callable[[], Any], place: Work) -> Outcome:
    with followed():
        return work(place)


def _carry_out(work: Callable[[Work], Outcome], place: Work, known: Mapping[str, Any], dataset: Dataset) -> None:
    """Work under the clock, and write what was done, how well and at what cost."""
    started, clock = datetime.now(UTC), time.monotonic()
    claimed = {"claims": locked(place.store)}
    with PeakMemory() as memory, Energy() as energy, nullcontext() if is_made_up(dataset.source) else unseen():
        outcome = _worked(work, place)
    seconds = time.monotonic() - clock + outcome.state.earlier_seconds
    entries = {
        **known, **claimed, **outcome.facts, "resumed": outcome.state.resumed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in PACKAGES},
    }  # fmt: skip
    about = RunRecord.model_validate_json(json.dumps(entries))
    if outcome.efficiency is not None:
        write_json(place.folder / EFFICIENCY, _spent(outcome.efficiency, energy, outcome.state).to_json())
    write_account(place.folder, about, outcome.scores, _cost(outcome, memory.bytes, seconds, place.folder), dataset)


def _called(run: Run, name: str | None) -> Run:
    """The run by the name that was asked for, even where it was finished under another."""
    if name is None or name == run.name:
        return run
    say(f"found: run {run.fingerprint}, until now called {run.name!r}; from now on {name!r}, and both names find it")
    return rename(run, name)


def _worked(work: Callable[[Work], Outcome], place: Work) -> Outcome:
    """Do the work; when it is refused before anything was learnt, nothing half-written stays behind."""
    with attempted(place.folder, lambda: any(place.checkpoints.glob("step-*"))), within_memory():
        return work(place)


def remove_checkpoints(folder: Path) -> None:
    """Those of a finished training, renamed first: half a removal never looks like damage."""
    spent = folder / SPENT
    shutil.rmtree(spent, ignore_errors=True)
    if (folder / CHECKPOINTS).exists():
        os.replace(folder / CHECKPOINTS, spent)
        shutil.rmtree(spent)


def _spent(measured: Efficiency, energy: Energy, state: State) -> Efficiency:
    """With energy, unless an earlier attempt has taken some that nobody has counted."""
    if energy.joules is None or state.resumed:
        return measured
    return measured.but(joules=energy.joules, counters=energy.counters)


def _cost(outcome: Outcome, peak: int | None, seconds: float, folder: Path) -> Cost:
    weights = [p.stat().st_size for p in folder.rglob("*.safetensors") if CHECKPOINTS not in p.parts]
    return Cost(
        seconds=seconds, train_seconds=outcome.state.train_seconds or None, peak_bytes=peak,
        trainable_parameters=outcome.trainable_parameters, total_parameters=outcome.total_parameters,
        tokens=outcome.tokens, artefact_bytes=sum(weights) or None, device=device_name(),
    )  # fmt: skip
