"""Who is in the data: the flow diagram of a clinical paper and the split counts, with small cells hidden.

    ┌ all admissions  52,000 ┐
    └───────────┬────────────┘
                ├───────────────────▶ 310 left out: newborns, because …
    ┌ adults    ▼     51,690 ┐
    └───────────┬────────────┘      filters that left nobody out are named in one line at the end
         train · validation · test

A count from 1 to 9 is printed as "<10", because so few patients could be known again. A hidden count could be had by
subtracting its neighbours, so as soon as one is hidden, all counts of the flow are rounded to the nearest ten. The
patients of a made-up hospital need no such care.

Words of a source about itself ("3 rows have no admission") are treated alike: a number from 1 to 9 that stands alone
before a word is taken for a count and becomes "<10". Digits inside a name (`ICD-9`, `v1.4`) stay.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from chartune.quantities import Estimate
from chartune.sources.splits import SPLITS
from chartune.tasks.dataset import Counts, Dataset, Part, SourceEntry, StepEntry

SMALL: Final = 10
"""The smallest count of patients that is printed as it is."""

UNITS: Final = ("subjects", "admissions", "notes")
_COUNT: Final = re.compile(r"(?<![\w.,:/<-])[1-9](?=[ \N{NO-BREAK SPACE}][A-Za-z])")


@dataclass(frozen=True)
class Step:
    """One filter of a cohort, ready to be shown."""

    name: str
    """What was asked of a row."""
    why: str
    """The reason, best a clinical one."""
    removed: tuple[str, ...]
    """Such as `310 admissions`; empty: it removed nothing."""
    left: tuple[str, ...]
    """Such as `51,690 admissions`, for each unit that the flow counts."""


@dataclass(frozen=True)
class Splits:
    """How many of each stand in each split."""

    columns: tuple[str, ...]
    """What is counted."""
    rows: tuple[tuple[str, ...], ...]
    """The split, then its counts."""


@dataclass(frozen=True)
class Cohort:
    """The rows of one task or of the adaptation text: the way to them, and their split."""

    title: str
    """Whose rows."""
    steps: tuple[Step, ...]
    """The first count and every filter that left somebody out, in the order applied."""
    silent: tuple[Step, ...]
    """The filters that left nobody out."""
    splits: Splits
    """Where the rows went."""


class Sourced(Protocol):
    """Whatever tells of a source."""

    @property
    def kind(self) -> str:
        """Its reader."""

    @property
    def version(self) -> str:
        """Its release."""


def is_made_up(source: Sourced) -> bool:
    """Whether the patients are fictional: by kind, or by version where their layout is that of a real source."""
    return "made-up" in (told.replace("_", "-") for told in (source.kind, source.version))


def unit(source: Sourced) -> str:
    """What a row of the data is: `admissions`, or `rows` of a table of one's own."""
    return "rows" if source.kind == "tabular" else "admissions"


def told_of(source: SourceEntry) -> tuple[str, ...]:
    """What a source says of itself, warnings first; for real patients with its small counts hidden."""
    return (*warnings(source), *notices(source))


def warnings(source: SourceEntry) -> tuple[str, ...]:
    """What may be wrong with a source; for real patients with its small counts hidden."""
    return _told(source, source.warnings)


def notices(source: SourceEntry) -> tuple[str, ...]:
    """What is as asked for and should be known; for real patients with its small counts hidden."""
    return _told(source, source.notices)


def _told(source: SourceEntry, told: tuple[str, ...]) -> tuple[str, ...]:
    return told if is_made_up(source) else tuple(_COUNT.sub(f"<{SMALL}", warning) for warning in told)


