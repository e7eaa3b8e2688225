"""What a category of codes is called: a dictionary of codes titles the codes, and seldom their category.

428    its own title, if the dictionary has one
4280   Congestive heart failure, unspecified  ┐
42821  Acute systolic heart failure           ├─▶ "Heart failure": the longest run of words in four of five titles
4281   Left heart failure                     ┘
427    no such run ─▶ the title of the most billed code, and " …"
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

SHARED: Final = 0.8
"""Share of the titles of a category that must hold what it is called."""
MARK: Final = " …"
"""Follows the title of a single code that stands for its category."""
_EMPTY: Final = frozenset({
    "a", "an", "and", "as", "at", "by", "classifiable", "classified", "condition", "conditions", "disease", "diseases",
    "disorder", "disorders", "due", "elsewhere", "encounter", "for", "from", "in", "initial", "involving", "mention",
    "nec", "nos", "not", "of", "on", "or", "other", "otherwise", "part", "parts", "procedure", "procedures", "site",
    "sites", "specified", "stated", "the", "to", "type", "types", "unspecified", "use", "with", "without",
})  # fmt: skip
"""Words that name nothing alone."""


def category_title(titles: Sequence[str], billed: str) -> str:
    """What a category is called whose dictionary titles its codes only.

    Args:
        titles: of all its codes, at least one.
        billed: that of its most billed code.
    """
    if len(titles) == 1:
        return titles[0]
    run = _longest_run([_words(title) for title in titles])
    return f"{run[:1].upper()}{run[1:]}" if run else f"{billed}{MARK}"


def _longest_run(titles: Sequence[Sequence[str]]) -> str:
    """The longest run of words that stands in most titles, of equal ones the one in most; empty: there is none."""
    least = SHARED * len(titles)
    known = Counter(word for title in titles for word in {word.lower() for word in title})
    frequent = {word for word, count in known.items() if count >= least}
    spelt: dict[tuple[str, ...], str] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for title in titles:
        runs = {tuple(word.lower() for word in run): " ".join(run) for run in _runs(title, frequent)}
        counts.update(runs.keys())
        for run, words in runs.items():
            spelt.setdefault(run, words)
    enough = [run for run, count in counts.items() if count >= least]
    best = max(enough, key=lambda run: (len(run), counts[run], run), default=None)
    return spelt[best] if best else ""


def _runs(title: Sequence[str], frequent: set[str]) -> Iterator[Sequence[str]]:
    """All runs of frequent words that begin and end with one that names something."""
    for usual, part in groupby(title, key=lambda word: word.lower() in frequent):
        words = list(part) if usual else []
        named = [n for n, word in enumerate(words) if word.lower() not in _EMPTY]
        yield from (words[first : last + 1] for first in named for last in named if first <= last)


def _words(title: str) -> list[str]:
    return re.findall(r"[^\s,;:()\[\]]+", title)
