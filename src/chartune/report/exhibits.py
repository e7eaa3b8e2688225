"""Every table and figure of a page, in its order and by its name: what `chartune report --tables` writes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any

from chartune.report.checklist import Checklist
from chartune.report.drawn import draw_flow, draw_forest
from chartune.report.files import Exhibit
from chartune.report.methods import Methods
from chartune.report.outcome import Outcome
from chartune.report.table import Cell, Column, Table
from chartune.tasks.flow import Cohort


def exhibits(contents: Mapping[str, Any]) -> list[Exhibit]:
    """The tables and figures of a page.

    Args:
        contents: what the template of the page shows.
    """
    every: list[Exhibit] = []
    for population in contents["populations"]:
        for cohort in population.cohorts:
            every += [_table(_flow(cohort)), *_figures([draw_flow(cohort, "flow")], "")]
        every += [_table(table) for table in (*population.patients, *population.printed)]
    if adapted := contents["adaptation"]:
        every += [_table(table) for table in (*adapted.tables, adapted.published)]
        every += _figures(adapted.curves, "Adaptation: ")
    every += [_table(table) for table in (*contents["averages"], contents["printed"]) if table]
    for outcome in contents["outcomes"]:
        every += _of_outcome(outcome)
    every += _of_methods(contents["methods"])
    if elsewhere := contents["elsewhere"]:
        every += [_table(table) for table in (elsewhere.scores, *elsewhere.drifts)]
    if used := contents["in_use"]:
        every += map(_table, used.tables)
    if spent := contents["budgets"]:
        every += [_table(spent.table), *_figures(spent.curves, "")]
    for search in contents["searches"]:
        every += [*map(_table, search.tables), *_figures(search.figures, "")]
    every += [_table(_checklist(checklist)) for checklist in contents["checklists"]]
    rest = [contents[name] for name in ("claims", "listed", "costs", "planned", "switches")]
    rest += [contents["efficiency"].measured, contents["efficiency"].worth]
    rest += [*contents["hyperparameters"], *(lineage.tables for lineage in contents["lineages"])]
    return every + [_table(table) for table in rest if table]


def _of_outcome(outcome: Outcome) -> Iterator[Exhibit]:
    begins = f"{outcome.title}: "
    if outcome.forest:
        yield from _figures([draw_forest(outcome.forest, outcome.score, "forest")], begins)
    risks, labels = outcome.risks, outcome.labels
    tables = [outcome.choice, outcome.scores, outcome.further, outcome.coded, outcome.paired.table, risks.operating]
    tables += [risks.calibration, outcome.recalibration]
    tables += [*outcome.abstaining, *outcome.subgroups]
    tables += [labels.first, labels.rest] if labels else []
    yield from (_table(table) for table in tables if table)
    for drawn in (risks.ranking, risks.worth, risks.calibrations, outcome.curves, outcome.prices):
        yield from _figures(drawn, begins)
    for printed in filter(None, (outcome.published, outcome.taylor)):
        yield _table(printed)


def _of_methods(methods: Methods) -> Iterator[Exhibit]:
    yield from map(_table, filter(None, (methods.table, methods.printed, methods.tally)))
    yield from _figures(methods.figures, "")
    for sweep in methods.sweeps:
        yield _table(sweep.table)
        yield from _figures(sweep.figure, "")
    yield from map(_table, methods.matrices)


def _table(table: Table) -> Exhibit:
    return Exhibit(table.caption, table)


def _figures(drawn: Iterable[str], begins: str) -> Iterator[Exhibit]:
    """Figures by the title that they bear."""
    for figure in drawn:
        title = re.search(r"<title[^>]*>(.*?)</title>", figure)
        yield Exhibit(f"{begins}{unescape(title[1]) if title else 'figure'}", str(figure))


def _checklist(checklist: Checklist) -> Table:
    """Every item with the titles of the sections that answer it."""
    columns = tuple(Column(name, numeric=False) for name in ("Item", "What it asks for", "Where"))
    rows = tuple(
        (Cell(each.item.number), Cell(each.item.asks),
         Cell(", ".join(title for _, title in each.links) or each.whose, each.item.remark))
        for each in checklist.items
    )  # fmt: skip
    return Table(checklist.title, columns, rows, f"{checklist.citation}.")


def _flow(cohort: Cohort) -> Table:
    """A flow as a table: every filter that left somebody out, then the splits."""
    columns = (Column("Filter", numeric=False), Column("Left", numeric=False), Column("Left out", numeric=False),
               Column("Why", numeric=False))  # fmt: skip
    rows = [(Cell(step.name), Cell(", ".join(step.left)), Cell(", ".join(step.removed)), Cell(step.why))
            for step in cohort.steps]  # fmt: skip
    rows += [
        (Cell(row[0]), Cell(", ".join(f"{n} {what}" for n, what in zip(row[1:], cohort.splits.columns, strict=True))),
         Cell(""), Cell("split"))
        for row in cohort.splits.filled
    ]  # fmt: skip
    return Table(f"Cohort flow: {cohort.title}", columns, tuple(rows))
