"""Which parts of a note that is too long are read: its most useful sections first, each up to its share of the tokens.

    Allergies: … │ Chief Complaint: … │ HPI: …… │ PMH: … │ Hospital Course: ………       a note, longer than there is room
    Chief Complaint: … │ HPI: …… │ PMH: … │ Allergies: …                              what is read of it

Sections are those of `chartune.notes.sections`. One that is longer than its share leaves room to the next ones; what is
left when all have had their turn is filled up in the same order, then with the rest of the note in its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from chartune.notes.headings import SURGICAL
from chartune.notes.sections import LATER, sections

Title = Literal[
    "chief complaint", "present illness", "medical history", "medication on admission", "physical exam", "allergies",
    "family history", "social history", "hospital course", "transfer", "discharge", "time of death", "procedures",
    "follow-up",
]  # fmt: skip
"""Of sections that are known: the eight that describe a patient on arrival, and those that were written later."""
ON_ARRIVAL: Final[tuple[Title, ...]] = get_args(Title)[:8]
"""The eight, in an order of use: why and how ill the patient came, what was known of before, then habits and family."""


@dataclass(frozen=True)
class Part:
    """A part of a text, in characters."""

    start: int
    end: int


def parts_of(text: str, order: Sequence[Title]) -> tuple[list[Part], list[Part]]:
    """The sections that are asked for, in the order of use, and the rest of the text in its own; both cover it whole.

    Args:
        text: of a note, line breaks without carriage returns.
        order: titles, the most useful first.
    """
    found = list(sections(text))
    starts = [len(text[: section.start].rstrip()) for section in found]  # the empty line before it parts it from others
    wanted: dict[str, list[Part]] = {title: [] for title in order}
    rest = [Part(0, starts[0] if found else len(text))]
    for section, start, end in zip(found, starts, [*starts[1:], len(text)], strict=False):
        wanted.get(called(section.title), rest).append(Part(start, end))
    return [part for parts in wanted.values() for part in parts], [part for part in rest if part.end > part.start]


def allotted(sizes: Sequence[int], room: int, share: float, wanted: int) -> list[int]:
    """How many tokens of each part are read.

    Args:
        sizes: tokens of each, in the order of use.
        room: tokens that are read in all.
        share: of the room, that a part fills at most before the next has its turn.
        wanted: how many parts, the first, are bound by the share; the others have what is left.
    """
    most, taken, left = max(1, int(share * room)), [0] * len(sizes), room
    turns = [*((n, most) for n in range(wanted)), *((n, room) for n in range(len(sizes)))]
    for n, bound in turns:
        more = min(min(sizes[n], bound) - taken[n], left)
        taken[n] += more
        left -= more
    return taken


@lru_cache(maxsize=1 << 14)
def called(heading: str) -> str:
    """The title of a section from its heading; the heading itself where it is none of those that are known."""
    if heading == SURGICAL:
        return "medical history"
    plain = " ".join(heading.split()).lower()
    return next((title for title, pattern in LATER.items() if re.fullmatch(pattern, plain)), plain)
