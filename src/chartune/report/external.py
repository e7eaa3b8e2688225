"""Runs on other data than their own: what became of their scores, and how texts and labels differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chartune.disclosure import TOO_FEW, percent, shown
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, minus
from chartune.report.variants import Score, Variant, score
from chartune.runs import Run
from chartune.runs.record import Drift, External


@dataclass(frozen=True)
class Elsewhere:
    """External validation, ready to be shown."""

    scores: Table
    drifts: tuple[Table, ...]


def elsewhere(variants: Sequence[Variant], every: Mapping[str, Run], fictional: Mapping[str, bool]) -> Elsewhere | None:
    """What became of the scores of runs on other data; None: none was evaluated elsewhere.

    Args:
        variants: of all outcomes.
        every: all runs of the report by fingerprint.
        fictional: fingerprint of a run → whether its patients are made up.
    """
    by_run = {run.fingerprint: variant for variant in variants for run in variant.runs}
    made = [(run, run.about.external) for run in every.values() if run.about.external]
    rows, drifts = [], []
    for run, external in made:
        rows.append(_row(run, external, by_run))
        open_data = fictional.get(run.fingerprint, False) and fictional.get(external.run, True)
        drifts.append(_drift_table(run, external, open_data))
    return Elsewhere(_scores(rows), tuple(drifts)) if rows else None


def external_json(external: External, exact: bool) -> dict[str, Any]:
    """As plain JSON; `exact`: whether rows of real patients are counted as they are."""
    plain = external.to_json()
    if exact:
        return plain
    counts = {"own": external.own_rows, "here": external.rows}
    for row in plain["drift"]:
        if row["share"]:
            row |= {side: None if row[side] is None else percent(row[side], False, n) for side, n in counts.items()}
    rows = {key: shown(plain[key], False) for key in ("rows", "rows_left_out")}
    own = None if external.own_rows is None else shown(external.own_rows, False)
    return plain | rows | {"own_rows": own}


def _scores(rows: Sequence[tuple[Cell, ...]]) -> Table:
    columns = (
        Column("Run", "and the data that it was evaluated on", numeric=False), Column("Score", numeric=False),
        Column("On its own test split"), Column("Here"),
        Column("Difference", "here less own; other patients, so not paired"),
        Column("Labels", "scored of those that the run knows"),
    )  # fmt: skip
    return Table("External validation: the same weights on other data", columns, tuple(rows))


def _row(run: Run, external: External, by_run: Mapping[str, Variant]) -> tuple[Cell, ...]:
    metric = run.headline.metric
    sides = [by_run.get(name) for name in (external.run, run.fingerprint)]
    before, after = (variant.score(metric) if variant else None for variant in sides)
    cells = [_cell(variant, score) for variant, score in zip(sides, (before, after), strict=True)]
    difference = NOT_MEASURED
    if before and after:
        places = min(before.digits, after.digits)
        difference = minus(f"{after.estimate.value - before.estimate.value:+.{places}f}")
    labels = f"{external.labels_shared} of {external.labels_shared + external.labels_missing}"
    unknown = f"{external.labels_unknown} more that it does not know" if external.labels_unknown else ""
    return (Cell(run.name), Cell(run.headline.title), *cells, Cell(difference), Cell(labels, unknown))


def _cell(variant: Variant | None, measured: Score | None) -> Cell:
    return Cell(TOO_FEW) if variant is not None and variant.hidden else score(measured)


def _drift_table(run: Run, external: External, open_data: bool) -> Table:
    columns = (Column("Measure", numeric=False), Column("Its own test split"), Column("Here"))
    rows = tuple(
        (Cell(row.what), _measure(row, row.own, external.own_rows, open_data),
         _measure(row, row.here, external.rows, open_data))
        for row in external.drift
    )  # fmt: skip
    return Table(f"Drift of inputs and labels: {run.name}", columns, rows)


def _measure(row: Drift, value: float | None, rows: int | None, open_data: bool) -> Cell:
    if value is None:
        return Cell(NOT_MEASURED)
    return Cell(percent(value, open_data, rows)) if row.share else Cell(f"{value:,.0f}")
