"""Reloading: a bank becomes what its file says now, while it is asked.

SIGHUP, POST /admin/reload ─▶ the file ─every run admitted─▶ one exchange ─▶ requests after it
                                       └─one is refused───▶ as before, and why
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from chartune.errors import ChartuneError
from chartune.log import say
from chartune.runs.ledger import run_at
from chartune.serving.audit import AuditLog
from chartune.serving.bank import Bank
from chartune.serving.bank_file import BankFile
from chartune.serving.exposition import Counter, Registry
from chartune.serving.refusals import RefusedError
from chartune.serving.versions import Exchange

NO_FILE: Final = "a bank must have a file (serve --bank) to be read again, but this one was named by its runs"


class Reloading:
    """The file of a bank."""

    def __init__(self, bank: Bank, file: Path, log: AuditLog | None = None) -> None:
        """log: has a line for each exchange; None: no log."""
        self.bank, self.file, self.log = bank, file, log
        self.noted: Callable[[str], None] = lambda _: None
        """Is given what became of each attempt: `done` or `refused`."""
        self._one = threading.Lock()

    def reload(self) -> Exchange:
        """Bring the bank to what the file says; a request meanwhile is answered as before or as after, never by both.

        Raises:
            ChartuneError: the file, or a run that it names, cannot be served; the bank is as it was.
        """
        with self._one:
            try:
                made = self._exchanged()
            except BaseException:
                self.noted("refused")
                raise
            self.noted("done")
        if self.log:
            tasks = {task.name: task.scorer.origin.fingerprint for task in self.bank.tasks}
            self.log.append("reloaded", loaded=made.loaded, evicted=made.evicted, tasks=tasks)
        return made

    def _exchanged(self) -> Exchange:
        asked = BankFile.read(self.file)
        runs = {name: run_at(self.bank.store, task.run) for name, task in asked.tasks.items()}
        pinned = [name for name, task in asked.tasks.items() if task.pinned]
        return self.bank.exchange(runs, pinned, asked.most_bytes)

    def signalled(self) -> None:
        """The same beside everything else, its outcome said: for a signal, which nobody waits for."""
        threading.Thread(target=self._said, name="chartune-reload", daemon=True).start()

    def _said(self) -> None:
        try:
            made = self.reload()
        except ChartuneError as error:
            say(f"warning: the bank is as it was, because {self.file} could not be loaded: {error}")
        else:
            say(f"{self.file}: {', '.join(f'{len(names)} {what}' for what, names in made._asdict().items())}")


def add_reloading(app: FastAPI, reloading: Reloading | None, registry: Registry) -> None:
    """The route and its counter. reloading: None: the bank has no file."""
    if reloading is not None:
        attempts = registry.put(Counter("chartune_reloads_total", "Attempts to read the bank's file.", ("outcome",)))
        reloading.noted = attempts.add

    @app.post("/admin/reload")
    async def reload() -> dict[str, list[str]]:
        if reloading is None:
            raise RefusedError(409, NO_FILE)
        try:
            return (await asyncio.to_thread(reloading.reload))._asdict()
        except ChartuneError as error:
            raise RefusedError(409, f"the bank is as it was: {error}") from None
