"""Standing: how far each cell of a study is, from the store and a ledger. Nothing is made.

cell ─parents' weights─▶ stage ─data, base─▶ identity ─┬▶ run in the store · line of the ledger ─▶ done
                                                       ├▶ a lease that is held ─────────────────▶ running
                                                       └▶ failed last time · missing
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from chartune.artefact import PARTIAL
from chartune.errors import ChartuneError
from chartune.planning.prepared import prepared
from chartune.runs.holdings import is_held
from chartune.runs.record import ADAPTER
from chartune.runs.run import SHELF, Run
from chartune.stages.identity import Identity
from chartune.stages.inputs import content_of, find_adapter
from chartune.store import Artefact, Store
from chartune.studies.cell import Cell
from chartune.studies.failures import failure
from chartune.studies.identity import identity_of
from chartune.studies.ledger import Entry
from chartune.studies.parents import Family
from chartune.studies.remade import Remade, named
from chartune.studies.searching import Bench, Keep, Searched
from chartune.studies.spaces import settled
from chartune.tasks.prepare import AnyPreparation

State = Literal["done", "running", "failed", "missing"]
WAITS: Final = "it waits for `{}`"
NO_BASE: Final = "its base model is not made yet"


@dataclass(frozen=True)
class Standing:
    """How far a cell is."""

    cell: Cell
    state: State
    identity: Identity | None = None
    """Of its run; None: not known before its parents, data and base model are there."""
    run: Run | None = None
    """In this store."""
    entry: Entry | None = None
    """In the ledger."""
    why: str = ""
    """Of a failed or missing cell what is known."""

    @property
    def only_listed(self) -> bool:
        """Whether it is done, but its weights are not in this store."""
        return self.run is None and self.entry is not None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "cell": self.cell.title(), "state": self.state, "final": self.cell.final, "why": self.why,
            "run": self.identity.fingerprint if self.identity else None, "name": self.run.name if self.run else None,
            "ledger": self.entry is not None,
        }  # fmt: skip

    def as_text(self) -> str:
        """In a line, the reason apart."""
        name = f"  {self.identity.fingerprint}" if self.identity else ""
        called = f" ({self.run.name})" if self.run else " (in the ledger)" if self.entry else ""
        scored = "" if self.cell.final else ", test not scored"
        return f"{self.state:<8} {self.cell.title()}{scored}{name}{called}"


@dataclass
class Survey:
    """The standing of the cells of a study, asked in their order."""

    family: Family
    store: Store
    entries: Mapping[str, Entry]
    data: Mapping[int, Artefact] | None = None
    """The prepared data of each cell; None: what the store has of its config."""
    standings: dict[int, Standing] = field(default_factory=dict)
    """Of the cells asked so far."""
    searches: dict[int, Searched] = field(default_factory=dict)
    """Of searched cells that were asked, as far as they are."""
    keep: Keep = lambda *_: None
    """Is given cells that are done, and the trials of searches."""
    _seen: dict[str, Artefact | None] = field(default_factory=dict)

    def ask(self, number: int) -> Standing:
        """The standing of a cell whose parents have been asked."""
        cell = self.family.cells[number]
        try:
            standing = self._known(number, cell)
        except ChartuneError as error:
            standing = Standing(cell, "missing", why=str(error))
        if standing.state == "missing" and (why := failure(self.family.study, cell, self.store)):
            standing = replace(standing, state="failed", why=why)
        self.standings[number] = standing
        return standing

    def made(self, number: int) -> dict[str, str]:
        """Stage referred to → adapter in this store, of an ensemble run, of the parents of a cell that have one."""
        runs = {need: self.standings[parent].run for need, parent in self.family.parents[number].items()}
        within = "" if self.family.averages(number) else ADAPTER
        return {need: str(run.path / within) for need, run in runs.items() if run is not None}

    def stage(self, number: int) -> Any:
        """The stage of a cell on what its parents have left, with the settings that its search has chosen.

        References to what only a ledger lists stay open.
        """
        return self.family.stage(number, self.made(number), self.settled(number))

    def settled(self, number: int) -> Cell | None:
        """A cell with the settings that its search, or another's, has chosen; None: none has, or nothing yet."""
        search = self.searches.get(self.family.lenders.get(number, number))
        settings = search.chosen if search else None
        return None if settings is None else settled(self.family.cells[number], settings)

    def every_search(self) -> tuple[Searched, ...]:
        """The searches of all cells that were asked, each once and in their order: those of all seeds share one."""
        asked = [search for _, search in sorted(self.searches.items(), reverse=True)]
        return tuple({search.problem.name: search for search in asked}.values())[::-1]

    def bench(self, number: int, data: Artefact) -> Bench:
        """Where the search of a cell on its prepared data is conducted."""
        return Bench(
            self.family, number, self.made(number), data, self.store, self._elsewhere(number), self.entries, self.keep,
            self._remade(number),
        )  # fmt: skip

    def keep_done(self, number: int) -> None:
        """Give `keep` the run of a cell that is done here, and the trials by which its settings were chosen."""
        standing, search = self.standings[number], self.searches.get(number)
        if standing.run is None or standing.identity is None:
            return
        self.keep(standing.run, standing.cell, standing.identity)
        if search is not None and self.data is not None:
            self.bench(number, self.data[number]).keep_trials(search)

    def _known(self, number: int, cell: Cell) -> Standing:
        parents = {need: self.standings[parent] for need, parent in self.family.parents[number].items()}
        waits = next((need for need, parent in parents.items() if not (parent.run or parent.entry)), None)
        if waits is not None:
            return Standing(cell, "missing", why=WAITS.format(waits))
        data = self.data[number] if self.data is not None else self._prepared(self.family.stage(number, {}).data)
        if data is None:
            return Standing(cell, "missing", why="its data are not prepared")
        if cell.space is not None:
            search = self.bench(number, data).look()
            if search is None:
                return Standing(cell, "missing", why=NO_BASE)
            self.searches[number] = search
            if search.chosen is None:
                return Standing(cell, "missing", why=search.as_text())
        if cell.borrows and self.settled(number) is None:
            return Standing(cell, "missing", why=WAITS.format(cell.borrows))
        stage = self.stage(number)
        identity = identity_of(stage, data, self.store, self._elsewhere(number))
        if identity is None:
            return Standing(cell, "missing", why=NO_BASE)
        return self._of(cell, identity, self._remade(number))

    def _prepared(self, preparation: AnyPreparation) -> Artefact | None:
        """What the store has of a config, looked for once."""
        key = preparation.model_dump_json()
        if key not in self._seen:
            self._seen[key] = prepared(preparation, self.store)
        return self._seen[key]

    def _of(self, cell: Cell, identity: Identity, remade: Remade) -> Standing:
        name, shelf = identity.fingerprint, self.store.root / SHELF
        if found := self.store.find(SHELF, name):
            return Standing(cell, "done", identity, Run(found.path), self.entries.get(name))
        for one in named(identity, remade):
            if entry := self.entries.get(one.fingerprint):
                return Standing(cell, "done", one, None, entry)
        if is_held(shelf / f"{name}.lease"):
            return Standing(cell, "running", identity)
        begun = (shelf / f"{name}{PARTIAL}").is_dir()
        return Standing(cell, "missing", identity, why="interrupted; it resumes from its checkpoint" if begun else "")

    def _remade(self, number: int) -> Remade:
        """The adapters of parents that the ledger lists with other weights than this store has."""
        remade: dict[str, Mapping[str, Any]] = {}
        for need, place in self.made(number).items():
            entry = self.standings[self.family.parents[number][need]].entry
            if entry is None or entry.adapter is None:
                continue
            here = content_of(find_adapter(place, self.store))["sha256"]
            if here != entry.adapter["sha256"]:
                remade[here] = entry.adapter
        return remade

    def _elsewhere(self, number: int) -> dict[str, Mapping[str, Any]]:
        """The content of the parents' adapters, of an ensemble their fingerprints, that only the ledger lists."""
        contents: dict[str, Mapping[str, Any]] = {}
        for need, parent in self.family.parents[number].items():
            standing = self.standings[parent]
            entry = standing.entry if standing.run is None else None
            if entry is not None and self.family.averages(number):
                contents[self.family.open_reference(need)] = {"run": entry.fingerprint}
            elif entry is not None and entry.adapter is not None:
                contents[self.family.open_reference(need)] = entry.adapter
        return contents


def survey(
    family: Family, store: Store, entries: Mapping[str, Entry], data: Mapping[int, Artefact] | None = None
) -> Survey:
    """The standing of every cell; arguments as for `Survey`."""
    asked = Survey(family, store, entries, data)
    for number in family.cells:
        asked.ask(number)
    return asked


def needed(asked: Survey) -> set[int]:
    """The cells that the ledger lists but whose weights an unfinished cell asks for, so that they are done again."""
    again: set[int] = set()
    for number, standing in sorted(asked.standings.items(), reverse=True):
        unfinished = [
            child for child in asked.family.children(number)
            if child in again or asked.standings[child].state != "done"
        ]  # fmt: skip
        if standing.only_listed and unfinished:
            again.add(number)
    return again
