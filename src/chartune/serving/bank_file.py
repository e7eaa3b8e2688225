"""Bank file: which runs a bank holds, as YAML: `tasks: {mortality: {run: 3f2a91, pinned: true}}`."""

from collections.abc import Sequence

from pydantic import Field

from chartune.config import Config
from chartune.errors import ConfigError
from chartune.runs.ledger import run_at
from chartune.serving.admitting import Served
from chartune.serving.bank import Bank
from chartune.serving.candidate import shared_adapter
from chartune.store import Store


class BankTask(Config):
    """A task of a bank."""

    run: str
    """Fingerprint of a fine-tuned run, the beginning of it, its name or its folder."""
    pinned: bool = False
    """Whether it is never evicted for the sake of others."""


class BankFile(Config):
    """Which runs a bank holds."""

    tasks: dict[str, BankTask] = Field(min_length=1)
    """By the name that clients ask for."""
    most_mebibytes: int | None = Field(None, gt=0)
    """Of adapters and heads; None: no limit."""

    @property
    def most_bytes(self) -> int | None:
        """The same in bytes."""
        return None if self.most_mebibytes is None else self.most_mebibytes << 20


def bank_of(asked: BankFile, store: Store, precision: Served = "fp32") -> Bank:
    """A bank with all of its runs, which share a frozen clinical adapter where most of them stand on one.

    Args:
        asked: which runs.
        store: where they are.
        precision: in which texts are read.

    Raises:
        ChartuneError: a run cannot be loaded; the message says why. As `Bank.load`.
    """
    runs = {name: run_at(store, task.run) for name, task in asked.tasks.items()}
    bank = Bank(store, shared=shared_adapter(list(runs.values())), most_bytes=asked.most_bytes, precision=precision)
    for name, run in runs.items():
        bank.load(run, name, pinned=asked.tasks[name].pinned)
    if lost := runs.keys() - {task.name for task in bank.tasks}:
        raise ConfigError(
            f"all tasks of a bank must fit into most_mebibytes ({asked.most_mebibytes}), but {', '.join(sorted(lost))} "
            f"had to go; allow more."
        )
    return bank


def named_runs(references: Sequence[str], store: Store) -> BankFile:
    """Runs by their names. Raises ConfigError: two are called alike."""
    names = [run_at(store, reference).name for reference in references]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"every task must have a name of its own, but these runs are called {', '.join(names)}; name them in a "
            f"file (--bank)."
        )
    return BankFile(tasks={name: BankTask(run=run) for name, run in zip(names, references, strict=True)})
