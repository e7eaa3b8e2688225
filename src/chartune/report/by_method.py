"""Method × task: the test score of every method on every task, beside what the paper's repository has of them.

variants of all tasks ─by name─▶ a row each; published rows of a task ─by base model and method─▶ beneath our number
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chartune.published import taylor2024
from chartune.report.average import Asked
from chartune.report.svg import ACCENT, MARK, drawing, svg
from chartune.report.table import Cell, Column, Table, clipped
from chartune.report.variants import Variant, scored, seeds_explained

FEWEST: Final = 2
"""Methods from which on there is a table, and tasks from which on a method stands in it."""
METHODS: Final = {"full": "Full", "lora": "LoRA", "ia3": "IA3", "prefix": "Prefix tuning"}
"""Kind of a method → what the paper calls it."""
FIRST: Final = ("seeds", "ner", "prefix", "domains")
"""Groups of published scores; the first that has a model, method and task counts."""
ROW: Final = 0.27
"""Inches of a method in a figure."""
NOTE: Final = (
    "Test scores of the methods that two tasks have; each leads to its run. 95 % intervals. –: not asked, or no test "
    "score."
)
REMARK: Final = f"{taylor2024.LABEL.capitalize()}: Taylor et al. (2024), other patients; a mark, not an opponent."


@dataclass(frozen=True)
class Printed:
    """What was published of a task: (model, method) → the score."""

    scores: Mapping[tuple[str, str], taylor2024.Score]

    def of(self, variant: Variant) -> taylor2024.Score | None:
        """What was published of the base model and method of a variant; None: nothing."""
        run = variant.run
        if len(run.stack) != 1 or run.stack[0].state != "fresh":
            return None
        method = METHODS.get(run.stack[0].kind)
        known = (row for (model, how), row in self.scores.items()
                 if how == method and taylor2024.BASES.get(model) == run.base_name)  # fmt: skip
        return next(known, None)


def printed_of(asked: Asked) -> Printed:
    """What the repository of Taylor et al. (2024) has of a task."""
    about = asked.variants[0].run.about if asked.variants else None
    column = taylor2024.column_of(about.task or "", about.source.kind if about.source else "") if about else None
    rows = taylor2024.scores(column) if column else []
    order = {name: place for place, name in enumerate(FIRST)}
    chosen: dict[tuple[str, str], taylor2024.Score] = {}
    for row in sorted((row for row in rows if row.group in order), key=lambda row: order[row.group]):
        chosen.setdefault((row.model, row.method), row)
    return Printed(chosen)


def rows_by_name(every: Sequence[Asked]) -> dict[str, list[Variant | None]]:
    """Name → the variant of that name in each task, None where there is none, or several; of names on two tasks."""
    names = dict.fromkeys(variant.name for asked in every for variant in asked.variants)
    rows = {name: [_single(asked, name) for asked in every] for name in names}
    return {name: row for name, row in rows.items() if sum(variant is not None for variant in row) >= FEWEST}


def method_table(every: Sequence[Asked]) -> Table | None:
    """Methods as rows and tasks as columns; None: fewer than two methods have test scores of two tasks.

    Args:
        every: the tasks of a page.
    """
    every = [asked for asked in every if asked.variants]
    rows = rows_by_name(every)
    if len(rows) < FEWEST:
        return None
    printed = [printed_of(asked) for asked in every]
    columns = (Column("Method", numeric=False), *(Column(a.title, a.form.headline.title) for a in every))
    cells = [(Cell(name), *(_cell(v, of) for v, of in zip(row, printed, strict=True))) for name, row in rows.items()]
    remark = REMARK if any(of.scores for of in printed) else ""
    notes = (NOTE, seeds_explained([v for row in rows.values() for v in row if v]), remark)
    return Table("Method by task", columns, tuple(cells), " ".join(filter(None, notes)), cards=False)


def printed_table(every: Sequence[Asked]) -> Table | None:
    """The published scores of the same tasks alone, method by task; None: none of the tasks was published.

    Args:
        every: the tasks of a page.
    """
    printed = {asked.title: of for asked in every if (of := printed_of(asked)).scores}
    columns = (Column("Model and method", numeric=False), *(Column(title) for title in printed))
    names = dict.fromkeys(key for of in printed.values() for key in of.scores)
    rows = tuple(
        (Cell(f"{model}, {method}"),
         *(_printed_cell(of.scores.get((model, method))) for of in printed.values()))
        for model, method in names
    )  # fmt: skip
    caption = f"Method by task: Taylor et al. (2024), {taylor2024.LABEL}"
    return Table(caption, columns, rows, REMARK, cards=False) if rows else None


def method_figures(every: Sequence[Asked], name: str) -> list[str]:
    """Of each task the methods beneath one another, as SVG; nothing where there is no table.

    Args:
        every: the tasks of a page.
        name: begins the id of every figure.
    """
    if method_table(every) is None:
        return []
    rows = rows_by_name([asked for asked in every if asked.variants])
    return [_drawn(asked, list(rows), f"{name}{number}-") for number, asked in enumerate(every) if asked.variants]


def _single(asked: Asked, name: str) -> Variant | None:
    those = [variant for variant in asked.variants if variant.name == name]
    return those[0] if len(those) == 1 else None


def _cell(variant: Variant | None, printed: Printed) -> Cell:
    if variant is None:
        return Cell("–")
    cell, published = scored(variant, variant.headline), printed.of(variant)
    lines = [cell.detail, f"{taylor2024.LABEL} {_text(published)}" if published else ""]
    return replace(cell, detail="\n".join(filter(None, lines)), link=f"run-{variant.run.fingerprint}")


def _text(row: taylor2024.Score) -> str:
    """`0.828 (AUROC, std 0.002)`."""
    return f"{row.value:.3f} ({row.metric}{'' if row.std is None else f', std {row.std:.3f}'})"


def _printed_cell(row: taylor2024.Score | None) -> Cell:
    if row is None:
        return Cell("–")
    return Cell(f"{row.value:.3f}", f"{row.metric}{'' if row.std is None else f', std {row.std:.3f}'}")


def _drawn(asked: Asked, names: Sequence[str], figure_name: str) -> str:
    """A dot and its interval for each method, in the order of the table; grey: published of the same."""
    printed, known = printed_of(asked), {name: _single(asked, name) for name in names}
    said = []
    with drawing(ROW * len(names) + 1.1) as (figure, axes):
        for place, name in enumerate(names):
            variant = known[name]
            score = variant.score(variant.headline) if variant and not variant.hides(variant.headline) else None
            if variant is None or score is None:
                continue
            if score.estimate.low is not None and score.estimate.high is not None:
                axes.plot([score.estimate.low, score.estimate.high], [place, place], color=ACCENT, linewidth=1.6)
            axes.plot(score.estimate.value, place, "o", color=ACCENT, markersize=4.5)
            if (mark := printed.of(variant)) is not None:
                axes.plot(mark.value, place, "|", color=MARK, markersize=10, markeredgewidth=2)
            said.append((score.estimate.value, f"{name} {score.value}"))
        axes.set_yticks(np.arange(len(names)), [clipped(name) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_title(clipped(asked.title))
        axes.set_xlabel(f"{asked.form.headline.title} on the test split")
        axes.grid(axis="x")
        best = ", ".join(text for _, text in sorted(said, reverse=True))
        return svg(figure, figure_name, f"Method by task: {asked.title}", f"{best or 'nothing may be shown'}.")
