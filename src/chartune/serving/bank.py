"""Bank: one base model, and the adapters and heads of many runs on it, which read batches that mix their tasks.

    runs ─admission─▶ task ─┬─ LoRA, rsLoRA, PiSSA, head only ─▶ mixed batches: a row has the LoRA of its task
                            └─ DoRA and all other methods ─────▶ batches of their own, as `predict` reads them

A clinical adapter that tasks share, frozen, is merged into the base once. A run on another one, or on one that learnt
with it, is a LoRA of concatenated rank: its own layers, and the shared one taken back.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chartune.adapters.adapter import Adapter
from chartune.allocator import keep_pages
from chartune.batches.long_texts import places_read
from chartune.errors import ConfigError
from chartune.models.backbone import Backbone
from chartune.notes.sentences import Span
from chartune.notes.text_pair import Text
from chartune.prediction.scorer import Reading
from chartune.runs.ledger import run_at
from chartune.runs.run import Run
from chartune.serving.admitting import Admission, Served, must_multiply
from chartune.serving.tally import Tally
from chartune.serving.task import Admitted, Task, read_mixed
from chartune.serving.versions import Exchange, Versions, must_fit
from chartune.stages.loading import Loaded
from chartune.store import Store

__all__ = ["Bank", "Task"]


class Bank:
    """Tasks over one base model. Safe for threads: reading goes on while runs are loaded, published and evicted.

    Three locks: `_loading` for whoever makes bodies, one run at a time, for as long as its checks take; `_reading` for
    whoever reads a batch; and, taken last and never for long, `_lock` for which tasks there are. A run is checked on
    trees of modules of its own; a version that is replaced or evicted goes once nobody asks it any more.
    """

    def __init__(
        self,
        store: Store,
        *,
        shared: Adapter | None = None,
        base: Backbone | None = None,
        most_bytes: int | None = None,
        precision: Served = "fp32",
    ) -> None:
        """Nothing is read yet.

        Args:
            store: where base models are.
            shared: a frozen adapter that is merged into the base once (`shared_adapter`); None: the base as it is.
            base: where the base model is now; None: where the runs found it.
            most_bytes: of adapters and heads; where it is exceeded, the task that was asked longest ago is evicted,
                unless it is pinned. None: no limit.
            precision: in which texts are read; runs are proved in fp32, whatever it is.

        Raises:
            ConfigError: the processor does not multiply bf16.
        """
        must_multiply(precision)
        keep_pages()
        self.store, self.base, self.shared, self.most_bytes = store, base, shared, most_bytes
        self._tasks: OrderedDict[str, Task] = OrderedDict()  # asked longest ago first
        self._pinned: set[str] = set()
        self._loading, self._reading, self._lock = threading.RLock(), threading.RLock(), threading.RLock()
        self._versions = Versions()
        self.tally = Tally()
        self._admission = Admission(store, base, shared, self.tally, precision)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those that are loaded, by name."""
        with self._lock:
            return tuple(self._tasks[name] for name in sorted(self._tasks))

    @property
    def nbytes(self) -> int:
        """Of the base's numbers, each counted once unless it is prepacked, and of all adapters and heads."""
        with self._lock:
            return self._admission.nbytes + sum(task.nbytes for task in self._tasks.values())

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
        with self._lock:
            self._make_room(admitted.task)
            self._put(admitted)
            if pinned:
                self._pinned.add(admitted.task.name)
        return admitted.task

    def _put(self, admitted: Admitted) -> None:
        task, changes = admitted
        if task.mixed is not None:
            task.mixed.put(task.handle, changes)
        self._tasks[task.name] = task
        self._admission.entered(task)
        self._versions.add(task)
        self.tally.loads += 1

    def exchange(self, runs: Mapping[str, Run], pinned: Collection[str], most_bytes: int | None) -> Exchange:
        """Hold these runs and no others from one batch to the next; or, where one is refused, what was held before.

        A request that has begun (`held`) is answered by the versions that it began with.

        Args:
            runs: by the names of their tasks.
            pinned: which of them are never evicted for the sake of others.
            most_bytes: of adapters and heads; None: no limit.

        Raises:
            ChartuneError: as `load`; nothing has changed.
        """
        with self._loading:
            try:
                stays = {name for name, run in runs.items() if self._runs().get(name) == run.fingerprint}
                new = [self._admitted(run, name) for name, run in runs.items() if name not in stays]
                must_fit([*(self._tasks[name] for name in stays), *(each.task for each in new)], most_bytes)
                with self._lock:
                    gone = [name for name in self._tasks if name not in stays]
                    for name in gone:
                        self._take(name)
                    for each in new:
                        self._put(each)
                    self._pinned, self.most_bytes = set(pinned), most_bytes
            except BaseException:
                self.tally.refusals += 1
                raise
            finally:
                self._forget_bodies()
        return Exchange(sorted(each.task.name for each in new), sorted({*gone} - {*runs}), sorted(stays))

    def _admitted(self, run: Run, name: str) -> Admitted:
        return self._admission.admitted(run, name, self._versions.new(name))

    def _runs(self) -> dict[str, str]:
        """Fingerprints of the runs that are loaded, by task."""
        return {name: task.scorer.origin.fingerprint for name, task in self._tasks.items()}

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
        self._versions.retire(self._tasks.pop(name))
        self.tally.evictions += 1

    @contextmanager
    def held(self, choose: Callable[[], Sequence[Task]]) -> Iterator[Sequence[Task]]:
        """Tasks that can be read by their handles to the end, whether or not they are replaced or evicted meanwhile.

        Args:
            choose: gives them from those that are loaded.
        """
        with self._lock:
            tasks = self._versions.hold(choose())
        try:
            yield tasks
        finally:
            with self._lock:
                self._versions.release(tasks)

    def pin(self, name: str, pinned: bool = True) -> None:
        """Keep a task, or no longer. Raises ConfigError: it is not loaded."""
        with self._lock:
            self._task(name)
            (self._pinned.add if pinned else self._pinned.discard)(name)

    def read(self, asked: Mapping[str, Sequence[Text]]) -> dict[str, Reading]:
        """Read texts of several tasks, in common batches where their layers allow.

        Args:
            asked: the texts of each task, [n] each, by its name or its handle.

        Returns:
            What was made of them by the same, as `Scorer.read` gives it. A probability differs by at most 1e-6 from
            that of the text alone, whatever else is read.

        Raises:
            ConfigError: a task is not loaded.
            DataError: a task is asked about pairs of texts and has learnt from single ones, or the other way round.
            RunError: a score is no number, or a text does not fit into memory.
        """
        with self.held(lambda: self._asked(asked)) as tasks, self._reading:
            texts: dict[str, list[Text]] = {}
            rows: dict[str, tuple[str, int, int]] = {}
            for task, (name, own) in zip(tasks, asked.items(), strict=True):  # a task can be asked by name and handle
                before = texts.setdefault(task.handle, [])
                rows[name] = (task.handle, len(before), len(before) + len(own))
                before.extend(own)
            made = self._read({task.handle: task for task in tasks}, texts)
            return {name: made[handle].rows(start, stop) for name, (handle, start, stop) in rows.items()}

    def _read(self, tasks: Mapping[str, Task], texts: Mapping[str, Sequence[Text]]) -> dict[str, Reading]:
        """Read the texts of tasks; all by handle."""
        made: dict[str, Reading] = {}
        for mixed in {id(task.mixed): task.mixed for task in tasks.values() if task.mixed}.values():
            beside = [task for handle, task in tasks.items() if task.mixed is mixed and len(texts[handle])]
            made |= read_mixed(mixed, beside, texts) if beside else {}
        return {handle: made.get(handle) or task.scorer.read(texts[handle]) for handle, task in tasks.items()}

    def _asked(self, names: Iterable[str]) -> list[Task]:
        """Tasks that are asked, which are evicted last."""
        tasks = [self._task(name) for name in names]
        for task in tasks:
            if self._tasks.get(task.name) is task:
                self._tasks.move_to_end(task.name)
        return tasks

    def places_read(self, name: str, text: str) -> list[Span]:
        """Where a task reads a text, as it is encoded: characters. Raises ConfigError: it is not loaded."""
        with self._lock:
            scorer = self._task(name).scorer
        return places_read(text, scorer.tokenizer, scorer.max_seq_len, scorer.long)

    def scorer(self, name: str) -> Loaded:
        """A task as `chartune.load` gives it, over the base of the bank: its layers are in the matrices while it reads.

        Its numbers are those of `predict`, bit for bit where the same texts are read at once; unless the run was
        trained in another precision, or is read with a frozen adapter beside the matrices (`reading: as-trained`).
        """
        with self._loading:
            return self._admission.assembled(self._task(name).scorer.run).loaded

    def _task(self, name: str) -> Task:
        task = self._tasks.get(name) or self._versions.by_handle.get(name)
        if task is None:
            raise ConfigError(
                f"a task must be loaded to be asked, but {ascii(name)[:80]} is not; loaded are "
                f"{', '.join(sorted(self._tasks)) or 'none'}."
            )
        return task

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
            self._admission.forget_but({task.key for task in self._versions.by_handle.values()})
