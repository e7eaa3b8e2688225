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
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

SMALL: Final = 10
"""The smallest count of patients that is printed as it is."""

UNITS: Final = ("subjects", "admissions", "notes")
SPLITS: Final = ("train", "validation", "calibration", "test")


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


def is_made_up(source: Mapping[str, Any]) -> bool:
    """Whether the patients are fictional: by kind, or by version where their layout is that of a real source."""
    return "made-up" in (str(source.get(key, "")).replace("_", "-") for key in ("kind", "version"))


def cohorts(dataset: Mapping[str, Any]) -> list[Cohort]:
    """The cohort of every task of a prepared data set, then that of its adaptation text."""
    open_data = is_made_up(dataset.get("source", {}))
    rounded = not open_data and any(0 < count < SMALL for count in _counts(dataset))
    return [_cohort(part, rounded, open_data) for part in _parts(dataset)]


def _cohort(part: Mapping[str, Any], rounded: bool, open_data: bool) -> Cohort:
    steps = [_step(row, rounded) for row in part.get("attrition", [])]
    loud = [step for n, step in enumerate(steps) if n == 0 or step.removed]
    silent = [step for n, step in enumerate(steps) if n > 0 and not step.removed]
    return Cohort(str(part.get("title", "")), tuple(loud), tuple(silent), _splits(part.get("counts", {}), open_data))


def shown(count: int | None, open_data: bool) -> str:
    """`1234` → `1,234`; 1 to 9 → `<10` unless the patients are fictional; None → `not measured`."""
    if count is None:
        return "not measured"
    return f"<{SMALL}" if 0 < count < SMALL and not open_data else f"{count:,}"


def _splits(counts: Mapping[str, Mapping[str, int]], open_data: bool) -> Splits:
    columns = list(dict.fromkeys(name for split in counts.values() for name in split))
    ordered = [s for s in SPLITS if s in counts] + [s for s in counts if s not in SPLITS]
    rows = tuple(
        (split, *(_in_split(name, counts[split].get(name), open_data) for name in columns)) for split in ordered
    )
    return Splits(tuple(_TITLES.get(name, name) for name in columns), rows)


def _in_split(name: str, count: int | None, open_data: bool) -> str:
    """A count of a split; a sum over labels is rounded, because with it a hidden label could be worked out."""
    if name == "labels_assigned" and count and not open_data:
        return f"≈\N{NO-BREAK SPACE}{round(count, -1):,}"
    return shown(count, open_data)


_TITLES: Final = {"subjects": "patients", "positives": "with the outcome", "labels_assigned": "labels given"}


def _step(row: Mapping[str, Any], rounded: bool) -> Step:
    left = [_counted(row[unit], unit, rounded) for unit in UNITS if row.get(unit) is not None]
    removed = [
        _counted(row[f"removed_{unit}"], unit, rounded) for unit in UNITS if (row.get(f"removed_{unit}") or 0) > 0
    ]
    return Step(str(row.get("step", "")), str(row.get("why", "")), tuple(removed), tuple(left))


def _counted(count: int, unit: str, rounded: bool) -> str:
    noun = {"subjects": "patients"}.get(unit, unit)
    if not rounded or count == 0:
        return f"{count:,} {noun.removesuffix('s') if count == 1 else noun}"
    return f"<{SMALL} {noun}" if count < SMALL else f"≈\N{NO-BREAK SPACE}{round(count, -1):,} {noun}"


def _counts(dataset: Mapping[str, Any]) -> Iterator[int]:
    """Every count about patients that a report would print, or that a reader could have by subtraction."""
    for part in _parts(dataset):
        subjects = [row["subjects"] for row in part.get("attrition", []) if row.get("subjects") is not None]
        yield from (before - after for before, after in pairwise(subjects))
        for row in part.get("attrition", []):
            yield from (v for k, v in row.items() if k.removeprefix("removed_") in UNITS and isinstance(v, int))
        for split in part.get("counts", {}).values():
            yield from (v for v in split.values() if isinstance(v, int))


def _parts(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    corpus = [dataset["corpus"]] if dataset.get("corpus") else []
    return [*dataset.get("tasks", {}).values(), *corpus]
