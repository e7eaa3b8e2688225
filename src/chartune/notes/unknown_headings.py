"""Headings that no rule knows: how other authors, or other languages, begin the parts of a summary.

    Anamnese:              unknown: a short line of letters after an empty one, with a colon at its end or words behind
    HISTORY                unknown: alone on its line, all in capitals
    Chief Complaint:       known
    He came on foot. He said: ...   prose: no heading

Such a line holds what an author writes over and over; one that few patients' texts hold may be anything, and whoever
lists these must leave it out.
"""

import re
from typing import Final

from chartune.notes.headings import Known, title_of
from chartune.notes.sections import comes_later

LONGEST: Final = 40
"""Characters of a heading."""
MOST_WORDS: Final = 5
"""Words of a heading."""
_LINE: Final = re.compile(
    r"(?:\A|\n[ \t]*\n)[ \t#*]*+(?P<label>[^\W\d_](?:[^\W\d_]|[ /&'-])"
    rf"{{1,{LONGEST - 1}}})(?P<colon>[ \t]*:)?(?P<rest>[^\n]*)"
)


def unknown_headings(text: str, known: Known = "variants") -> set[str]:
    """The headings of a summary that are known neither as of the arrival nor as of later, small letters.

    Args:
        text: of the note.
        known: which headings of the arrival are.
    """
    return {label for match in _LINE.finditer(text.replace("\r\n", "\n")) if (label := _heading(match, known))}


def _heading(match: re.Match[str], known: Known) -> str:
    """Of a line that could be one; empty: it is none, or is known."""
    label = " ".join(match["label"].split())
    if len(label.split()) > MOST_WORDS:
        return ""
    if match["colon"]:
        return "" if title_of(label, known) or comes_later(label) else label.lower()
    # Without a colon a line of prose looks alike, and no rule takes even a known word for a heading.
    return label.lower() if label.isupper() and not match["rest"].strip() and not comes_later(label) else ""
