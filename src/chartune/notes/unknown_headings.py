"""Headings that no rule knows: how other authors, or other languages, begin the parts of a summary.

    Anamnese:              unknown: a short line of letters after an empty one, with a colon at its end or words behind
    HISTORY                unknown: alone on its line, all in capitals
    Chief Complaint:       known
    He came on foot. He said: ...   prose: no heading

Such a line holds what an author writes over and over; one that few patients' texts hold may be anything, and whoever
lists these must leave it out.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from chartune.notes.headings import Known, title_of
from chartune.notes.sections import comes_later

LONGEST: Final = 40
"""Characters of a heading."""
MOST_WORDS: Final = 5
"""Words of a heading."""
_LINE: Final = (
    r"[ \t#*]*+(?P<label>[^\W\d_](?:[^\W\d_]|[ /&'-])"
    rf"{{1,{LONGEST - 1}}})(?P<colon>[ \t]*:)?(?P<rest>[^\n]*)"
)
_FIRST: Final = re.compile(_LINE)
_LATER: Final = re.compile(r"\n[ \t]*\n" + _LINE)


def unknown_headings(text: str, known: Known = "variants") -> set[str]:
    """The headings of a summary that are known neither as of the arrival nor as of later, small letters.

    Args:
        text: of the note.
        known: which headings of the arrival are.
    """
    return {label for match in _lines(text.replace("\r\n", "\n")) if (label := _heading(match, known))}


def _lines(text: str) -> Iterator[re.Match[str]]:
    """The lines that may be one; apart from the first they begin with a line break, which is found at once."""
    first = _FIRST.match(text)
    if first:
        yield first
    yield from _LATER.finditer(text, first.end() if first else 0)


def _heading(match: re.Match[str], known: Known) -> str:
    """Of a line that could be one; empty: it is none, or is known."""
    colon = match["colon"] is not None
    # Without a colon a line of prose looks alike, and no rule takes even a known word for a heading.
    if not colon and (match["rest"].strip() or not match["label"].isupper()):
        return ""
    return _unknown(match["label"], colon, known)


@lru_cache(maxsize=1 << 14)
def _unknown(label: str, colon: bool, known: Known) -> str:
    words = label.split()
    plain = " ".join(words)
    if len(words) > MOST_WORDS or comes_later(plain) or (colon and title_of(plain, known)):
        return ""
    return plain.lower()
