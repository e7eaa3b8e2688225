"""Two stores side by side: every task and variant that both have, paired where they answer the same rows.

runs of A ─by task and name, seeds together─┐
                                            ├─▶ score of A │ of B │ A - B with its interval, and p
runs of B ──────────────────────────────────┘     only where both have the same rows and labels; else why not
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any, Final

from chartune.disclosure import TOO_FEW, Behind, fewest
from chartune.errors import RunError
from chartune.metrics.decisive import holm
from chartune.report.compare import Comparison, comparisons, p_text
from chartune.report.hidden import behind_run
from chartune.report.released import is_exact
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, estimated
from chartune.report.variants import Variant, numbered, scored
from chartune.runs import Run

MISSING: Final = "–"
_NOTE: Final = (
    "Variants are matched by task and name. The difference is paired, on the same rows and draws of patients, where "
    "both answer the same ones; 95 % intervals. p of no difference, corrected for the pairs of this table (Holm, 1979)."
)


@dataclass(frozen=True)
class Match:
    """A variant of a task in two stores."""

    task: str
    name: str
    ours: Variant | None
    """None: store A has none, or several that differ in more than their seed."""
    theirs: Variant | None
    """Likewise of store B."""
    made: Comparison | None = None
    """None: they are not paired."""
    why: str = ""
    """Why not; empty: they are."""


def beside_stores(ours: Sequence[Run], theirs: Sequence[Run], *, exact: bool) -> list[Match]:
    """Every variant of either side, those of both first within a task.

    Args:
        ours: all runs of store A.
        theirs: all runs of store B.
        exact: whether exact scores of real patients are shown.

    Raises:
        RunError: one side has no run that scores a test split.
    """
    first, second = (_variants(runs, place) for runs, place in ((ours, "A"), (theirs, "B")))
    matches = []
    for task, name in sorted({*first, *second}):
        found = [side.get((task, name), []) for side in (first, second)]
        one, other = (each[0] if len(each) == 1 else None for each in found)
        several = any(len(each) > 1 for each in found)
        matches.append(_match(task, name, one, other, exact=exact, several=several))
    corrected = holm([match.made.p if match.made else nan for match in matches])
    made = [replace(m, made=m.made and replace(m.made, corrected=p)) for m, p in zip(matches, corrected, strict=True)]
    return sorted(made, key=lambda match: (match.task, match.ours is None or match.theirs is None))


def stores_table(matches: Sequence[Match], ours: str, theirs: str) -> Table:
    """A row for each match; ours, theirs: what the stores are called."""
    columns = (Column("Variant", numeric=False), Column("Score", numeric=False), Column("A", ours),
               Column("B", theirs), Column("A − B", "paired"), Column("p", "corrected by Holm"))  # fmt: skip
    rows = []
    for match in matches:
        known = match.ours or match.theirs
        title = known.run.headline.title if known else MISSING
        sides = (scored(v, v.headline) if v else Cell(MISSING) for v in (match.ours, match.theirs))
        rows.append((Cell(match.name, match.task), Cell(title), *sides, *_difference(match)))
    return Table(f"A: {ours}; B: {theirs}", columns, tuple(rows), _NOTE, cards=False)


def stores_json(matches: Sequence[Match]) -> list[dict[str, Any]]:
    """As plain JSON: what may be shown of both."""
    return [_row(match) for match in matches]


def _variants(runs: Sequence[Run], place: str) -> dict[tuple[str, str], list[Variant]]:
    """Task and name → the variants of these; several where they differ in more than the seed."""
    every = {run.fingerprint: run for run in runs}
    scoring = [run for run in runs if run.form and run.task and run.final and run.has_predictions()]
    if not scoring:
        raise RunError(f"a comparison needs runs that score a test split, but store {place} has none; fine-tune first.")
    found: dict[tuple[str, str], list[Variant]] = {}
    for task, data in dict.fromkeys((run.task or "", run.data) for run in scoring):
        own = [run for run in scoring if (run.task, run.data) == (task, data)]
        for variant in numbered(own, prefix=place, every=every):
            found.setdefault((task, variant.name), []).append(variant)
    return found


def _match(task: str, name: str, ours: Variant | None, theirs: Variant | None, *, exact: bool, several: bool) -> Match:
    if ours is None or theirs is None:
        why = "several of this name differ in more than their seed" if several else "only one side has it"
        one, other = (v and replace(v, behind=_stands([v], exact=exact)) for v in (ours, theirs))
        return Match(task, name, one, other, why=why)
    stands = _stands([ours, theirs], exact=exact)
    one, other = replace(ours, behind=stands), replace(theirs, behind=stands)
    form = ours.run.form
    if form is None or theirs.run.form is None or theirs.run.form.kind != form.kind:
        return Match(task, name, one, other, why="their answers have other forms")
    labels = ours.run.about.labels or ()
    made = next(iter(comparisons([one, other], form, labels, pairs=[(one, other)])), None)
    why = TOO_FEW if one.hidden else "their test rows or labels differ"
    return Match(task, name, one, other, made, "" if made else why)


def _stands(variants: Sequence[Variant], *, exact: bool) -> Behind | None:
    """Who stands behind all of the scores; None: they may be shown as measured."""
    runs = [run for variant in variants for run in variant.runs]
    return None if all(is_exact(run, exact) for run in runs) else fewest([behind_run(run) for run in runs])


def _difference(match: Match) -> tuple[Cell, Cell]:
    made = match.made
    if made is None:
        return Cell("not paired", match.why), Cell(NOT_MEASURED)
    shown = made.shown
    cell = estimated(shown.value, shown.low, shown.high, made.digits, signed=True)
    return cell, Cell(p_text(made.corrected, made.digits))


def _row(match: Match) -> dict[str, Any]:
    made, known = match.made, match.ours or match.theirs
    sides = {side: None if v is None else scored(v, v.headline).text
             for side, v in (("a", match.ours), ("b", match.theirs))}  # fmt: skip
    ends = None if made is None else {name: getattr(made.shown, name) for name in ("value", "low", "high")}
    return {
        "task": match.task, "name": match.name, "metric": known and known.headline, **sides, "difference": ends,
        "p": None if made is None else p_text(made.corrected, made.digits), "why_not": match.why,
    }  # fmt: skip