def too_few(scores: Mapping[str, Estimate], counts: Mapping[str, int], answer: str | None) -> bool:
    """Whether the scores of a split rest on fewer than ten rows or patients, or ten with or without the outcome.

    Args:
        scores: metric → Estimate of that split.
        counts: of that split in `dataset.json`: subjects, admissions, positives; empty: not at hand.
        answer: `binary`, `multiclass` or `multilabel`; None: unlabelled text, of which no row is scored.
    """
    if answer is None:
        return False
    rows = [e.n for e in scores.values() if e.n is not None]
    n = min(rows, default=counts.get("admissions"))
    known = [n, counts.get("admissions"), counts.get("subjects")]
    if answer == "binary":
        rate = scores.get("prevalence")
        known += _either(round(rate.value * rate.n), rate.n) if rate and rate.n else []
        known += _either(counts.get("positives"), counts.get("admissions"))
    return any(number is not None and number < SMALL for number in known)


def _either(positives: int | None, rows: int | None) -> list[int | None]:
    return [positives, None if positives is None or rows is None else rows - positives]


def cohorts(dataset: Dataset) -> list[Cohort]:
    """The cohort of every task of a prepared data set, then that of its adaptation text."""
    open_data = is_made_up(dataset.source)
    rounded = not open_data and any(0 < count < SMALL for count in _counts(dataset))
    rows = unit(dataset.source)
    return [_cohort(part, rounded, open_data, rows) for part in dataset.parts().values()]


def _cohort(part: Part, rounded: bool, open_data: bool, rows: str) -> Cohort:
    titles = {**_TITLES, "admissions": rows}
    steps = [_step(row, rounded, titles) for row in part.attrition]
    loud = [step for n, step in enumerate(steps) if n == 0 or step.removed]
    silent = [step for n, step in enumerate(steps) if n > 0 and not step.removed]
    return Cohort(part.title, tuple(loud), tuple(silent), _splits(part.counts, open_data, titles))


def shown(count: int | None, open_data: bool) -> str:
    """`1234` → `1,234`; 1 to 9 → `<10` unless the patients are fictional; None → `not measured`."""
    if count is None:
        return "not measured"
    return f"<{SMALL}" if 0 < count < SMALL and not open_data else f"{count:,}"


def _splits(counts: Counts, open_data: bool, titles: Mapping[str, str]) -> Splits:
    columns = list(dict.fromkeys(name for split in counts.values() for name in split))
    ordered = [s for s in SPLITS if s in counts] + [s for s in counts if s not in SPLITS]
    rows = tuple(
        (split, *(_in_split(name, counts[split].get(name), open_data) for name in columns)) for split in ordered
    )
    return Splits(tuple(titles.get(name, name) for name in columns), rows)


def _in_split(name: str, count: int | None, open_data: bool) -> str:
    """A count of a split; a sum over labels is rounded, because with it a hidden label could be worked out."""
    if name == "labels_assigned" and count and not open_data:
        return f"≈\N{NO-BREAK SPACE}{round(count, -1):,}"
    return shown(count, open_data)


_TITLES: Final = {"subjects": "patients", "positives": "with the outcome", "labels_assigned": "labels given"}


def _step(row: StepEntry, rounded: bool, titles: Mapping[str, str]) -> Step:
    nouns = {name: titles.get(name, name) for name in UNITS}
    left = [_counted(n, noun, rounded) for name, noun in nouns.items() if (n := getattr(row, name)) is not None]
    removed = [
        _counted(n, noun, rounded) for name, noun in nouns.items() if (n := getattr(row, f"removed_{name}") or 0) > 0
    ]
    return Step(row.step, row.why, tuple(removed), tuple(left))


def _counted(count: int, noun: str, rounded: bool) -> str:
    if not rounded or count == 0:
        return f"{count:,} {noun.removesuffix('s') if count == 1 else noun}"
    return f"<{SMALL} {noun}" if count < SMALL else f"≈\N{NO-BREAK SPACE}{round(count, -1):,} {noun}"


def _counts(dataset: Dataset) -> Iterator[int]:
    """Every count about patients that a report would print, or that a reader could have by subtraction."""
    for part in dataset.parts().values():
        subjects = [row.subjects for row in part.attrition if row.subjects is not None]
        yield from (before - after for before, after in pairwise(subjects))
        for row in part.attrition:
            yield from (n for n in row.model_dump().values() if isinstance(n, int))
        for split in part.counts.values():
            yield from split.values()
