"""Worker: a process that does one cell after the other, as it is told on a pipe, with everything imported once.

commands   a line for each cell: its number       their end: a checkpoint is written, then the process ends
answers    {"ready"} · {"number", "state", "why"}
"""

import gc
import json
import os
import queue
import signal
import threading
from collections.abc import Iterator
from typing import IO

from chartune.search.storages import Journals
from chartune.studies.attempt import attempted
from chartune.studies.order import waits_of
from chartune.studies.standing import Survey


def work(asked: Survey, journals: Journals, commands: int, answers: IO[str]) -> None:
    """Do cells until the commands end.

    Args:
        asked: the cells of the study.
        journals: where the trials of searches are kept.
        commands: the descriptor that numbers of cells are read from.
        answers: gets a line when the worker is ready, and one for each cell.
    """
    waits = waits_of(asked.family)
    _say(answers, {"ready": True})
    for done, number in enumerate(_numbers(commands)):
        standing = attempted(asked, number, waits, journals)
        if not done:  # what the first cell has imported stays: later collections need not look at it
            gc.collect()
            gc.freeze()
        _say(answers, {"number": number, "state": standing.state, "why": standing.why})


def _say(answers: IO[str], entry: dict[str, object]) -> None:
    answers.write(json.dumps(entry) + "\n")
    answers.flush()


def _numbers(commands: int) -> Iterator[int]:
    """The numbers of cells as they come. A thread reads them, so that their end is seen while a cell is under way."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, lines), daemon=True).start()
    while line := lines.get():
        yield int(line)


def _listen(commands: int, lines: "queue.SimpleQueue[bytes]") -> None:
    """Pass on whole lines; at their end have this process end as SIGTERM does: training writes a checkpoint first.

    An end that is raised in a finalizer is lost, so that the lines end, too.
    """
    held = b""
    while read := os.read(commands, 4096):
        *whole, held = (held + read).split(b"\n")
        for line in whole:
            lines.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
    lines.put(b"")
