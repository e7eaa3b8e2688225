"""Wording: phrases of a text that tell the outcome, and headings of what is written after it.

    "... made comfort measures only, and passed away"     died      what a mortality model should not be given
    "Brief Hospital Course:"                              all       written with the outcome in view

A wording gives an answer away when the texts of one label have it more often than all others: the ratio says so.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

import polars as pl

from chartune.notes.deaths import tells_death
from chartune.notes.sections import LATER
from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.shares import Share, enough, share

TELLING: Final = 2.0
"""A wording that is so many times more frequent with a label gives it away."""
MOST: Final = 0.8
"""A wording in so large a share of the texts of a label is the answer itself, if few others have it."""
FEW: Final = 0.05
"""Share of all others that are few."""
MOST_LABELS: Final = 6
"""Tasks with more answers are not looked at: outcomes have few."""
DEATH: Final = "death"
"""The stated deaths for which a mortality task drops a note (`chartune.notes.deaths`)."""
OUTCOMES: Final = {
    "expired": r"\bexpired\b",
    "hospice": r"\bhospice\b",
    "comfort care": r"\bcomfort\s+(?:care|measures?)\b|\bcmo\b",
    "brain death": r"\bbrain[\s-]+(?:death|dead)\b",
    "withdrawal of care": r"\bwithdr(?:aw(?:al|ing|n)?|ew)\s+(?:of\s+)?(?:\w+\s+){0,2}(?:care|support)\b"
    r"|\b(?:care|support)\s+(?:was\s+|were\s+)?withdrawn\b",
    "tracheostomy": r"\btrach(?:eo(?:stom|tom)\w*|ed|'d)?\b",
    "feeding tube": r"\bpeg\b|\bgastrostomy\b|\bg-tube\b",
    "prolonged ventilation": r"\bprolonged\s+(?:mechanical\s+)?vent\w*|\bvent(?:ilator)?[\s-]+depend\w+"
    r"|\bfail\w*\s+to\s+wean\b",
}
"""Wording → pattern, of lower case and upper case alike."""


@dataclass(frozen=True)
class Wording:
    """How often a phrase stands in texts with a label and without it."""

    split: str
    wording: str
    """`death`, or a key of `OUTCOMES`."""
    label: str
    """Such as `died`; of two labels the one that is asked about."""
    present: Share
    """Texts that hold it, of those with the label."""
    absent: Share
    """Texts that hold it, of all others."""
    ratio: float | None
    """Frequency with the label over frequency without; None: one of them is zero, hidden or of nobody."""
    telling: bool
    """Whether it gives the label away, as far as enough texts show; decided before small counts are hidden."""
    answer: bool
    """Whether nearly all texts of the label have it and nearly no other: a search for it scores like any model."""

    def hidden(self) -> Self:
        """As it is shown of real patients."""
        present, absent = self.present.hidden(), self.absent.hidden()
        return replace(self, present=present, absent=absent, ratio=_ratio(present, absent))


@dataclass(frozen=True)
class Later:
    """Texts that hold a heading of what is written after the outcome."""

    split: str
    section: str
    """A key of `chartune.notes.sections.LATER`."""
    texts: Share


def worded(texts: pl.Series) -> pl.DataFrame:
    """Whether each text holds each wording: a column per wording, booleans [n]."""
    text = pl.col("text")
    flags = [text.str.contains(f"(?i){pattern}").alias(name) for name, pattern in OUTCOMES.items()]
    frame = texts.fill_null("").alias("text").to_frame()
    deaths = [tells_death(words) for words in frame["text"]]
    return frame.select(pl.Series(DEATH, deaths, dtype=pl.Boolean), *flags)


def headed(texts: pl.Series) -> pl.DataFrame:
    """Whether each text holds a heading of each later section: a column per section, booleans [n]."""
    text = pl.col("text")
    flags = [
        text.str.contains(rf"(?im)\b(?:{p})(?:[ \t]*:|[ \t]+[–—-][ \t])|^[ \t]*(?:{p})[ \t]*$").alias(name)
        for name, p in LATER.items()
    ]
    return texts.fill_null("").alias("text").to_frame().select(*flags)


def tells_outcomes(space: LabelSpace) -> bool:
    """Whether a task asks for an outcome: each text has one of a few labels."""
    return space.form.whole_text and not space.form.several and 0 < len(space.labels) <= MOST_LABELS


def wordings(marks: pl.DataFrame, space: LabelSpace) -> tuple[Wording, ...]:
    """The wordings that some text holds, by split and label.

    Args:
        marks: `split`, `label` (its number) and the columns of `worded`.
        space: the labels; of two the second is asked about.
    """
    asked = space.form.asked(space.labels)
    rows = [
        _wording(str(split), name, label, *(group.filter(is_it)[name] for is_it in _with_and_without(number)))
        for (split,), group in marks.group_by("split", maintain_order=True)
        for name in (DEATH, *OUTCOMES)
        for number, label in asked
    ]
    return tuple(row for row in rows if row.present.some or row.absent.some)


def later_sections(marks: pl.DataFrame) -> tuple[Later, ...]:
    """The later sections that some text holds. marks: `split` and the columns of `headed`."""
    rows = [
        Later(str(split), name, share(int(group[name].sum()), group.height))
        for (split,), group in marks.group_by("split", maintain_order=True)
        for name in LATER
    ]
    return tuple(row for row in rows if row.texts.some)


def _with_and_without(number: int) -> tuple[pl.Expr, pl.Expr]:
    return pl.col("label") == number, pl.col("label") != number


def _wording(split: str, name: str, label: str, present: pl.Series, absent: pl.Series) -> Wording:
    own, others = share(int(present.sum()), len(present)), share(int(absent.sum()), len(absent))
    ratio = _ratio(own, others)
    telling = enough(own.count) and (others.count == 0 or (ratio is not None and ratio >= TELLING))
    answer = telling and (own.share or 0.0) >= MOST and others.share is not None and others.share <= FEW
    return Wording(split, name, label, own, others, ratio, telling, answer)


def _ratio(present: Share, absent: Share) -> float | None:
    return present.share / absent.share if present.share and absent.share else None
