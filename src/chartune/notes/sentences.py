r"""Sentences: a note in parts that can be left out, known by their places in it.

    Chief Complaint: fever.⏎⏎He was septic. BP 80/40⏎on Dr. Lee's arrival.⏎- lactate 4
    └─────────0───────────┘  └─────1──────┘ └──────────2─────────────────┘ └────3────┘

A sentence ends at `.`, `!` or `?` before a blank, unless a small letter follows or an abbreviation or the number of a
list ends there; at an empty line; and at a line break before a line of a list or with a heading. Other line breaks do
not count, because a chart's lines are broken at a fixed width. The rule is simple, and a place is exact.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_STOP: Final = re.compile(r"(?P<stop>[.!?]+[\"')\]]*)\s+")
_BREAK: Final = re.compile(
    r"\n(?=[ \t]*\n)"
    r"|\n(?=[ \t]*(?:[-*•#]|\d{1,2}[.)])[ \t])"
    r"|\n(?=[ \t]*[A-Z][^\n:.]{0,50}:)"
)
_BEFORE: Final = re.compile(r"(?:^|[\s(])([^\s(]*)$")
_SHORT: Final = frozenset({
    "dr", "mr", "mrs", "ms", "prof", "st", "pt", "pts", "vs", "no", "nos", "fig", "approx", "ca", "cf", "e.g", "i.e",
    "resp", "hx", "dx", "tx", "sig", "q.d", "q.i.d", "q.h.s", "b.i.d", "t.i.d", "p.o", "p.r.n", "a.m", "p.m",
})  # fmt: skip
"""Words behind whose full stop a sentence mostly goes on."""
_REACH: Final = 20
"""Characters in which the word before a full stop is looked for."""


class Span(NamedTuple):
    """A place in a text, in characters, the end exclusive."""

    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order; between them, before and behind there are blanks alone."""
    stops = {match.end() for match in _STOP.finditer(text) if _ends(text, match)}
    cuts = {0, len(text)} | stops | {match.end() for match in _BREAK.finditer(text)}
    trimmed = (_trimmed(text, start, end) for start, end in pairwise(sorted(cuts)))
    return [span for span in trimmed if span.end > span.start]


def grouped(spans: Sequence[Span], most: int) -> list[tuple[Span, int]]:
    """Spans, neighbours joined where there are more than `most`; and how many each holds, alike but for one.

    Args:
        spans: in order.
        most: 1 or more.
    """
    parts = min(most, len(spans))
    edges = [len(spans) * number // parts for number in range(parts + 1)] if parts else [0]
    return [(Span(spans[i].start, spans[j - 1].end), j - i) for i, j in pairwise(edges)]


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence ends at a full stop or the like."""
    stop = match["stop"]
    if text[match.end() : match.end() + 1].islower():
        return False
    word = _BEFORE.search(text[max(0, match.start() - _REACH) : match.start()])
    before = word[1].lower() if word else ""
    is_listed = before.isdigit() and len(before) <= 2 and _begins_a_line(text, match.start() - len(before))
    return not (stop == "." and (before in _SHORT or is_listed or (len(before) == 1 and before.isalpha())))


def _begins_a_line(text: str, place: int) -> bool:
    line = text[max(0, place - _REACH) : place]
    return not line.rpartition("\n")[2].strip()


def _trimmed(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    return Span(start + lead, start + len(part.rstrip()) if part.strip() else start + lead)
