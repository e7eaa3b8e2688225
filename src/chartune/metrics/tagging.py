"""Tagging: words of a text, a tag for each, and the spans that tags say; all in characters of the text.

    text     severe chest pain .      words   severe | chest | pain | .
    spans    [finding: 0-17]          tags    B-finding I-finding I-finding O
    number   of a tag: 0 O · 1 + 2k B- and 2 + 2k I- of the type with number k

A word is a run of letters, digits and underscores, or one other character that is no blank. This cuts as the
pre-tokenizers of BERT's kind do, and needs no language; a span that begins or ends within a word cannot be said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

OUTSIDE: Final = 0
"""The number of the tag O."""
_WORD: Final = re.compile(r"\w+|[^\w\s]")
Labelled: TypeAlias = tuple[int, int, int]
"""Start, end (exclusive), number of the type; -1: a type that nobody has learnt."""


class Marked(NamedTuple):
    """A span that a model says."""

    start: int
    end: int
    """Exclusive."""
    label: int
    """Number of its type."""
    probability: float
    """The lowest among the tags of its words."""
    well_formed: bool
    """Whether its first tag is a B-; seqeval's strict mode leaves out a span that begins with an I-."""

    @property
    def span(self) -> Labelled:
        """Place and type."""
        return self.start, self.end, self.label


@dataclass(frozen=True, eq=False)
class TaggedWords:
    """What was made of a document."""

    spans: tuple[Marked, ...]
    words: NDArray[np.int64] | None = None
    """Start and end of each word that was read, [W, 2]; None: read from a file, which keeps spans alone."""
    log_probabilities: NDArray[np.float64] | None = None
    """Of each tag of these words, [W, K]."""


def words_of(text: str) -> NDArray[np.int64]:
    """Start and end of each word of a text, [W, 2]."""
    places = [match.span() for match in _WORD.finditer(text)]
    return np.asarray(places, dtype=np.int64).reshape(-1, 2)


def tag_count(types: int) -> int:
    """How many tags there are of so many types."""
    return 1 + 2 * types


def tag_names(types: Sequence[str]) -> tuple[str, ...]:
    """Names of the tags in the order of their numbers."""
    return ("O", *(f"{begins}-{name}" for name in types for begins in "BI"))


def tags_of(words: NDArray[np.int64], spans: Iterable[Labelled]) -> NDArray[np.int64]:
    """The tag of each word, [W].

    A word belongs to a span that has a character of it. Of spans that share a word, the one that begins first, and of
    those the longest, is tagged, and the others are not: one tag says one span. Types that nobody has learnt are O.

    Args:
        words: [W, 2], ascending.
        spans: of the document.
    """
    tags = np.full(len(words), OUTSIDE, dtype=np.int64)
    reached = 0
    for start, end, label in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        first = int(np.searchsorted(words[:, 1], start, side="right"))
        last = int(np.searchsorted(words[:, 0], end, side="left"))
        if label < 0 or first < reached or first >= last:
            continue
        tags[first], tags[first + 1 : last], reached = 1 + 2 * label, 2 + 2 * label, last
    return tags


def marked(
    words: NDArray[np.int64], tags: NDArray[np.int64], probabilities: NDArray[np.float64] | None = None
) -> tuple[Marked, ...]:
    """The spans that the tags of words say, read as seqeval's default mode does: an I- without a beginning begins one.

    Args:
        words: [W, 2].
        tags: [W].
        probabilities: of the tag of each word, [W]; None: 1.
    """
    sure = np.ones(len(tags)) if probabilities is None else probabilities
    spans: list[Marked] = []
    before = OUTSIDE
    for number in np.flatnonzero(tags).tolist():
        tag, label = int(tags[number]), (int(tags[number]) - 1) // 2
        begins = tag % 2 == 1
        if not begins and number > 0 and tags[number - 1] != OUTSIDE and (before - 1) // 2 == label:
            last = spans[-1]
            least = min(last.probability, float(sure[number]))
            spans[-1] = last._replace(end=int(words[number, 1]), probability=least)
        else:
            start, end = words[number].tolist()
            spans.append(Marked(start, end, label, float(sure[number]), begins))
        before = tag
    return tuple(spans)
