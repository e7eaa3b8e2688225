"""The one place of the data side where a pickle is opened: a process of its own that knows plain values and no code.

    pickle on stdin ─▶ limits, audit hook ─▶ values of a closed list ─▶ [hadm_id, label, split] as JSON on stdout

Three walls stand behind each other. The reader looks up no name beside those of numpy's numbers, for which it has
stand-ins of its own. Should that ever be broken, Python's audit hook refuses every act: the process needs no file, not
even its input, which is handed to it open. And the kernel bounds memory, time and processes. The file is run by its
path, isolated and without site packages, and so imports nothing beside the standard library. The parent,
`chartune.sources.pickled_labels`, judges the answer.

The one shape that is read is that of BEEP's labels (Naik et al., 2022): a dictionary with an entry per admission,
`HADM_ID → (label, ..., name of the split)`.
"""

import gc
import json
import math
import os
import pickle
import re
import resource
import struct
import sys
from types import TracebackType
from typing import Any, Final

MOST_ENTRIES: Final = 1_000_000
"""Entries of a dictionary of labels: the largest release has some 550,000 admissions."""
LONGEST: Final = 100
"""Characters of a label or of the name of a split."""
MEMORY: Final = 1 << 30
SECONDS: Final = 30
HARMLESS: Final = frozenset({"object.__getattr__", "sys._getframe", "sys.excepthook", "sys.unraisablehook"})
"""Events of Python's audit table that reach nothing outside the process."""
_NUMBER: Final = re.compile(r"([<>=|]?)([iufb])([1248])")
_FORMATS: Final = {
    "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f4": "f", "f8": "d",
    "b1": "?",
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - names what has happened
    """The pickle asks for something, or holds something, that labels do not need; the message quotes no value."""


class NumberType:
    """Stands for `numpy.dtype`: the type of one number."""

    def __init__(self, name: str, *_: object) -> None:
        if type(name) is not str:
            raise Refused("it holds a type of numpy that has no name")
        self.order, self.name = "<", name

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])


class Reader(pickle.Unpickler):
    """Knows plain values and numpy's numbers; every other name is refused before anything is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name. Raises Refused: there is none."""
        stand_in = KNOWN.get((module, name))
        if stand_in is None:
            asked = f"{module}.{name}"
            sound = re.fullmatch(r"[A-Za-z_][\w.]{0,79}", asked, re.ASCII)
            raise Refused(f"it asks for {asked if sound else 'a name that is none'}")
        return stand_in


def number(kind: NumberType, raw: bytes) -> bool | int | float | str:
    """Stands for `numpy.core.multiarray.scalar`: the value of one number, or of a short text."""
    if re.fullmatch(r"[<>=|]?U\d{1,3}", kind.name):
        return raw.decode("utf-32-be" if kind.order == ">" else "utf-32-le").rstrip("\0")
    match = _NUMBER.fullmatch(kind.name)
    if not match or match[2] + match[3] not in _FORMATS:
        raise Refused("it holds values of numpy that are neither numbers nor short texts")
    order = ">" if ">" in (match[1], kind.order) else "<"
    value: bool | int | float = struct.unpack(order + _FORMATS[match[2] + match[3]], raw)[0]
    return value


def latin(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, with which protocol 2 writes bytes."""
    if encoding != "latin1":
        raise Refused("it holds bytes in an encoding that pickles do not use")
    return text.encode("latin1")


KNOWN: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "dtype"): NumberType,
    ("numpy.core.multiarray", "scalar"): number,
    ("numpy._core.multiarray", "scalar"): number,
    ("_codecs", "encode"): latin,
}
"""(module, name) → what stands for it; nothing else can be asked for."""


def main() -> None:
    """Read one pickle from stdin; any error ends as one line of JSON on stderr."""
    sys.excepthook = _tell
    gc.disable()  # millions of containers, none of them rubbish
    json.dumps([b"a\0\0\0".decode("utf-32-le"), b"\0\0\0a".decode("utf-32-be")])  # imports now what it would later
    limit()
    seal()
    sys.stdout.write(json.dumps(entries(Reader(sys.stdin.buffer).load())))
    sys.stdout.flush()
    os._exit(0)  # taking apart a deeply nested value could overflow the stack


def entries(content: Any) -> list[tuple[int, str, str]]:
    """(hadm_id, label, split) of every entry, in their order.

    Raises:
        Refused: it has another shape.
    """
    if type(content) is not dict:
        raise Refused(f"it holds a {type(content).__name__} and not a dictionary of admissions")
    if len(content) > MOST_ENTRIES:
        raise Refused(f"it holds {len(content)} entries, more than any release has admissions")
    every = [_entry(key, value) for key, value in content.items()]
    kept = [entry for entry in every if entry is not None]
    if len(kept) < len(every):
        raise Refused(
            f"{len(every) - len(kept)} of {len(every)} entries do not read `hadm_id: (label, ..., split)` with a whole "
            f"number, a number or short text, and a short text"
        )
    return kept


def limit() -> None:
    """Bound memory, time, files and processes."""
    for which, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
    ):
        bounds = [bound for bound in resource.getrlimit(which) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(which, (min([value, *bounds]),) * 2)


def seal() -> None:
    """From here on Python refuses, for the life of the process, everything that could reach out of it."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in HARMLESS:
            raise Refused(f"it asked for {event}")

    sys.addaudithook(hook)


def _entry(key: Any, value: Any) -> tuple[int, str, str] | None:
    """One entry as plain values; None: it is none."""
    hadm_id = int(key) if type(key) is str and re.fullmatch(r"\d{1,18}", key, re.ASCII) else key
    if type(hadm_id) is not int or not 0 < hadm_id < 1 << 63 or type(value) not in (tuple, list) or len(value) < 2:
        return None
    label, split = _label(value[0]), value[-1]
    if label is None or type(split) is not str or len(split) > LONGEST:
        return None
    return hadm_id, label, split


def _label(value: Any) -> str | None:
    """A label as text, whole numbers without a point; None: it is none."""
    if type(value) is str:
        return value if len(value) <= LONGEST else None
    if type(value) in (bool, int):
        return str(int(value)) if abs(value) < 1 << 63 else None
    if type(value) is float and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1 << 63 else str(value)
    return None


def _tell(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    message = str(error) if kind is Refused else ""  # others may quote what they stumbled over
    sys.stderr.write(json.dumps({"kind": kind.__name__, "message": message[:1000]}) + "\n")


if __name__ == "__main__":
    main()
