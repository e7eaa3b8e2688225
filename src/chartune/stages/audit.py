"""The leakage audit of prepared data: every measure of `chartune.tasks.leakage`, judged, and kept in the store.

It is a stage only because tokens are counted with a base model's tokenizer, which the data side does not know.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from chartune.config import Config, fingerprint
from chartune.disclosure import is_made_up
from chartune.errors import ConfigError, LeakageError, StoreError
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone
from chartune.models.exposure import NOT_KNOWN, exposure_of
from chartune.sources.splits import HELD_OUT
from chartune.store import Artefact, Store, write_json
from chartune.tasks.containment.settings import AUDITED, BOILERPLATE
from chartune.tasks.dataset import SourceEntry, TaskEntry, read_dataset
from chartune.tasks.leakage.bases import MEASURED, Base
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.copies import Asked, Copies, Limits, copies
from chartune.tasks.leakage.examples import Examples, Prepared, TokenCount, look_at
from chartune.tasks.leakage.patients import Patients, patients
from chartune.tasks.leakage.phrases import FALSE_DISCOVERY, SUPPORT, Learning
from chartune.tasks.leakage.shares import hidden
from chartune.tasks.leakage.verdicts import REMEDIES, Verdict, verdicts

SHELF: Final = "audits"
REVISION: Final = 10
"""Raised when a bug fix changes what an audit finds."""
AUDIT: Final = "audit.json"
CORPUS_HELD_OUT: Final = ("validation", "test")


class LeakageAudit(Config):
    """What counts as alike, and which lengths are asked about."""

    containment: Annotated[float, Field(gt=0, le=1)] = AUDITED
    """Share of a held-out text's runs of eight words in one training text from which on the audit fails."""
    look: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share from which on a person should look."""
    boilerplate: Annotated[int, Field(ge=1)] = BOILERPLATE
    """Runs that stand in texts of more held-out patients are boilerplate and do not count."""
    lengths: tuple[int, ...] = (128, 512, 1024, 2048)
    """Tokens beyond which a text is cut off."""
    false_discovery: Annotated[float, Field(gt=0, lt=1)] = FALSE_DISCOVERY
    """False discovery rate: expected share of chance findings among the phrases of the outcome learnt from the data."""
    support: Annotated[int, Field(ge=2)] = SUPPORT
    """Patients at least in whose training texts a phrase stands that is tried."""


@dataclass(frozen=True)
class Audit:
    """What prepared data give away; counts of real patients as `chartune.disclosure` shows them, unless exact."""

    data: str
    """Fingerprint of the prepared data."""
    title: str
    """Of their source."""
    settings: LeakageAudit
    patients: tuple[Patients, ...]
    copies: tuple[Copies, ...]
    examples: tuple[Examples, ...]
    """A row per task."""
    bases: tuple[Base, ...]
    verdicts: tuple[Verdict, ...]

    def must_pass(self) -> None:
        """Refuse data on which no score means anything.

        Raises:
            LeakageError: a rule is broken; the message names each one.
        """
        failed: dict[str, list[str]] = {}
        for verdict in self.verdicts:
            if verdict.standing == "fail":
                failed.setdefault(verdict.law, []).append(verdict.detail)
        if failed:
            reasons = "; and ".join(f"{law}, but {', '.join(places)}" for law, places in failed.items())
            ways = dict.fromkeys(REMEDIES.get(law, "correct the split lists or the corpus") for law in failed)
            raise LeakageError(f"{reasons}. To mend data {self.data}, {'; '.join(ways)}; and prepare again.")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        judged = [verdict.to_json() for verdict in self.verdicts]
        return asdict(self) | {"settings": self.settings.model_dump(mode="json"), "verdicts": judged}


def audit(
    data: Artefact,
    store: Store,
    settings: LeakageAudit | None = None,
    bases: Sequence[Backbone] = (),
    corpus: Artefact | None = None,
    exact: bool = False,
) -> Artefact:
    """The audit of prepared data: found in the store, or made by reading them once.

    Args:
        data: what is audited.
        store: where the audit is kept.
        settings: what counts as alike.
        bases: base models whose exposure is reported, and whose tokens are counted if they are on this machine.
        corpus: other prepared data, on whose corpus a model is adapted before it is asked about these.
        exact: whether counts of real patients are kept as they are, for the analyst alone.

    Returns:
        An artefact of kind `audits` with `audit.json` (`read_audit`). Whether it passes is for the caller to ask.

    Raises:
        ConfigError: there is no such base model.
        StoreError: the data are damaged, or the store cannot be written.
    """
    settings = settings or LeakageAudit()
    located = [(base.name, _located(base, store)) for base in bases]
    parts = {
        "data": data.content_hash(), "corpus": corpus.content_hash() if corpus else None,
        "settings": settings.hashable(),
        "bases": [(name, base.content_hash if base else None) for name, base in located], "exact": exact,
    }  # fmt: skip
    name = fingerprint(SHELF, REVISION, parts)

    def write(folder: Path) -> None:
        write_json(folder / AUDIT, _audited(data, settings, located, corpus, folder, exact=exact).to_json())

    return store.obtain(SHELF, name, write, {"sensitivity": "restricted" if exact else "counts"})


def read_audit(artefact: Artefact) -> Audit:
    """An audit of the store. Raises StoreError: it is damaged."""
    try:
        return TypeAdapter(Audit).validate_json(artefact.file(AUDIT).read_bytes())
    except (OSError, ValueError):
        damaged = f"an audit must be as it was written, but {artefact.path} is not"
    raise StoreError(f"{damaged}; remove it and run the command again.")


def _audited(
    data: Artefact,
    settings: LeakageAudit,
    bases: Sequence[tuple[str, LocalBackbone | None]],
    corpus: Artefact | None,
    folder: Path,
    *,
    exact: bool,
) -> Audit:
    dataset = read_dataset(data)
    tasks = [_prepared(data, name, entry) for name, entry in dataset.tasks.items()]
    own = _corpus(data) if dataset.corpus else None
    counters = {base.name: _counter(base) for _, base in bases if base}
    learning = Learning(settings.false_discovery, settings.support)
    measured = (
        patients(Rows(data.path / "splits.parquet"), {task.name: task.rows() for task in tasks}, own),
        _copies(tasks, own, settings, corpus, folder),
        tuple(look_at(task, settings.lengths, counters, learning) for task in tasks),
    )
    shown = measured if exact or is_made_up(dataset.source) else hidden(measured)
    read = tuple(_base(name, base, dataset.source) for name, base in bases)
    return Audit(data.fingerprint, dataset.source.title, settings, *shown, read, verdicts(*shown, read))


def _copies(
    tasks: Sequence[Prepared], corpus: Rows | None, settings: LeakageAudit, other: Artefact | None, folder: Path
) -> tuple[Copies, ...]:
    """Every comparison of held-out texts with what is learnt from: each task's training split, the corpora."""
    how = Limits(settings.containment, settings.look, settings.boilerplate), folder
    rows: list[Copies] = []
    for task in tasks:
        rows += copies(task.name, task.rows("train"), _held_out([task]), "dropped", *how)
    if corpus:
        asked = [*_held_out(tasks), *(Asked("corpus", split, Rows(corpus.file, (split,))) for split in CORPUS_HELD_OUT)]
        rows += copies("corpus", Rows(corpus.file, ("train",)), asked, "unwrapped", *how)
    if other:
        name, train = f"corpus of {other.fingerprint}", Rows(_corpus(other).file, ("train",))
        rows += copies(name, train, _held_out(tasks), "dropped", *how)
    return tuple(row for row in rows if row.exact.of != 0)


