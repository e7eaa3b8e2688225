"""An attacker: all numbers that were printed of one dataset, as a system of constraints, and what follows from it.

    console · JSON · report · cards ─read_*─▶ intervals of counts ─┐
    what everybody knows: filters only remove, splits add up, … ───┴─▶ integers ─solve─▶ which counts are pinned

A count is pinned if only one value of it fits everything. The attacker knows the rule: "30+" is 30 to 39, "<10" is 1 to
9; "≈" at what a filter left out is the difference of two classes, elsewhere a number to its nearest ten.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix

Name = tuple[str, ...]
"""`left, part, filter, unit` or `split, part, split, what` or `rows, table`."""
Term = tuple[float, Name]
Constraint = tuple[list[Term], float, float]
"""A sum of counts, and the least and the most that it can be."""

LARGEST: Final = 1e6
UNITS: Final = {
    "patients": "subjects", "admissions": "admissions", "admission": "admissions", "rows": "admissions",
    "notes": "notes", "note": "notes", "with the outcome": "positives", "documents": "documents",
}  # fmt: skip
_TOKEN: Final = r"(?:≈ ?)?[<>]?\d[\d,]*\+?"
_COUNTED: Final = re.compile(rf"({_TOKEN}) ({'|'.join(UNITS)})")
_FLOW: Final = re.compile(rf"^ +((?:{_TOKEN} (?:patients?|admissions?|rows|notes?)(?:, )?)+)  (.+?): ")
_SPLIT: Final = re.compile(r"^ +(train|validation|calibration|test): (.+)$")
_BOX: Final = re.compile(r'<div class="box"><span>(.*?)</span><b>(.*?)</b></div>', re.DOTALL)
SPLITS: Final = ("train", "validation", "calibration", "test")


def interval(printed: str) -> tuple[float, float]:
    """The values that a printed count can stand for."""
    plain = printed.replace(",", "").replace(" ", "")
    number = int(re.sub(r"\D", "", plain))
    if plain.startswith("<"):
        return (1, number - 1)
    if plain.startswith("≈"):
        return (number - 5, number + 5)
    return (number, number + 9) if plain.endswith("+") else (number, number)


@dataclass
class Attacker:
    """What one reader has gathered; `titles`: title of a part → its name in the data."""

    titles: Mapping[str, str] = field(default_factory=dict)
    known: dict[Name, tuple[float, float]] = field(default_factory=dict)
    """Count → the lowest and highest value that fits all that was printed of it."""
    order: dict[str, list[str]] = field(default_factory=dict)
    """Part → its filters in the order applied, as far as they were printed with counts."""
    constraints: list[Constraint] = field(default_factory=list)
    """Sums of counts between a low and a high."""

    def learn(self, name: Name, printed: str) -> None:
        """A count as it was printed."""
        self.bound(name, *interval(printed))

    def bound(self, name: Name, low: float, high: float) -> None:
        """A count between two numbers."""
        before = self.known.get(name, (0.0, LARGEST))
        self.known[name] = (max(before[0], low), min(before[1], high))

    def read_console(self, text: str) -> None:
        """What `prepare`, `datasets NAME` and `show DATA` print."""
        part = ""
        for line in text.replace("\N{NO-BREAK SPACE}", " ").splitlines():
            if head := re.match(r"^(\w+): ", line):
                part = head[1]
            elif match := _FLOW.match(line):
                self._step(part, match[2], _COUNTED.findall(match[1]))
            elif match := _SPLIT.match(line):
                self._split(part, match[1], _COUNTED.findall(match[2]))

    def read_json(self, dataset: Mapping[str, Any]) -> None:
        """The entry of a dataset in a JSON answer."""
        parts = {**dataset["tasks"], **({"corpus": dataset["corpus"]} if dataset.get("corpus") else {})}
        for part, entry in parts.items():
            self.order[part] = [row["step"] for row in entry["attrition"]]
            for row in entry["attrition"]:
                by_unit = [
                    (str(row[unit]), unit) for unit in ("subjects", "admissions", "notes") if row.get(unit) is not None
                ]
                self._step(part, row["step"], by_unit)
            for split, counts in entry["counts"].items():
                self._split(part, split, [(str(n), what) for what, n in counts.items()])
        for table, fact in dataset["source"]["tables"].items():
            if fact.get("rows") is not None:
                self.learn(("rows", table), str(fact["rows"]))

    def read_report(self, page: str) -> None:
        """The cohort flows of a report."""
        for cohort in page.split('<div class="cohort">')[1:]:
            title = unescape(re.search(r"<h3>(.*?)</h3>", cohort)[1])  # type: ignore[index]
            part = self.titles.get(title, title)
            for name, counts in _BOX.findall(cohort):
                printed_counts = _COUNTED.findall(unescape(counts).replace("\N{NO-BREAK SPACE}", " "))
                if name in SPLITS:
                    self._split(part, name, printed_counts)
                else:
                    self._step(part, unescape(name), printed_counts)

    def read_card(self, text: str) -> None:
        """The tables of a dataset card in Markdown."""
        part, columns = "", list[str]()
        for line in unescape(text).replace("\N{NO-BREAK SPACE}", " ").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if head := re.match(r"^## (?:Task (\w+): |Corpus: |Who is left out of (\w+))", line):
                part = head[1] or head[2] or "corpus"
            elif line.startswith("| split |"):
                columns = cells[1:]
            elif cells[0] in SPLITS and len(cells) == len(columns) + 1:
                self._split(part, cells[0], list(zip(cells[1:], columns, strict=True)))
            elif len(cells) == 4 and (printed_counts := _COUNTED.findall(cells[3])):
                self._step(part, cells[0], printed_counts)

    def read_rate(self, part: str, split: str, rate: float, digits: int) -> None:
        """A share of those with the outcome, as it was measured and then printed with so many digits."""
        half = 0.5 * 10.0**-digits + 1e-12
        positives, rows = ("split", part, split, "positives"), ("split", part, split, "admissions")
        self.constraints.append(([(1, positives), (half - rate, rows)], 0, LARGEST))
        self.constraints.append(([(-1, positives), (half + rate, rows)], 0, LARGEST))

    def read_auroc(self, part: str, split: str, auroc: float, digits: int) -> None:
        """An AUROC is a share of pairs: drop the numbers of rows of which no number of pairs (and halves) gives it."""
        names = [("split", part, split, what) for what in ("positives", "negatives")]
        (low, high), (least, most) = (self.known.get(name, (0, 99)) for name in names)
        half = 0.5 * 10.0**-digits
        fitting = [
            (with_it, without)
            for with_it in range(int(low), int(high) + 1)
            for without in range(int(least), int(min(most, least + 99)) + 1)
            if with_it * without
            and np.floor((auroc + half) * 2 * with_it * without) >= np.ceil((auroc - half) * 2 * with_it * without)
        ]
        for name, values in zip(names, zip(*fitting, strict=True), strict=True):
            self.bound(name, min(values), max(values))

    def pinned(self, truth: Mapping[Name, int]) -> dict[Name, int]:
        """The counts from 1 to 9 that cannot be another number.

        Args:
            truth: the true counts; what was printed must fit them.
        """
        constraints = [*self.constraints, *self._constraints()]
        names = list(dict.fromkeys([*self.known, *(name for terms, _, _ in constraints for _, name in terms)]))
        system = _System(names, self.known, constraints)
        wrong = [name for name in names if name in truth and not system.allows(name, truth[name])]
        if wrong:
            raise AssertionError(f"what was printed must fit the truth, but not of {wrong}")
        small = [name for name in names if 1 <= truth.get(name, 0) <= 9]
        return {name: truth[name] for name in system.fixed(small)}

    def _step(self, part: str, step: str, counts: Iterable[tuple[str, str]]) -> None:
        steps = self.order.setdefault(part, [])
        if step not in steps:
            steps.append(step)
        for printed, unit in counts:
            self.learn(("left", part, step, UNITS.get(unit, unit)), printed)

    def _split(self, part: str, split: str, counts: Iterable[tuple[str, str]]) -> None:
        for printed, what in counts:
            if UNITS.get(what, what) in ("subjects", "admissions", "positives", "documents"):
                self.learn(("split", part, split, UNITS.get(what, what)), printed)

    def _constraints(self) -> Iterator[Constraint]:
        """What everybody knows of a flow and of splits."""
        for part, steps in self.order.items():
            for unit in ("subjects", "admissions", "notes"):
                lefts = [name for step in steps if (name := ("left", part, step, unit)) in self.known]
                for before, after in pairwise(lefts):
                    yield [(1, before), (-1, after), (-1, ("gone", *after[1:]))], 0, 0
                parts = [name for split in SPLITS if (name := ("split", part, split, unit)) in self.known]
                if lefts and parts:
                    yield [(1, lefts[-1]), *((-1.0, name) for name in parts)], 0, 0
                if lefts and (table := _TABLES.get(unit)) and ("rows", table) in self.known and part != "corpus":
                    yield [(1, lefts[0]), (-1, ("rows", table))], 0, 0
        for _, part, split, what in [name for name in self.known if name[0] == "split"]:
            rows = ("split", part, split, "admissions")
            if what == "positives":
                yield [(1, rows), (-1, ("split", part, split, what)), (-1, ("split", part, split, "negatives"))], 0, 0
            if what == "subjects" and rows in self.known:
                yield [(1, rows), (-1, ("split", part, split, what))], 0, LARGEST
        yield from self._across_tasks()

    def _across_tasks(self) -> Iterator[Constraint]:
        """Tasks that begin alike have the same first counts; who stays some time are those who did not die."""
        flows = [part for part in self.order if part != "corpus"]
        for first, other in pairwise(flows):
            for step, theirs in zip(self.order[first], self.order[other], strict=False):
                if step != theirs or step.startswith("coded"):  # of diagnoses or of procedures
                    break
                for unit in ("subjects", "admissions", "notes"):
                    yield [(1, ("left", first, step, unit)), (-1, ("left", other, theirs, unit))], 0, 0
        if {"mortality", "length_of_stay"} <= set(flows):
            for split in SPLITS:
                alive = ("split", "mortality", split, "negatives")
                yield [(1, alive), (-1, ("split", "length_of_stay", split, "admissions"))], 0, 0


_TABLES: Final = {"subjects": "PATIENTS", "admissions": "ADMISSIONS"}


class _System:
    """Integers between bounds under linear constraints."""

    def __init__(
        self,
        names: list[Name],
        known: Mapping[Name, tuple[float, float]],
        constraints: list[Constraint],
    ) -> None:
        self._place = {name: n for n, name in enumerate(names)}
        self._low, self._high = (np.array([known.get(name, (0.0, LARGEST))[end] for name in names]) for end in (0, 1))
        matrix = lil_matrix((len(constraints), len(names)))
        for row, (terms, _, _) in enumerate(constraints):
            for factor, name in terms:
                matrix[row, self._place[name]] += factor
        self._constraints = LinearConstraint(
            matrix.tocsr(), [low for _, low, _ in constraints], [high for _, _, high in constraints]
        )

    def allows(self, name: Name, value: int) -> bool:
        """Whether a count lies within what was printed of it."""
        place = self._place[name]
        return bool(self._low[place] <= value <= self._high[place])

    def fixed(self, names: list[Name]) -> list[Name]:
        """Those of some counts that have one value in every solution."""
        dice, open_ones, first = np.random.default_rng(0), list(names), self._solved(np.zeros(len(self._place)))
        for _ in range(12):  # most differ between some solutions; the rest is asked one by one
            if not open_ones:
                return []
            towards = np.zeros(len(self._place))
            towards[[self._place[name] for name in open_ones]] = dice.normal(size=len(open_ones))
            solution = self._solved(towards)
            open_ones = [name for name in open_ones if solution[self._place[name]] == first[self._place[name]]]
        return [name for name in open_ones if self._end(name, 1) == self._end(name, -1)]

    def _end(self, name: Name, sign: int) -> float:
        towards = np.zeros(len(self._place))
        towards[self._place[name]] = sign
        return float(self._solved(towards)[self._place[name]])

    def _solved(self, towards: NDArray[np.float64]) -> NDArray[np.float64]:
        solution = milp(
            towards,
            integrality=np.ones(len(towards), dtype=np.int64),
            bounds=Bounds(self._low, self._high),
            constraints=self._constraints,
        )
        if solution.x is None:
            raise AssertionError(f"the system must have a solution, the truth, but has none: {solution.message}")
        return np.asarray(solution.x.round())


def true_counts(dataset: Mapping[str, Any]) -> dict[Name, int]:
    """The true counts of a `dataset.json`, by the attacker's names; between two filters that it names, use `steps`."""
    counts: dict[Name, int] = {}
    parts = {**dataset["tasks"], **({"corpus": dataset["corpus"]} if dataset.get("corpus") else {})}
    for part, entry in parts.items():
        for row in entry["attrition"]:
            known = {unit: row[unit] for unit in ("subjects", "admissions", "notes") if row.get(unit) is not None}
            counts |= {("left", part, row["step"], unit): n for unit, n in known.items()}
        for split, row in entry["counts"].items():
            counts |= {("split", part, split, what): n for what, n in row.items() if what in UNITS.values()}
            if "positives" in row:
                counts["split", part, split, "negatives"] = row["admissions"] - row["positives"]
    return counts | {
        ("rows", table): fact["rows"] for table, fact in dataset["source"]["tables"].items() if fact.get("rows")
    }


def with_gone(truth: Mapping[Name, int], order: Mapping[str, list[str]]) -> dict[Name, int]:
    """The truth with what was lost between two filters that the attacker has seen one after the other."""
    gone: dict[Name, int] = {
        ("gone", part, after, unit): truth["left", part, before, unit] - truth["left", part, after, unit]
        for part, steps in order.items()
        for before, after in pairwise(steps)
        for unit in ("subjects", "admissions", "notes")
        if ("left", part, before, unit) in truth and ("left", part, after, unit) in truth
    }
    return {**truth, **gone}
