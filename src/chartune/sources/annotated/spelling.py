"""Spelling: whether offsets lead to the words that the annotation itself quotes, and where they do if not there.

    offsets 21–27, words "Fields"      text[21:27] = "Fields"      they hold
                                       text[17:23] = "Fields"      they are moved by −4, and counted

Case, blanks, `&` for "and" and XML's own entities do not count: some formats quote in lower case, most quote a line
break as a blank, i2b2 2014 has one company's name with `&` in the text and "and" in the annotation.
"""

import html
import re
from collections.abc import Sequence
from typing import Final

WINDOW: Final = 16
"""Characters by which offsets may be off and still be mended; file 180-03 of i2b2 2014 is off by four."""
Span = tuple[int, int]

NOT_SPELT: Final = "the offsets do not lead to the annotation's own words"
EMPTY: Final = "the offsets hold no character"
MOVED: Final = "the words stand some characters beside the offsets, and the offsets were moved to them"
TRIMMED: Final = "the span began or ended with blanks, which were cut off"
JOINED: Final = "pieces with nothing but blanks between them were joined"
BROKEN: Final = "the span is broken into pieces; it counts from its first to its last character"
_BLANKS: Final = re.compile(r"\s+")


def key(words: str) -> str:
    """What two spellings of the same words share."""
    return _BLANKS.sub("", html.unescape(words)).replace("&", "and").casefold()


def spelt(text: str, pieces: Sequence[Span], words: str, shift: int = 0) -> bool:
    """Whether the pieces, moved by `shift` characters, lie in the text and spell these words."""
    moved = [(start + shift, end + shift) for start, end in pieces]
    if any(not 0 <= start < end <= len(text) for start, end in moved):
        return False
    return key("".join(text[start:end] for start, end in moved)) == key(words) != ""


def found_shift(text: str, pieces: Sequence[Span], words: str, usual: int = 0) -> int | None:
    """By how many characters to move the pieces so that they spell the words.

    Args:
        text: of the document.
        pieces: start and end of each, ascending.
        words: what the annotation quotes.
        usual: by how many the annotation before was moved; where one line of a file is off, all after it are.

    Returns:
        0 if they are right, else `usual`, else the nearest shift within `WINDOW`; None: nowhere, or left and right of
        the offsets equally near.
    """
    for shift in (0, usual):
        if spelt(text, pieces, words, shift):
            return shift
    for distance in range(1, WINDOW + 1):
        fitting = [shift for shift in (-distance, distance) if spelt(text, pieces, words, shift)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def tidied(text: str, pieces: Sequence[Span]) -> list[Span]:
    """Pieces without blanks at their ends, joined where only blanks (or nothing) stand between them."""
    joined: list[Span] = []
    for start, end in pieces:
        if joined and not text[joined[-1][1] : start].strip():
            start = joined.pop()[0]
        joined.append((start, end))
    return [_trimmed(text, piece) for piece in joined]


def _trimmed(text: str, piece: Span) -> Span:
    start, end = piece
    words = text[start:end]
    return start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())