def _held_out(tasks: Sequence[Prepared]) -> list[Asked]:
    return [Asked(task.name, split, task.rows(split)) for task in tasks for split in HELD_OUT]


def _prepared(data: Artefact, name: str, entry: TaskEntry) -> Prepared:
    return Prepared(name, entry.kind, entry.space(), data.path / f"{name}.parquet", answer_told=entry.answer_told)


def _corpus(data: Artefact) -> Rows:
    return Rows(data.path / "corpus.parquet")


def _located(base: Backbone, store: Store) -> LocalBackbone | None:
    """The base on this machine; None where it is not here but known by its name."""
    try:
        return find_backbone(base, store)
    except ConfigError:
        if exposure_of(base.name) == NOT_KNOWN:
            raise
        return None


def _counter(base: LocalBackbone) -> TokenCount:
    from chartune.batches.tokenize import encode, load_tokenizer  # transformers takes seconds, and only tokens need it

    tokenizer = load_tokenizer(base)
    return lambda texts: encode(texts, tokenizer, None).lengths.tolist()


def _base(asked: str, base: LocalBackbone | None, source: SourceEntry) -> Base:
    """The exposure of a base by the name that it was asked by, or else by its own."""
    exposure = exposure_of(asked, base.config if base else None)
    if base and exposure == NOT_KNOWN:
        exposure = exposure_of(base.name)
    contaminated = exposure.contaminates(source.kind, is_made_up(source))
    named = base.name if base else asked
    return Base(named, exposure, contaminated, MEASURED if base else "not measured: it is not on this machine")
