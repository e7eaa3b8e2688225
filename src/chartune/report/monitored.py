"""Runs in use: what `chartune monitor` has seen of them last, beside their own test splits.

Monitored ─▶ windows by measure, outcomes by label ─▶ Table     counts and rates as `chartune.disclosure` allows
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chartune.answers import AUROC
from chartune.disclosure import TOO_FEW, percent, shown
from chartune.report.compare import p_text
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, listed, minus
from chartune.runs import Run
from chartune.runs.monitored import LENGTH, SCORE, SHARES, Drifted, Monitored, Returned, Rule, Window, read_monitored

MOST_WINDOWS: Final = 12
"""Windows that are shown: the last ones."""
P_DIGITS: Final = 4


@dataclass(frozen=True)
class InUse:
    """Runs in use, ready to be shown."""

    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    """Of each run what raised an alarm."""


def in_use(every: Mapping[str, Run], fictional: Mapping[str, bool]) -> InUse | None:
    """What was seen of runs in use; None: nothing was.

    Args:
        every: all runs of the report by fingerprint.
        fictional: fingerprint of a run → whether its patients are made up.
    """
    tables, sentences = list[Table](), list[str]()
    for run in every.values():
        if seen := read_monitored(run.path):
            tables += monitored_tables(run.name, seen, fictional.get(run.fingerprint, False))
            sentences.append(f"{run.name}: {alarms_said(seen)}.")
    return InUse(tuple(tables), tuple(sentences)) if tables else None


def alarms_said(seen: Monitored) -> str:
    """Which measures raised an alarm in how many windows, and in the last one."""
    windows = len(seen.windows)
    counted = f"{windows} window{'s' * (windows != 1)} of {seen.rule.window:,} rows"
    raised = [window for window in seen.windows if window.alarms]
    if not raised:
        return f"no alarm in {counted}"
    what = sorted({alarm for window in raised for alarm in window.alarms})
    last = "the last one among them" if seen.windows[-1].alarms else "not in the last one"
    return f"alarm in {len(raised)} of {counted}, {last}: {listed(what)}"


def rule_said(rule: Rule) -> str:
    """The rule in words."""
    return (
        f"An alarm of inputs and scores: p below {rule.level:g} divided by the number of measures, and a PSI of "
        f"{rule.psi:g} or more. Of outcomes: p below {rule.level:g} divided by the number of tests, and observed to "
        f"expected moved by a factor of {rule.ratio:g}, or the AUROC lower by {rule.auroc:g}."
    )


def monitored_tables(name: str, seen: Monitored, exact: bool) -> list[Table]:
    """Windows by measure, and outcomes by label where some have come back.

    Args:
        name: of the run.
        seen: of it.
        exact: whether rows of real patients are counted as they are.
    """
    last = seen.windows[-MOST_WINDOWS:]
    rows = tuple(_drift_row(window, one, seen, exact) for window in last for one in window.drift)
    columns = (
        Column("Rows", "in the order in which they were scored", numeric=False), Column("Measure", numeric=False),
        Column(f"Own {seen.split} split", "mean; of lengths the median"), Column("Here"),
        Column("PSI", "population stability index over the deciles of the own split"),
        Column("p", "of no change (Kolmogorov-Smirnov)"), Column("Alarm", numeric=False),
    )  # fmt: skip
    left = f" Not measured: {'; '.join(seen.missing)}." if seen.missing else ""
    earlier = (
        f" Shown are the last {len(last)} of {len(seen.windows)} windows." if len(last) < len(seen.windows) else ""
    )
    made = [Table(f"In use, inputs and scores: {name}", columns, rows, rule_said(seen.rule) + earlier + left)]
    outcomes = tuple(_outcome_row(window, one, exact) for window in last for one in window.outcomes)
    return [*made, _outcome_table(name, seen, outcomes, exact)] if outcomes else made


def _drift_row(window: Window, one: Drifted, seen: Monitored, exact: bool) -> tuple[Cell, ...]:
    measure = {SCORE: seen.score, LENGTH: f"{seen.counts} of a text"}.get(one.measure, one.measure)
    sides = ((one.own, seen.own_rows), (one.here, seen.rule.window))
    return (
        Cell(f"{window.first:,} to {window.last:,}"), Cell(measure),
        *(Cell(_value(one.measure, value, rows, exact)) for value, rows in sides),
        Cell(f"{one.psi:.2f}"), Cell(p_text(one.p, P_DIGITS)), Cell("alarm" if one.alarm else "", strong=one.alarm),
    )  # fmt: skip


def _value(measure: str, value: float, rows: int, exact: bool) -> str:
    if measure in SHARES:
        return percent(value, exact, rows)
    return f"{value:,.0f}" if measure == LENGTH else f"{value:.2f}"


def _outcome_table(name: str, seen: Monitored, rows: tuple[tuple[Cell, ...], ...], exact: bool) -> Table:
    columns = (
        Column("Rows", numeric=False), Column("Outcome", numeric=False), Column("Known", "rows, and those with it"),
        Column("Observed to expected", f"own {seen.split} split beneath"), Column("p", "of no change"),
        Column("AUROC", f"own {seen.split} split beneath"), Column("p", "of no fall"),
        Column("Calibration slope", f"own {seen.split} split beneath"), Column("Alarm", numeric=False),
    )  # fmt: skip
    note = f"Outcomes of {shown(seen.returned, exact)} rows have come back"
    note += f"; {shown(seen.unmatched, exact)} fit no row that was scored." if seen.unmatched else "."
    return Table(f"In use, outcomes: {name}", columns, rows, note)


def _outcome_row(window: Window, one: Returned, exact: bool) -> tuple[Cell, ...]:
    begins = (Cell(f"{window.first:,} to {window.last:,}"), Cell(one.label),
              Cell(shown(one.rows, exact), f"{shown(one.cases, exact)} with it"))  # fmt: skip
    if one.few:
        return (*begins, *[Cell(TOO_FEW)] * 5, Cell(""))
    raised = [text for text, alarm in (("calibration", one.ratio_alarm), ("AUROC", one.auroc_alarm)) if alarm]
    return (
        *begins, _beside(one.ratio, one.own_ratio), Cell(_p(one.p_ratio)), _beside(one.auroc, one.own_auroc),
        Cell(_p(one.p_auroc)), _beside(one.slope, one.own_slope), Cell(listed(raised), strong=bool(raised)),
    )  # fmt: skip


def _beside(here: float | None, own: float | None) -> Cell:
    made, before = (NOT_MEASURED if value is None else minus(f"{value:.2f}") for value in (here, own))
    return Cell(made, before)


def _p(p: float | None) -> str:
    return NOT_MEASURED if p is None else p_text(p, P_DIGITS)


def monitored_json(seen: Monitored, exact: bool) -> dict[str, Any]:
    """As plain JSON; `exact`: whether rows of real patients are counted as they are."""
    plain: dict[str, Any] = seen.model_dump(mode="json")
    plain["alarms"] = [{"first": window.first, "last": window.last, "alarms": window.alarms}
                       for window in seen.windows if window.alarms]  # fmt: skip
    if exact:
        return plain
    for window in plain["windows"]:
        for one in window["drift"]:
            for side, rows in (("own", seen.own_rows), ("here", seen.rule.window)):
                one[side] = _value(one["measure"], one[side], rows, exact)
            one |= {"psi": round(one["psi"], 2), "p": round(one["p"], P_DIGITS)}
        for one in window["outcomes"]:
            _round(one)
    return plain | {key: shown(plain[key], exact) for key in ("own_rows", "rows", "returned", "unmatched")}


def _round(one: dict[str, Any]) -> None:
    one |= {key: shown(one[key], False) for key in ("rows", "cases")}
    for key in ("ratio", "own_ratio", AUROC.metric, "own_auroc", "slope", "own_slope"):
        one[key] = None if one[key] is None else round(one[key], 2)
    for key in ("p_ratio", "p_auroc"):
        one[key] = None if one[key] is None else round(one[key], P_DIGITS)


def alarms_by_window(seen: Monitored) -> list[str]:
    """A line for each window with an alarm."""
    return [f"alarm: rows {window.first:,} to {window.last:,}: {listed(window.alarms)}"
            for window in seen.windows if window.alarms]  # fmt: skip
