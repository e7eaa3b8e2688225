"""Who is in the data: the flow diagram of a clinical paper and the split counts, as far as it may be shown.

    ┌ all admissions  52,000 ┐
    └───────────┬────────────┘
                ├───────────────────▶ 310 left out: newborns, because …
    ┌ adults    ▼     51,690 ┐
    └───────────┬────────────┘      filters that left nobody out are named in one line at the end
         train · validation · test

Of real patients every count is shown as `chartune.disclosure` allows; whom a filter left out is then the difference of
what is shown, and a filter that changes nothing in it is named with those that left nobody out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chartune.disclosure import Sourced, amount_shown, is_made_up, lowest, shown, shown_sentence
from chartune.sources.splits import SPLITS
from chartune.tasks.annotated.catalog import USUAL
from chartune.tasks.dataset import Counts, Dataset, Part, SourceEntry, StepEntry

UNITS: Final = ("subjects", "admissions", "notes")
NOT_OF_REAL: Final = "labels_assigned"
"""A sum over labels: with it the cases of a rare one could be worked out."""


@dataclass(frozen=True)
class Step:
    """One filter of a cohort, ready to be shown."""

    name: str
    """What was asked of a row."""
    why: str
    """The reason, best a clinical one."""
    removed: tuple[str, ...]
    """Such as `310 admissions`; empty: it removed nothing that may be shown."""
    left: tuple[str, ...]
    """Such as `51,690 admissions`, for each unit that the flow counts."""


@dataclass(frozen=True)
class Splits:
    """How many of each stand in each split."""

    columns: tuple[str, ...]
    """What is counted."""
    rows: tuple[tuple[str, ...], ...]
    """The split, then its counts."""

    @property
    def filled(self) -> tuple[tuple[str, ...], ...]:
        """The rows of splits that have somebody."""
        return tuple(row for row in self.rows if any(count != "0" for count in row[1:]))


@dataclass(frozen=True)
class Cohort:
    """The rows of one task or of the adaptation text: the way to them, and their split."""

    title: str
    """Whose rows."""
    steps: tuple[Step, ...]
    """The first count and every filter that left somebody out, in the order applied."""
    silent: tuple[Step, ...]
    """The filters that left nobody out, or of real patients too few to show."""
    splits: Splits
    """Where the rows went."""
    exact: bool = True
    """Whether the counts are exact."""

    @property
    def or_few(self) -> str:
        """What must be said of the silent filters beside that they left nobody out; empty: nothing."""
        return "" if self.exact else ", or too few to show"


def unit(source: Sourced) -> str:
    """What a row of the data is: `admissions`, `rows` of a table of one's own, `examples` of an annotated corpus."""
    if source.kind in USUAL:
        return "examples"
    return "rows" if source.kind == "tabular" else "admissions"


def remarks_of(source: SourceEntry, exact: bool = False) -> tuple[str, ...]:
    """What a source says of itself, warnings first; counts of real patients as they may be shown."""
    return (*warnings(source, exact), *notices(source, exact))


def warnings(source: SourceEntry, exact: bool = False) -> tuple[str, ...]:
    """What may be wrong with a source; counts of real patients as they may be shown."""
    return _shown(source, source.warnings, exact)


def notices(source: SourceEntry, exact: bool = False) -> tuple[str, ...]:
    """What is as asked for and should be known; counts of real patients as they may be shown."""
    return _shown(source, source.notices, exact)


def _shown(source: SourceEntry, sentences: tuple[str, ...], exact: bool) -> tuple[str, ...]:
    return tuple(shown_sentence(sentence, exact or is_made_up(source)) for sentence in sentences)


def cohorts(dataset: Dataset, exact: bool = False) -> list[Cohort]:
    """The cohort of every task of a prepared data set, then that of its adaptation text.

    Args:
        dataset: `dataset.json`.
        exact: whether the analyst has asked for exact counts of real patients.
    """
    exact = exact or is_made_up(dataset.source)
    rows = unit(dataset.source)
    return [_cohort(part, exact, rows) for part in dataset.parts().values()]


def _cohort(part: Part, exact: bool, rows: str) -> Cohort:
    titles = {**_TITLES, "admissions": rows}
    before = [None, *part.attrition]
    steps = [_step(row, earlier, exact, titles) for earlier, row in zip(before, part.attrition, strict=False)]
    loud = [step for n, step in enumerate(steps) if n == 0 or step.removed]
    silent = [step for n, step in enumerate(steps) if n > 0 and not step.removed]
    splits = _splits(part.counts, exact, titles)
    return Cohort(part.title, tuple(loud), tuple(silent), splits, exact)


def _splits(counts: Counts, exact: bool, titles: Mapping[str, str]) -> Splits:
    names = dict.fromkeys(name for split in counts.values() for name in split)
    columns = [name for name in names if exact or name != NOT_OF_REAL]
    ordered = [s for s in SPLITS if s in counts] + [s for s in counts if s not in SPLITS]
    rows = tuple((split, *(_of_split(counts[split], name, exact) for name in columns)) for split in ordered)
    return Splits(tuple(titles.get(name, name) for name in columns), rows)


def _of_split(counts: Mapping[str, int], name: str, exact: bool) -> str:
    if name == "words":
        return amount_shown(counts[name], counts["documents"], exact)
    return shown(counts.get(name), exact)


_TITLES: Final = {"subjects": "patients", "positives": "with the outcome", "labels_assigned": "labels given"}


def _step(row: StepEntry, before: StepEntry | None, exact: bool, titles: Mapping[str, str]) -> Step:
    nouns = {name: titles.get(name, name) for name in UNITS}
    left = [_counted(n, noun, exact) for name, noun in nouns.items() if (n := getattr(row, name)) is not None]
    removed = [
        f"{_about(gone, exact)} {_noun(gone, noun)}"
        for name, noun in nouns.items()
        if (gone := _gone(row, before, name, exact)) > 0
    ]
    return Step(row.step, row.why, tuple(removed), tuple(left))


def _gone(row: StepEntry, before: StepEntry | None, name: str, exact: bool) -> int:
    """How many a filter left out; of real patients the difference of what is shown."""
    removed, earlier, left = getattr(row, f"removed_{name}"), getattr(before, name, None), getattr(row, name)
    if exact or removed is None or earlier is None or left is None:
        return removed or 0 if exact else 0
    return lowest(earlier) - lowest(left)


def _about(gone: int, exact: bool) -> str:
    return f"{gone:,}" if exact else f"≈\N{NO-BREAK SPACE}{gone:,}"


def _counted(count: int, noun: str, exact: bool) -> str:
    return f"{shown(count, exact)} {_noun(count if exact else 0, noun)}"


def _noun(count: int, noun: str) -> str:
    return noun.removesuffix("s") if count == 1 else noun
