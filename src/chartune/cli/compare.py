"""`chartune compare`: two runs, two stores or two ledgers side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, named_path, open_store
from chartune.disclosure import Sourced, is_made_up
from chartune.errors import ConfigError
from chartune.report.released import source_of

if TYPE_CHECKING:
    from chartune.report.table import Table
    from chartune.runs.run import Run

SUFFIXES: Final = (".csv", ".tex")
LEDGER: Final = ".jsonl"
_SIDE: Final = "A run (fingerprint, its prefix, name, or folder), a store, or the ledger of a study."

Written = Callable[["Table"], dict[str, str]]
"""Writes the table where that is asked; what is added to the JSON."""


def command(
    first: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    second: Annotated[str, typer.Argument(metavar="B", help=_SIDE)],
    out: Annotated[
        Path | None, typer.Option("--out", parser=named_path, metavar="PATH", help="Write the table: .csv or .tex.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show two runs side by side: every score of both, and the paired differences where they share rows.

    Of two adapters perplexities are compared. Of two stores every variant that both have is compared by its primary
    score; of two ledgers every cell, without pairs. Paired are runs that answer the same rows of the same patients; of
    others it says why not. The numbers are those of `chartune report`.
    """
    from chartune.outputs import must_be_a_file

    if out is not None:
        must_be_a_file(out)
        if out.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"--out of a comparison must end in {' or '.join(SUFFIXES)}, but is {out.name}.")
    kinds = [_kind(side) for side in (first, second)]
    if len(set(kinds)) > 1:
        raise ConfigError(
            f"a comparison needs two runs, two stores or two ledgers, but A is a {kinds[0]} and B is a {kinds[1]}; "
            f"name two of one kind."
        )

    def written(table: "Table") -> dict[str, str]:
        return _write(table, out)

    if kinds[0] == "ledger":
        _ledgers(Path(first), Path(second), written, as_json)
    elif kinds[0] == "store":
        _stores(Path(first), Path(second), written, exact_counts, as_json)
    else:
        _runs(first, second, store, written, exact_counts, as_json)


def _kind(side: str) -> str:
    """What is named."""
    from chartune.store import MANIFEST

    path = Path(side)
    if path.suffix == LEDGER and path.is_file():
        return "ledger"
    return "store" if (path / "runs").is_dir() and not (path / MANIFEST).exists() else "run"


def _runs(first: str, second: str, store: Path, written: Written, exact: bool, as_json: bool) -> None:
    from chartune.report.beside import beside, beside_json, beside_table
    from chartune.report.beside_adapted import adapted_beside
    from chartune.runs.ledger import run_at

    opened = open_store(store)
    ours, theirs = run_at(opened, first), run_at(opened, second)
    if ours.kind == theirs.kind == "pretrain":
        table, result = adapted_beside(ours, theirs, exact=exact)
        emit_figures(result | written(table), as_json, _text(table), _source([ours, theirs]), exact)
        return
    two = beside(ours, theirs, exact=exact)
    table = beside_table(two)
    more = written(table)
    emit_figures(beside_json(two) | more, as_json, _text(table), _source([ours, theirs]), exact)


def _stores(first: Path, second: Path, written: Written, exact: bool, as_json: bool) -> None:
    from chartune.report.beside_stores import beside_stores, stores_json, stores_table
    from chartune.runs.ledger import finished_runs
    from chartune.store import Store

    ours, theirs = (finished_runs(Store(place)) for place in (first, second))
    matches = beside_stores(ours, theirs, exact=exact)
    table = stores_table(matches, first.name, second.name)
    result = {"a": str(first), "b": str(second), "variants": stores_json(matches), **written(table)}
    emit_figures(result, as_json, _text(table), _source([*ours, *theirs]), exact)


def _ledgers(first: Path, second: Path, written: Written, as_json: bool) -> None:
    from chartune.studies.ledger import read_entries
    from chartune.studies.ledgers_beside import ledgers_json, ledgers_table

    ours, theirs = read_entries(first), read_entries(second)
    table = ledgers_table(ours, theirs, (first.name, second.name))
    result = {"a": str(first), "b": str(second), "cells": ledgers_json(ours, theirs), **written(table)}
    emit(result, as_json, _text(table))


def _source(runs: "list[Run]") -> Sourced:
    """The source whose counts must be guarded most."""
    sources = [source_of(run) for run in runs]
    return next((each for each in sources if not is_made_up(each)), sources[0])


def _write(table: "Table", out: Path | None) -> dict[str, str]:
    from chartune.outputs import write_output
    from chartune.report.files import as_csv
    from chartune.report.latex import latex

    if out is None:
        return {}
    write_output(out, (as_csv(table) if out.suffix.lower() == ".csv" else latex(table, "tab:compare")).encode())
    return {"out": str(out)}


def _text(table: "Table") -> str:
    """The table in columns of text."""
    heading = tuple(column.title for column in table.columns)
    rows = [tuple(f"{cell.text}{f' ({cell.detail})' if cell.detail else ''}".replace("\n", ", ") for cell in row)
            for row in table.rows]  # fmt: skip
    widths = [max(len(row[n]) for row in (heading, *rows)) for n in range(len(heading))]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
             for row in (heading, *rows)]  # fmt: skip
    return "\n".join([table.caption, "", *lines, "", table.note])
