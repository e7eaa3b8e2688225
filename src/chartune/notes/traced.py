"""Traced: a text in which something was replaced or taken off, and where each of its places was before.

A place is a number of characters (code points) from the beginning.
"""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Traced:
    """A text as it is read, and its places in the text as it was given."""

    text: str
    origins: NDArray[np.int64]
    """Where each place was, that behind the last character too: [characters + 1]."""

    @classmethod
    def of(cls, text: str) -> Self:
        """A text as it was given."""
        return cls(text, np.arange(len(text) + 1))

    def origin(self, place: int) -> int:
        """Where a place of the text was before."""
        return int(self.origins[place])

    def replaced(self, pattern: re.Pattern[str], by: str) -> Self:
        """Each match replaced; a place within what replaces it is that of the match's beginning."""
        parts, places, taken = list[str](), [np.zeros(0, dtype=np.int64)], 0
        for match in pattern.finditer(self.text):
            parts += [self.text[taken : match.start()], by]
            places += [np.arange(taken, match.start()), np.full(len(by), match.start())]
            taken = match.end()
        places.append(np.arange(taken, len(self.text) + 1))
        return type(self)("".join([*parts, self.text[taken:]]), self.origins[np.concatenate(places)])

    def stripped(self) -> Self:
        """Blanks at both ends taken off."""
        lead, text = len(self.text) - len(self.text.lstrip()), self.text.strip()
        return type(self)(text, self.origins[lead : lead + len(text) + 1])
