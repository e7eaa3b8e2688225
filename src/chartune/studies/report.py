"""The report of a study: its runs as they stand in the store, and marked, what only its ledger lists."""

from collections.abc import Sequence
from pathlib import Path

from chartune.quantities import human_seconds
from chartune.report.claims import Asked, claims_table, decided
from chartune.report.render import report_of
from chartune.report.table import Cell, Column, Table, estimated
from chartune.runs.efficiency import Efficiency
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.ledger import Entry
from chartune.studies.searching import Searched
from chartune.studies.study import Study

NOTE = (
    "These cells were done elsewhere: their runs are not in this store, so that they stand in no curve and no paired "
    "difference. Scores of real patients stand as they may be released."
)


def study_report(
    study: Study, store: Store, runs: Sequence[Run], listed: Sequence[Entry], out: Path,
    searches: Sequence[Searched] = (), claims: Sequence[Asked] = (),
) -> Path:  # fmt: skip
    """Write the report of what is done of a study.

    Args:
        study: whose title it gets.
        store: of the runs.
        runs: titled as the study calls them.
        listed: cells that only the ledger lists.
        out: the HTML file.
        searches: of its searched cells.
        claims: of the study.

    Raises:
        ConfigError: nothing is done, or `out` is a folder, a device or a pipe.
        StoreError: `out` cannot be written, or every run is damaged.
    """
    shown = [one.shown(store) for one in searches]
    table = claims_table(decided(claims, study.claims_error), study.claims_error)
    return report_of(store, runs, out, study.title, listed_table(listed), searches=shown, claims=table)


def listed_table(listed: Sequence[Entry]) -> Table | None:
    """The cells that only a ledger lists; None: there are none."""
    if not listed:
        return None
    columns = (
        Column("Cell", numeric=False), Column("Score", numeric=False), Column("Value"), Column("Time"),
        Column("Device", numeric=False),
    )  # fmt: skip
    return Table("From the ledger", columns, tuple(_row(entry) for entry in listed), NOTE)


def _row(entry: Entry) -> tuple[Cell, ...]:
    task = f", {entry.task}" if entry.task else ""
    return (
        Cell(entry.cell, f"{entry.name} · run {entry.fingerprint}"),
        Cell(entry.title, f"{entry.split} split{task}{'' if entry.split == 'test' else '; test not scored'}"),
        _value(entry), Cell(human_seconds(entry.cost.get("seconds")), _spent(entry)),
        Cell(str(entry.cost.get("device", "unknown"))),
    )  # fmt: skip


def _spent(entry: Entry) -> str:
    """What its run has measured besides, in lines; empty: nothing."""
    known = Efficiency.model_validate(entry.efficiency or {})
    lines = [
        f"to the best {human_seconds(known.best_seconds)}" if known.best_seconds is not None else "",
        f"{known.best_flops:.1e} operations" if known.best_flops is not None else "",
        f"one text {1000 * known.latency_seconds:.3g} ms" if known.latency_seconds is not None else "",
    ]
    return "\n".join(filter(None, lines))


def _value(entry: Entry) -> Cell:
    """The headline as the ledger has it; what was rounded before gets no further digits."""
    score = entry.score(entry.split)
    if isinstance(score, str):
        return Cell(score)
    value, low, high = score.value, score.low, score.high
    if entry.exact:
        return estimated(value, low, high)
    return Cell(f"{value:g}", "no interval" if low is None or high is None else f"{low:g} to {high:g}")
