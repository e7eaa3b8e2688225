"""Bank: one base model, and the adapters and heads of many runs on it, which read batches that mix their tasks.

    runs ─admission─▶ task ─┬─ LoRA, rsLoRA, PiSSA, head only ─▶ mixed batches: a row has the LoRA of its task
                            └─ DoRA and all other methods ─────▶ batches of their own, as `predict` reads them

A clinical adapter that tasks share, frozen, is merged into the base once. A run on another one, or on one that learnt
with it, is a LoRA of concatenated rank: its own layers, and the shared one taken back.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chartune.adapters.adapter import Adapter
from chartune.batches.long_texts import places_read
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import Backbone
from chartune.models.readers import Classifier
from chartune.notes.sentences import Span
from chartune.notes.text_pair import Text
from chartune.prediction.scorer import Reading
from chartune.runs.ledger import run_at
from chartune.runs.run import Run
from chartune.serving.admission import (
    must_change_something,
    must_contribute,
    must_depend_on_the_text,
    must_mix,
    probe_of,
)
from chartune.serving.bodies import Bodies, Key, key_of
from chartune.serving.candidate import Candidate, as_served, changes_of, must_be_servable
from chartune.serving.mixing import MixedBody
from chartune.serving.repeating import must_repeat
from chartune.serving.tally import Tally
from chartune.serving.task import Admitted, Task, read_mixed
from chartune.stages.loading import Loaded, fine_tuned, inputs_of_run
from chartune.store import Store

__all__ = ["Bank", "Task"]


class Bank:
    """Tasks over one base model. Safe for threads: reading goes on while a run is loaded, and waits for a publication.

    Two locks, taken in this order: `_loading` for whoever makes bodies, one run at a time, for as long as its checks
    take; `_lock` for whoever reads, publishes or evicts. A run is checked on trees of modules of its own.
    """

    def __init__(
        self,
        store: Store,
        *,
        shared: Adapter | None = None,
        base: Backbone | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: where base models are.
            shared: a frozen adapter that is merged into the base once (`shared_adapter`); None: the base as it is.
            base: where the base model is now; None: where the runs found it.
            most_bytes: of adapters and heads; where it is exceeded, the task that was asked longest ago is evicted,
                unless it is pinned. None: no limit.
        """
        self.store, self.base, self.shared, self.most_bytes = store, base, shared, most_bytes
        self._tasks: OrderedDict[str, Task] = OrderedDict()  # asked longest ago first
        self._pinned: set[str] = set()
        self._bodies, self._mixed = Bodies(), dict[Key, MixedBody]()
        self._loading, self._lock = threading.RLock(), threading.RLock()
        self._content: str | None = None
        self.tally = Tally()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those that are loaded, by name."""
        with self._lock:
            return tuple(self._tasks[name] for name in sorted(self._tasks))

    @property
    def nbytes(self) -> int:
        """Of the base's numbers, each counted once, and of all adapters and heads."""
        with self._lock:
            return self._bodies.nbytes + sum(task.nbytes for task in self._tasks.values())

    def load(self, run: Run | str, name: str | None = None, *, pinned: bool = False) -> Task:
        """Load a run; it answers once all checks have passed, and what was loaded before is left as it was.

        Args:
            run: a fine-tuned run, or its fingerprint, the beginning of it, its name or its folder.
            name: of the task; None: the run's.
            pinned: whether it is never evicted for the sake of others.

        Raises:
            AdapterError: it is of another base model, damaged, or without effect (`chartune.serving.admission`).
            ConfigError: the name is taken, its base is missing, or it cannot be held in so few bytes.
            RunError: it has learnt no adapter and head, or has trained every weight.
            StoreError: a file differs from what was signed.
        """
        run = run if isinstance(run, Run) else run_at(self.store, run)
        name = name or run.name
        with self._loading:
            self._must_be_free(name)
            try:
                return self._publish(self._admitted(run, name), pinned)
            except BaseException:
                self.tally.refusals += 1
                raise
            finally:
                self._forget_bodies()

    def _must_be_free(self, name: str) -> None:
        if name in self._tasks:
            raise ConfigError(f"every task must have a name of its own, but {name!r} is taken; give another one.")

    def _publish(self, admitted: Admitted, pinned: bool) -> Task:
        """Let a run that has passed all checks answer, from one batch to the next."""
        task, changes = admitted
        with self._lock:
            self._make_room(task)
            if task.mixed is not None:
                task.mixed.put(task.name, changes)
                self._mixed[task.key] = task.mixed
            self._tasks[task.name], self._content = task, task.base
            self.tally.loads += 1
            if pinned:
                self._pinned.add(task.name)
        return task

    def evict(self, name: str) -> None:
        """Let go of a task; who is reading is waited for. Raises ConfigError: it is not loaded, or pinned."""
        with self._lock:
            self._task(name)
            if name in self._pinned:
                raise ConfigError(f"{name!r} is pinned; take the pin off first.")
            self._take(name)
        if self._loading.acquire(blocking=False):  # else whoever is loading lets go of bodies at its end
            try:
                self._forget_bodies()
            finally:
                self._loading.release()

    def _take(self, name: str) -> None:
        del self._tasks[name]
        self.tally.evictions += 1
        for mixed in self._mixed.values():
            mixed.take(name)

    def pin(self, name: str, pinned: bool = True) -> None:
        """Keep a task, or no longer. Raises ConfigError: it is not loaded."""
        with self._lock:
            self._task(name)
            (self._pinned.add if pinned else self._pinned.discard)(name)

    def read(self, asked: Mapping[str, Sequence[Text]]) -> dict[str, Reading]:
        """Read texts of several tasks, in common batches where their layers allow.

        Args:
            asked: the texts of each task, [n] each.

        Returns:
            What was made of them, as `Scorer.read` gives it. A probability differs by at most 1e-6 from that of the
            text alone, whatever else is read.

        Raises:
            ConfigError: a task is not loaded.
            DataError: a task is asked about pairs of texts and has learnt from single ones, or the other way round.
            RunError: a score is no number, or a text does not fit into memory.
        """
        with self._lock:
            tasks = [self._task(name) for name in asked]
            for task in tasks:
                self._tasks.move_to_end(task.name)
            made: dict[str, Reading] = {}
            for mixed in {id(task.mixed): task.mixed for task in tasks if task.mixed}.values():
                beside = [task for task in tasks if task.mixed is mixed and len(asked[task.name])]
                made |= read_mixed(mixed, beside, asked) if beside else {}
            return {task.name: made.get(task.name) or task.scorer.read(asked[task.name]) for task in tasks}

    def places_read(self, name: str, text: str) -> list[Span]:
        """Where a task reads a text, as it is encoded: characters. Raises ConfigError: it is not loaded."""
        with self._lock:  # a tokenizer keeps how it cuts
            scorer = self._task(name).scorer
            return places_read(text, scorer.tokenizer, scorer.max_seq_len, scorer.long)

    def scorer(self, name: str) -> Loaded:
        """A task as `chartune.load` gives it, over the base of the bank: its layers are in the matrices while it reads.

        Its numbers are those of `predict`, bit for bit where the same texts are read at once; unless the run was
        trained in another precision, or is read with a frozen adapter beside the matrices (`reading: as-trained`).
        """
        with self._loading:
            return self._assembled(self._task(name).scorer.run).loaded

    def _task(self, name: str) -> Task:
        if name not in self._tasks:
            raise ConfigError(
                f"a task must be loaded to be asked, but {ascii(name)[:80]} is not; loaded are "
                f"{', '.join(sorted(self._tasks)) or 'none'}."
            )
        return self._tasks[name]

    def _admitted(self, run: Run, name: str) -> Admitted:
        """A run that has passed all checks, its LoRA for mixed batches where it can be in them. Nobody sees it yet."""
        candidate = self._assembled(run)
        loaded, inputs, reads = candidate.loaded, candidate.inputs, candidate.loaded.model
        both_ways, probe, base = reads.bidirectional, probe_of(reads.body), inputs.base.content_hash
        must_change_something([adapter for adapter in inputs.adapters if adapter], run.name)
        must_depend_on_the_text(reads.head, run.name)
        whole = must_contribute(candidate.attached, probe, run.name, bidirectional=both_ways)
        must_repeat(loaded, self.store)
        changes, apart = changes_of(candidate, self.shared)
        size = candidate.nbytes + sum(weight.nbytes for weight in reads.head.parameters())
        if not apart:
            mixed, trial = self._mixed_body(candidate), self._mixed_body(candidate, alone=True)
            changes = {matrix: change.to(trial.device) for matrix, change in changes.items()}
            trial.put(name, changes)
            apart = must_mix(trial, name, probe, whole)
        if apart:
            return Admitted(Task(name, loaded, None, apart, size, base, candidate.key), {})
        size += sum(change.nbytes for change in changes.values()) - candidate.nbytes
        model = Classifier(mixed.module, reads.head, reads.pooling, reads.loss, bidirectional=both_ways)
        scorer, key = replace(loaded, model=model.eval()), self._common(candidate)
        return Admitted(Task(name, scorer, mixed, "", size, base, key), changes)

    def _assembled(self, run: Run) -> Candidate:
        stage = must_be_servable(run)
        inputs = as_served(inputs_of_run(run, stage, self.store, self.base), self.shared)
        if self._content not in (None, inputs.base.content_hash):
            raise AdapterError(
                f"all tasks of a bank must stand on one base model, but that of {run.name!r} is {inputs.base.name} "
                f"({inputs.base.content_hash[:12]}) and the bank's is {str(self._content)[:12]}; start another bank."
            )
        loaded, attached = fine_tuned(run, stage, inputs, self._bodies.of)
        return Candidate(stage, inputs, loaded, attached)

    def _mixed_body(self, candidate: Candidate, *, alone: bool = False) -> MixedBody:
        """Where the rows of a task are mixed with others; alone: another one, to try it in."""
        held = self._mixed.get(self._common(candidate))
        if held is not None and not alone:
            return held
        body = self._bodies.of(*candidate.common(self.shared))
        tally = None if alone else self.tally
        return MixedBody(body, bidirectional=candidate.stage.is_bidirectional(), tally=tally)

    def _common(self, candidate: Candidate) -> Key:
        return key_of(*candidate.common(self.shared))

    def _make_room(self, task: Task) -> None:
        """Evict who was asked longest ago. Raises ConfigError: what is pinned leaves too little."""
        if self.most_bytes is None:
            return
        held = {name: each.nbytes for name, each in self._tasks.items()}
        kept = task.nbytes + sum(size for name, size in held.items() if name in self._pinned)
        if kept > self.most_bytes:
            raise ConfigError(
                f"adapters and heads must take at most {self.most_bytes:,} bytes, but with what is pinned and "
                f"{task.name!r} they take {kept:,}; allow more, or take a pin off."
            )
        room = self.most_bytes - task.nbytes - sum(held.values())
        for name in [name for name in self._tasks if name not in self._pinned]:
            if room >= 0:
                return
            room += held[name]
            self._take(name)

    def _forget_bodies(self) -> None:
        """Let go of bodies on which no task stands."""
        with self._lock:
            used = {task.key for task in self._tasks.values()}
            self._mixed = {key: mixed for key, mixed in self._mixed.items() if key in used}
            self._bodies.forget_but(used)
