"""Reading foreign files: whatever a library raises over them becomes one clear error.

    a foreign file ─regular? small enough?─▶ library ─any exception─▶ AdapterError: rule, library, type, remedy

A library's own words may quote the file, and which exceptions it knows changes with its version. So every exception is
caught, its type is kept and its words are not.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chartune.errors import AdapterError, ChartuneError
from chartune.models.memory import out_of_memory

PANIC: Final = "PanicException"
"""How libraries that are written in Rust stop where they did not foresee it; it is no Exception."""
JSON_BYTES: Final = 64 << 20
"""Of a JSON file that is read here; the index of a model of a trillion weights has some ten MiB."""
JSON_DEPTH: Final = 64
"""Of objects and lists inside each other."""
PAPER_BYTES: Final = 16 << 20
"""Of a licence or a model card that is copied."""


@contextmanager
def reading(library: str, requirement: str, remedy: str, why: Callable[[], str] = str) -> Iterator[None]:
    """Have a library read foreign files.

    Args:
        library: `transformers`, `tokenizers`, `safetensors` or `peft`.
        requirement: what must hold, with the place, such as "clinical must load as AutoModel".
        remedy: what helps.
        why: finds the cause once the library has stopped; empty, or a clause that ends in "; ".

    Raises:
        AdapterError: the library raised anything else.
        MemoryError: memory has run out, which says nothing of the files.
    """
    try:
        yield
    except ChartuneError:
        raise
    except BaseException as error:  # the one deliberate broad except: its type is kept, its message is not
        if not (isinstance(error, Exception) or type(error).__name__ == PANIC):
            raise
        if out_of_memory(error):
            raise MemoryError from None
        raise AdapterError(
            f"{requirement}, but {why()}{library} {version(library)} stops with {type(error).__name__}; {remedy}."
        ) from None


def plain_bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file; never waits for a pipe, never reads a device.

    Raises:
        AdapterError: it is no regular file, is too large, or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > most:
                what = f"has {status.st_size:,} bytes" if stat.S_ISREG(status.st_mode) else "is none"
                raise AdapterError(f"{path} must be a regular file of at most {most:,} bytes, but {what}; replace it.")
            return file.read(most)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise AdapterError(
            f"{path} must be readable, but it is not ({reason}); correct its rights or replace it."
        ) from None


def is_plain(path: Path) -> bool:
    """Whether a regular file lies there, itself or behind links."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        AdapterError: it is damaged, too large or too deep.
    """
    try:
        value = json.loads(plain_bytes(path, JSON_BYTES).decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AdapterError(f"{path} must be a JSON object, but it is damaged; copy it again.")
    if not _is_shallow(value):
        raise AdapterError(
            f"{path} must hold objects and lists at most {JSON_DEPTH} deep, but it goes deeper; copy it again."
        )
    return value


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(inner, (dict, list))]  # fmt: skip
        if not level:
            return True
    return False
