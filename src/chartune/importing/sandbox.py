"""The sandbox: what a process gives up for good before it opens a foreign file.

Python's audit hook refuses every act but reading and writing the files of the job. The kernel bounds memory, time, size
and number of files and processes. The parent, `chartune.importing.reader`, judges the answer.
"""

import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import psutil

HARMLESS: Final = frozenset(
    {"array.__new__", "builtins.id", "object.__getattr__", "object.__setattr__", "object.__delattr__", "sys._getframe",
     "sys.excepthook", "sys.unraisablehook", "mmap.__new__", "gc.get_objects", "gc.get_referrers", "gc.get_referents"}
)  # fmt: skip
"""Events of Python's audit table that reach nothing outside the process."""
SPARE_BYTES: Final = 2 << 30
"""Address space beside what the tensors need."""


class Refused(Exception):  # noqa: N818 - names what has happened
    """The job asks for something that reading weights does not need; the message says what."""


def begin() -> dict[str, Any]:
    """The job, from standard input; any error from now on ends as one line of JSON on standard error."""
    sys.excepthook = _tell
    job: dict[str, Any] = json.loads(sys.stdin.read())
    return job


def answer(found: dict[str, Any]) -> NoReturn:
    """Give the parent its answer and end at once: what libraries do at their end would be refused."""
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


def limit(memory: int, written: int, seconds: int) -> None:
    """Bound address space, size of a file, time, and the number of files and processes.

    Args:
        memory: bytes that the job's tensors can need, beside what the process has and `SPARE_BYTES`.
        written: bytes of the largest file that it can write.
        seconds: of processor time.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 32)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_FSIZE, written)
    if sys.platform == "linux":  # elsewhere the kernel takes the number and forgets it
        _lower(resource.RLIMIT_AS, psutil.Process().memory_info().vms + memory + SPARE_BYTES)


def seal(sources: Sequence[Path], folder: Path) -> None:
    """From here on Python refuses, for the life of the process, all but the files of the job and the names beside them.

    Args:
        sources: files that may be read.
        folder: in which files may be read and written.
    """
    readable = {os.path.realpath(source) for source in sources} | {str(source) for source in sources}
    listed, inside = {str(folder), *(str(source.parent) for source in sources)}, str(folder) + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in HARMLESS:
            return
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.abspath(arguments[0])
            if path.startswith(inside) or (path in readable and not _writes(*arguments[1:])):
                return
        if event == "os.listdir" and arguments[0] in listed:
            return
        subject = arguments[0] if event in ("open", "import") else ""
        raise Refused(f"it asked for {event} {subject}".strip())

    sys.addaudithook(hook)


def _writes(mode: str | None, flags: int) -> bool:
    return bool(set(mode or "") & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _lower(which: int, value: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    bounds = [bound for bound in resource.getrlimit(which) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min([value, *bounds]),) * 2)


def _tell(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    sys.stderr.write(json.dumps({"kind": kind.__name__, "message": str(error)[:4000]}) + "\n")
