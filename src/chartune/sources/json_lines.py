"""JSON Lines: one object per line, and what its values are as text.

    {"text": "…", "age": 71, "labels": ["I10", "E11"]} ─▶ (1, the object) ─▶ "71" · "I10⏎E11"

What goes wrong here quotes no line.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.sources.dialect import GLUE, Dialect
from chartune.sources.whole_rows import letters, refuse_long


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceError
    return row


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)
"""One for all lines: making it takes longer than a short line."""


def objects(file: Path, dialect: Dialect) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of every line that is not blank.

    Raises:
        SchemaError: a line is no JSON object, has a key twice, or is longer than a row may be.
        OSError, EOFError, zlib.error: the file is damaged.
    """
    number = 0
    for line in _lines(file, dialect):
        if not (text := line.decode("utf-8", errors="replace").strip()):
            continue
        number += 1
        yield number, _object(file, number, text)


def _lines(file: Path, dialect: Dialect) -> Iterator[bytes]:
    """The lines of a file in UTF-8. Raises SchemaError: one is longer than a row may be."""
    rest = b""
    for chunk in letters(file, dialect.encoding):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            refuse_long(file, len(line), dialect.longest_row)
            yield line
        refuse_long(file, len(rest), dialect.longest_row)
    yield rest


def _object(file: Path, number: int, text: str) -> dict[str, Any]:
    row, wrong = None, "is none; export it as JSON Lines"
    try:
        row = _DECODER.decode(text)
    except _TwiceError:
        wrong = "has a key twice; export it with each key once"
    except (ValueError, RecursionError):  # they quote the line, and are gone before the next one
        pass
    if not isinstance(row, dict):
        raise SchemaError(f"{file.name}: every line must be one JSON object, but row {number} {wrong}.")
    return row


def text_of(file: Path, number: int, value: Any) -> str | None:
    """A JSON value as text; whole numbers without a point, items of a list joined by `GLUE`.

    Raises:
        SchemaError: it is an object, or holds one.
    """
    if value is None or isinstance(value, str):
        # A half of a character pair is legal in JSON and in no text.
        return value if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        return GLUE.join(text for item in value if (text := text_of(file, number, item)) is not None)
    raise SchemaError(
        f"{file.name}: a cell must be a text, a number or a list of these, but one of row {number} holds an object; "
        f"flatten it."
    )
