"""Budgets: what was spent on every row that is compared, and what its search had reached after each trial.

trials of a row ─┬ how many settings, tokens and seconds of all trainings
its parents ─────┴ tokens and seconds of stage one          best validation score so far ─▶ a curve for each row
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from chartune.quantities import human_seconds
from chartune.report.cost import line_of, mean_cost, seconds_with_parents, tokens_text
from chartune.report.curves import Panel, Series, draw_panel
from chartune.report.outcome import Figure
from chartune.report.searches import SearchShown
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count
from chartune.report.variants import Variant, called
from chartune.runs import Run
from chartune.search.trial import Trial

NOTE = (
    "All trainings of a row: its trials, of which the chosen one is the row, or the row alone; further seeds of what "
    "was chosen are not among them. Rows with as many settings have equal budgets. Stage one: the runs whose "
    "adapters a row stands on, paid once for all its trials."
)


@dataclass(frozen=True)
class Budgets:
    """What was spent, ready to be shown."""

    table: Table
    curves: Figure
    """A panel for each task of which two rows were searched."""


def budgets(variants: Sequence[Variant], every: Mapping[str, Run], searches: Sequence[SearchShown]) -> Budgets | None:
    """What was spent on the variants of a page; None: nothing was searched.

    Args:
        variants: of all outcomes.
        every: all runs of the page by fingerprint.
        searches: those of the page.
    """
    if not searches or not variants:
        return None
    found = {variant.label: search for variant in variants if (search := search_of(variant, searches)) is not None}
    columns = (
        Column("Row", "and its task", numeric=False), Column("Settings tried"), Column("Tokens", "of all trainings"),
        Column("Time", "of all trainings"), Column("Stage one", "tokens, and time"),
    )  # fmt: skip
    rows = tuple(_row(variant, found.get(variant.label), every) for variant in variants)
    table = Table("What was spent on each row", columns, rows, NOTE, cards=False)
    return Budgets(table, Figure.of(draw_panel, _panels(variants, found), "budget"))


def search_of(variant: Variant, searches: Sequence[SearchShown]) -> SearchShown | None:
    """The search whose trial one of a variant's runs is, or has its weights from; None: there is none."""
    names = {name for run in variant.runs for name in (run.fingerprint, run.about.trained_in) if name}
    return next((one for one in searches if names & {trial.outcome.run for trial in _trained(one)}), None)


def _trained(one: SearchShown) -> list[Trial]:
    """The trials that were trained: no repeats."""
    return [trial for trial in (*one.result.trials, *one.result.promoted) if trial.counts]


def _row(variant: Variant, search: SearchShown | None, every: Mapping[str, Run]) -> tuple[Cell, ...]:
    if search is None:
        tokens, seconds, tried = mean_cost(variant, "tokens"), mean_cost(variant, "seconds"), 1
    else:
        trained = _trained(search)
        tokens, seconds = _sum([trial.tokens for trial in trained]), _sum([trial.seconds for trial in trained])
        tried = sum(trial.counts for trial in search.result.trials)
    parents = [every[name] for name in line_of(variant.run, every) if name in every]
    whole, own = seconds_with_parents(variant, every), mean_cost(variant, "seconds")
    below = "none"
    if variant.run.parents:
        below = tokens_text(_sum([parent.cost.tokens for parent in parents]), parents[0]) if parents else NOT_MEASURED
    spent = human_seconds(whole - own) if variant.run.parents and whole is not None and own is not None else ""
    return (
        called(variant, (variant.run.task or "").replace("_", " ")), Cell(count(tried)),
        Cell(tokens_text(tokens, variant.run)), Cell(human_seconds(seconds)), Cell(below, spent),
    )  # fmt: skip


def _sum(parts: Sequence[float | None]) -> float | None:
    """None: one of them was not measured."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) and known else None


def _panels(variants: Sequence[Variant], found: Mapping[str, SearchShown]) -> list[Panel]:
    """The best score so far over the trials, of each task with two rows or more."""
    by_task: dict[str, list[Series]] = {}
    for variant in variants:
        search = found.get(variant.label)
        values = [search.value(trial) for trial in _trained(search)] if search else []
        known = [(float(place), value) for place, value in enumerate(values, 1) if value is not None]
        if search and known:
            better = min if search.problem.lower_is_better else max
            best = tuple(accumulate((value for _, value in known), better))
            by_task.setdefault(variant.run.task or "", []).append(Series(variant, tuple(at for at, _ in known), best))
    return [
        Panel(f"Best validation score so far: {task.replace('_', ' ')}", tuple(series), "trials of the budget")
        for task, series in by_task.items() if len(series) > 1
    ]  # fmt: skip
