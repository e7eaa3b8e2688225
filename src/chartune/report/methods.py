"""Methods compared: what a page of a study of methods says over all tasks, each number with its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chartune.report.against import against, tally
from chartune.report.by_method import method_figures, method_table, printed_table
from chartune.report.outcome import Outcome
from chartune.report.rates import rates
from chartune.report.searches import SearchShown
from chartune.report.sweeps import BUDGET, FEW_SHOT, RANK, Sweep, sweeps
from chartune.report.table import Table
from chartune.runs import Run


@dataclass(frozen=True)
class Methods:
    """The parts of the section."""

    table: Table | None
    """Method by task; None: there is one task, or one method."""
    printed: Table | None
    """What was published, method by task; None: nothing of these tasks, or there is no table."""
    figures: tuple[Markup, ...]
    sweeps: tuple[Sweep, ...]
    """Few-shot, budgets, rank, then learning rates."""
    tally: Table | None
    """Method against method over tasks."""
    matrices: tuple[Table, ...]
    """Method against method, task by task."""

    def __bool__(self) -> bool:
        return any((self.table, self.sweeps, self.tally, self.matrices))


def methods(outcomes: Sequence[Outcome], searches: Sequence[SearchShown], every: Mapping[str, Run]) -> Methods:
    """The section of a page.

    Args:
        outcomes: the tasks of the page.
        searches: those of the page.
        every: all runs of the page by fingerprint.
    """
    asked = [outcome.asked for outcome in outcomes]
    compared = [against(one) for one in asked]
    curves = [one for setting, name in ((FEW_SHOT, "few"), (BUDGET, "minutes"), (RANK, "rank"))
              for one in sweeps(outcomes, setting, name)]  # fmt: skip
    table = method_table(asked)
    return Methods(
        table, printed_table(asked) if table else None, tuple(map(Markup, method_figures(asked, "methods"))),
        (*curves, *rates(outcomes, searches, every)), tally([made for _, made in compared]),
        tuple(table for tables, _ in compared for table in tables),
    )  # fmt: skip
