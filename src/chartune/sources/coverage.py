"""Coverage: how many a rule could have reached, and how many it did: one that fits badly looks like small data.

    rule                          usual   reached                what is said
    a category that is known      90 %    1,180 of 1,200 notes   as it is
    a discharge summary           50 %    20 of 1,000 stays      a warning, with the remedy

Whether a rule reached few is judged by what is shown of real patients, their classes of ten, so that no warning tells
more than the counts beside it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chartune.disclosure import SMALL, lowest
from chartune.record import Record

ENOUGH: Final = SMALL
"""Below so many nothing is warned of."""


class Coverage(Record):
    """What one rule reached."""

    rule: str
    """What it looks for, such as `a title`."""
    unit: str
    """Of what, such as `notes`."""
    reachable: int
    reached: int
    usual: float | None = None
    """A smaller share is warned of; None: any share is usual."""
    way_out: str = ""
    """Why it may reach few, and what to do."""
    in_flow: bool = False
    """Whether it is a filter, whose counts the flow of its task shows."""


@dataclass(frozen=True)
class Rule:
    """A filter or parser that can miss without a word. Fields as those of `Coverage`."""

    rule: str
    unit: str
    usual: float | None = None
    way_out: str = ""

    def of(self, reachable: int, reached: int) -> Coverage:
        """What it reached."""
        return Coverage(
            rule=self.rule, unit=self.unit, reachable=reachable, reached=reached, usual=self.usual, way_out=self.way_out
        )


CATEGORY: Final = Rule(
    "a category of the release", "notes", 0.9,
    "A note of another category is read nowhere; name it as the release does (CATEGORY, or note_type).",
)  # fmt: skip
KNOWN_ADMISSION: Final = Rule(
    "a known admission", "rows that name an admission", 0.99,
    "Of the others nobody is asked about; are this table and that of admissions of one release, and whole?",
)  # fmt: skip
ICD_VERSION: Final = Rule(
    "the version ICD-9 or ICD-10", "codes", 0.99,
    "Codes of another version are asked about nowhere; see what icd_version says of them.",
)  # fmt: skip
TITLE: Final = Rule(
    "a title", "codes", 0.8,
    "Whatever looks for words of titles misses the others; are codes and titles of one release, and text, not numbers?",
)  # fmt: skip
OF_TABLES: Final = {rule.rule: rule for rule in (CATEGORY, KNOWN_ADMISSION, ICD_VERSION, TITLE)}
"""Rules whose counts are taken while a table is read (`chartune.sources.tables.Tally`)."""
MASKS: Final = Rule("masks of de-identification ([** **] or ___)", "notes that are read")
"""No share is usual: a hospital's own notes have none, or others."""
Whose = Mapping[str, Sequence[Coverage]]
"""Table or task → what its rules reached."""


def few(reached: Coverage) -> bool:
    """Whether a rule reached less than is usual, whatever the counts of the shown classes are."""
    highest = lowest(reached.reached) + SMALL - 1 if reached.reached else 0
    least = lowest(reached.reachable) * (reached.usual or 0)
    return reached.reachable >= ENOUGH and highest < least


def described(rules: Whose) -> list[str]:
    """What was reached, filters apart: a line for rules that could have reached the same, and one for all that did."""
    own = {whose: [row for row in rows if not row.in_flow] for whose, rows in rules.items()}
    groups = {whose: _alike(rows, lambda row: (row.reachable, row.unit)) for whose, rows in own.items()}
    some = {whose: [group for group in each if not _whole(group)] for whose, each in groups.items()}
    every = {whose: [row.rule for group in each if _whole(group) for row in group] for whose, each in groups.items()}
    everything = "; ".join(f"{whose} ({', '.join(names)})" for whose, names in every.items() if names)
    return [*_lines(some, _described), *([f"reached wherever it could be: {everything}."] if everything else [])]


def rare(rules: Whose) -> list[str]:
    """A warning for all rules that reached fewer than usual for the same reason; who agrees shares a line."""
    scarce = {whose: [row for row in rows if few(row)] for whose, rows in rules.items()}
    alike = {whose: _alike(rows, lambda row: (row.unit, row.usual, row.way_out)) for whose, rows in scarce.items()}
    return _lines(alike, _rare)


def _alike(rows: Sequence[Coverage], kind: Callable[[Coverage], Hashable]) -> list[list[Coverage]]:
    """Rules of one kind together; none that could have reached nothing."""
    groups: dict[Hashable, list[Coverage]] = {}
    for row in rows:
        if row.reachable:
            groups.setdefault(kind(row), []).append(row)
    return list(groups.values())


def _whole(group: Sequence[Coverage]) -> bool:
    return all(row.reached == row.reachable for row in group)


def _lines(groups: Mapping[str, Sequence[Sequence[Coverage]]], say: Callable[[Sequence[Coverage]], str]) -> list[str]:
    """A line for each group; who agrees shares one."""
    names: dict[str, list[str]] = {}
    for whose, each in groups.items():
        for group in each:
            names.setdefault(say(group), []).append(whose)
    return [f"{', '.join(who)}: {what}" for what, who in names.items()]


# Counts, which are shown by their class wherever a sentence is: "<10 %" of 12 would be one patient.
def _described(rows: Sequence[Coverage]) -> str:
    return f"of {rows[0].reachable} {rows[0].unit}: {', '.join(f'{row.rule} {row.reached}' for row in rows)}."


def _rare(rows: Sequence[Coverage]) -> str:
    which, first = ", ".join(row.rule for row in rows), rows[0]
    return f"fewer than {first.usual:.0%} of the {first.unit} have {which}. {first.way_out}".strip()
