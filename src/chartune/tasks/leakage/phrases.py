"""Phrases: which words and short phrases of the training texts go along with the outcome, learnt from the data.

    "autopsy"   9 of 86 who died, 0 of 657 others     tells the outcome
    "DNR"      31 of 86 who died, 40 of 657 others    foretells it, honestly

Both associate, and no count tells them apart: what is listed is for a person to look at and fails nothing. Whether one
is there by chance is bounded over all phrases that were tried. Validation and test texts are not read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import polars as pl

from chartune.disclosure import SMALL
from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.fisher import discoveries, p_values, strengths
from chartune.tasks.leakage.grams import counted, one_each
from chartune.tasks.leakage.shares import Share, share

FALSE_DISCOVERY: Final = 0.01
SUPPORT: Final = 5
MOST_LISTED: Final = 20


@dataclass(frozen=True)
class Learning:
    """How phrases are judged."""

    false_discovery: float = FALSE_DISCOVERY
    """Of the phrases that pass, at most this share on average goes along with the outcome by chance."""
    support: int = SUPPORT
    """Patients at least in whose texts a phrase stands."""


@dataclass(frozen=True)
class Phrase:
    """A phrase that goes along with the outcome; patients are counted, not examples."""

    phrase: str
    """Letters only."""
    present: Share
    """Patients whose text holds it, of those with the outcome."""
    absent: Share
    """The same of all others."""

    @property
    def lean(self) -> float:
        """Share with the outcome less share without it, as far as they are known."""
        return (self.present.share or 0.0) - (self.absent.share or 0.0)


@dataclass(frozen=True)
class Phrases:
    """What was learnt of the phrases of a task."""

    label: str
    """The outcome."""
    tested: int
    """Phrases that enough patients share."""
    passed: int
    """Those that go along with the outcome."""
    listed: tuple[Phrase, ...]
    """The strongest, without those that hold a stronger one or are held by one."""
    rare: tuple[Phrase, ...] = ()
    """The strongest of those that fewer than ten patients share; of real patients none."""
    withheld: int = 0
    """How many rare ones are not shown."""

    @property
    def shown(self) -> tuple[Phrase, ...]:
        """All that are named."""
        return (*self.listed, *self.rare)

    def hidden(self) -> Self:
        """As it is shown of real patients: nothing that fewer than ten share, and in an order that tells no count."""
        shown = [replace(row, present=row.present.hidden(), absent=row.absent.hidden()) for row in self.listed]
        listed = tuple(sorted(shown, key=lambda row: (-abs(row.lean), row.phrase)))
        return replace(self, listed=listed, rare=(), withheld=self.withheld + len(self.rare))


def learns_phrases(space: LabelSpace) -> bool:
    """Whether a task is looked at: a question of yes or no. Of many labels nearly every disease's name would pass."""
    return space.form.one_outcome and len(space.labels) == 2


def phrases(train: Rows, space: LabelSpace, how: Learning) -> Phrases:
    """The phrases of training texts that go along with the outcome.

    Args:
        train: training examples only, with `subject_id`, `text` and `label`.
        space: of two labels; the second is asked about.
        how: when a phrase passes.
    """
    patients = one_each(train)
    with_outcome = int(patients["asked"].sum())
    without = patients.height - with_outcome
    if not (with_outcome and without):
        return Phrases(space.labels[1], 0, 0, ())
    counts = counted(train, patients, how.support)
    cells = counts["present"].to_numpy(), counts["absent"].to_numpy(), with_outcome, without
    passed = discoveries(p_values(*cells), how.false_discovery)
    short = pl.col("phrase").str.count_matches(" "), -pl.col("phrase").str.len_chars().cast(pl.Int64), "phrase"
    ranked = counts.with_columns(passed=pl.Series(passed), strength=pl.Series(np.round(strengths(*cells), 9)))
    ranked = ranked.filter("passed").sort(-pl.col("strength"), *short)
    rare = pl.col("present") + pl.col("absent") < SMALL
    listed = _strongest(_shares(ranked.filter(~rare), with_outcome, without), ())
    fewer = _strongest(_shares(ranked.filter(rare), with_outcome, without), listed)
    return Phrases(space.labels[1], counts.height, ranked.height, listed, fewer)


def _shares(ranked: pl.DataFrame, with_outcome: int, without: int) -> Iterator[Phrase]:
    for phrase, present, absent in ranked.select("phrase", "present", "absent").iter_rows():
        yield Phrase(phrase, share(present, with_outcome), share(absent, without))


def _strongest(ranked: Iterable[Phrase], before: Sequence[Phrase]) -> tuple[Phrase, ...]:
    """The first of them, without phrases that hold one of those before them or are held by one."""
    kept: list[Phrase] = []
    for row in ranked:
        if len(kept) == MOST_LISTED:
            break
        if not any(_holds(row.phrase, other.phrase) or _holds(other.phrase, row.phrase) for other in (*before, *kept)):
            kept.append(row)
    return tuple(kept)


def _holds(longer: str, shorter: str) -> bool:
    return f" {shorter} " in f" {longer} "
