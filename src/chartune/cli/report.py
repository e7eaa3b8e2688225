"""`chartune report`: runs → one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, open_store, path_option
from chartune.errors import ConfigError
from chartune.names import checked_title


def command(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs by fingerprint or name. Default: all.")] = None,
    out: Annotated[Path, path_option("--out", "The HTML file to write; or -.")] = Path("report.html"),
    tables: Annotated[
        Path | None,
        path_option("--tables", "A new folder for every table (CSV, LaTeX) and figure (SVG) of the page.", "FOLDER"),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the report.")] = "chartune report",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write one self-contained HTML file: cohort flow, perplexities, scores with intervals, cost, model cards.

    It holds counts and scores, never the text of a note or an id of a patient, and loads nothing from a network.
    """
    from chartune.report.render import page_of, report_of
    from chartune.runs.ledger import find_run

    heading = checked_title(title, "--title")
    opened = open_store(store)
    chosen = [find_run(opened, run) for run in runs] if runs else None
    if str(out) == "-":
        if as_json:
            raise ConfigError("standard output holds the report or its JSON, but --out - and --json ask for both.")
        typer.echo(page_of(opened, chosen, heading, tables=tables))
        return
    path = report_of(opened, chosen, out, heading, tables=tables)
    written = {"report": str(path)} | ({"tables": str(tables)} if tables else {})
    emit(written, as_json, "\n".join(written.values()))
