"""Names and titles that people give: one printable line. They end in file names, tables, cards and terminals."""

import re
import unicodedata
from contextlib import suppress
from typing import Annotated, Final

from pydantic import AfterValidator

from chartune.errors import ConfigError

MOST_LETTERS: Final = 200
MARKS: Final = "/\\<>|`"
"""What would make a path, a tag, a cell or code of a name."""
_UNSEEN: Final = "\u115f\u1160\u2800\u3164\uffa0\U0001d159"
"""Letters and signs by their category that are drawn as nothing: fillers of Hangul, blanks of Braille and of music."""
FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")


def valid_title(text: str) -> str:
    """The text, if it can be a title.

    Raises:
        ValueError: it is blank, longer than a line, or holds what cannot be printed.
    """
    if not any(map(_is_seen, text)):
        raise ValueError("a name must not be blank")
    if not text.isprintable():
        raise ValueError("a name must be one line of printable characters")
    if len(text) > MOST_LETTERS:
        raise ValueError(f"a name must have at most {MOST_LETTERS} characters")
    return text


def is_title(text: str) -> bool:
    """Whether the text can be a title."""
    with suppress(ValueError):
        return bool(valid_title(text))
    return False


def _is_seen(letter: str) -> bool:
    """Whether it leaves ink by itself: marks join what stands before them, blanks and characters of format do not."""
    return unicodedata.category(letter)[0] in "LNPS" and letter not in _UNSEEN


def valid_name(text: str) -> str:
    """The text, if it can be a name.

    Raises:
        ValueError: it is no title, holds one of `MARKS`, or looks like the fingerprint of a run.
    """
    valid_title(text)
    if text in (".", "..") or any(mark in text for mark in MARKS):
        raise ValueError(f"a name must hold none of {' '.join(MARKS)}")
    if FINGERPRINT.fullmatch(text):
        raise ValueError("a name must not look like a fingerprint (16 hexadecimal digits): it would stand for a run")
    return text


def _blank_or_title(text: str) -> str:
    return valid_title(text) if text else text


Name = Annotated[str, AfterValidator(valid_name)]
"""Of a run."""
Title = Annotated[str, AfterValidator(valid_title)]
"""A heading."""
MaybeTitle = Annotated[str, AfterValidator(_blank_or_title)]
"""A heading; empty: made from what it stands over."""


def named(text: str) -> str:
    """A name made of values: what a name must not hold becomes `-`."""
    clean = "".join("-" if letter in MARKS or not letter.isprintable() else letter for letter in text)
    return clean[:MOST_LETTERS]


def checked_title(text: str, option: str) -> str:
    """A title that was given on the command line.

    Raises:
        ConfigError: it can be none.
    """
    try:
        return valid_title(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}, got {text[:60]!r}.") from None
