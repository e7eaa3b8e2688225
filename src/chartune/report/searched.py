"""A search as a page shows it: what was chosen in sentences, its trials as tables, its figures."""

from dataclasses import dataclass

from markupsafe import Markup

from chartune.report.search_figures import drawn
from chartune.report.searches import SearchShown, chosen_said, counted, saving_said, trials_table
from chartune.report.table import Table


@dataclass(frozen=True)
class Search:
    """A search as shown."""

    title: str
    sentences: tuple[str, ...]
    """What was chosen, and from what."""
    tables: tuple[Table, ...]
    figures: tuple[Markup, ...]


def searched(one: SearchShown, number: int) -> Search:
    """A search, ready to be shown; `number`: in the ids of its figures."""
    share = f"{100 * one.problem.share:g} % of the training"
    tables = [
        trials_table(one, one.result.trials, f"Trials: {one.title}{f', {share}' if one.problem.share < 1 else ''}")
    ]
    if one.result.promoted:
        tables.append(trials_table(one, one.result.promoted, f"Trials: {one.title}, the best in full"))
    figures = tuple(Markup(figure) for figure in drawn(one, f"search{number}"))
    return Search(
        one.title, tuple(filter(None, (chosen_said(one), counted(one), saving_said(one)))), tuple(tables), figures
    )
