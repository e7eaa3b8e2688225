"""Findings: what a reader of an annotated corpus met, kept and left out, so that nothing goes missing unseen.

    read  = kept + left out        checked for entities, relations, attributes, documents and pairs of every corpus

A finding is a reason, a count and the ids of the documents; never a word of a text.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from chartune.errors import DataError

Thing = Literal["documents", "entities", "relations", "attributes", "pairs"]
THINGS: Final[tuple[Thing, ...]] = ("documents", "entities", "relations", "attributes", "pairs")
MOST_IDS: Final = 20
"""Ids of documents that a finding names; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """One reason, and how often it was met."""

    what: Thing
    """What it is about."""
    left_out: bool
    """Whether these were left out; else they were kept, mended or only noted."""
    reason: str
    """Why, in words."""
    count: int
    """How many."""
    documents: int
    """In how many documents."""
    ids: tuple[str, ...]
    """The first `MOST_IDS` of these documents, sorted."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "ids": list(self.ids)}

    def __str__(self) -> str:
        outcome = "left out" if self.left_out else "noted"
        files = "1 document" if self.documents == 1 else f"{self.documents} documents"
        return f"{self.what}: {self.count} {outcome} in {files}: {self.reason}."


class Findings:
    """Counts of one reading of one corpus."""

    def __init__(self) -> None:
        self._read: Counter[Thing] = Counter()
        self._seen: defaultdict[tuple[Thing, bool, str], Counter[str]] = defaultdict(Counter)

    def read(self, what: Thing, count: int = 1) -> None:
        """So many were found in the raw files."""
        self._read[what] += count

    def left_out(self, what: Thing, reason: str, doc_id: str, count: int = 1) -> None:
        """These were read and are not in the frames."""
        self._seen[what, True, reason][doc_id] += count

    def note(self, what: Thing, reason: str, doc_id: str, count: int = 1) -> None:
        """These are in the frames (or were never annotations), and a reader should know."""
        self._seen[what, False, reason][doc_id] += count

    def all(self) -> list[Finding]:
        """Every finding, those left out first, in a fixed order."""
        keys = sorted(self._seen, key=lambda key: (THINGS.index(key[0]), not key[1], key[2]))
        return [
            Finding(*key, seen.total(), len(seen), tuple(sorted(seen)[:MOST_IDS]))
            for key in keys
            for seen in (self._seen[key],)
        ]

    def count(self, what: Thing, *, left_out: bool = True) -> int:
        """How many were left out, or noted."""
        return sum(seen.total() for key, seen in self._seen.items() if key[:2] == (what, left_out))

    def warnings(self) -> tuple[str, ...]:
        """The findings as lines for the data card: counts, no ids."""
        return tuple(map(str, self.all()))

    def reconcile(self, kept: Mapping[Thing, int]) -> None:
        """Whatever was read must have been kept or left out with a reason.

        Raises:
            DataError: a reader has lost some; that is a fault of chartune, not of the data.
        """
        for what, count in kept.items():
            gone = self._read[what] - count - self.count(what)
            if gone:
                raise DataError(
                    f"{what} that are read must be kept or left out with a reason, but of {self._read[what]} {count} "
                    f"were kept and {self.count(what)} left out, so {gone} are not accounted for; please report this."
                )
