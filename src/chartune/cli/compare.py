"""`chartune compare`: two runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, named_path, open_store
from chartune.disclosure import is_made_up
from chartune.errors import ConfigError
from chartune.report.released import source_of

if TYPE_CHECKING:
    from chartune.report.table import Table

SUFFIXES: Final = (".csv", ".tex")
_RUN: Final = "A run: fingerprint, its prefix, name, or folder."


def command(
    first: Annotated[str, typer.Argument(metavar="A", help=_RUN)],
    second: Annotated[str, typer.Argument(metavar="B", help=_RUN)],
    out: Annotated[
        Path | None, typer.Option("--out", parser=named_path, metavar="PATH", help="Write the table: .csv or .tex.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show two runs side by side: every score of both, and the paired differences where they share rows.

    Paired are two runs that answer the same rows of the same patients; of others it says why not, and how many
    patients both have. The numbers are those of `chartune report`.
    """
    from chartune.outputs import must_be_a_file, write_output
    from chartune.report.beside import beside, beside_json, beside_table
    from chartune.report.files import as_csv
    from chartune.report.latex import latex
    from chartune.runs.ledger import run_at

    if out is not None:
        must_be_a_file(out)
        if out.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"--out of a comparison must end in {' or '.join(SUFFIXES)}, but is {out.name}.")
    opened = open_store(store)
    ours, theirs = run_at(opened, first), run_at(opened, second)
    two = beside(ours, theirs, exact=exact_counts)
    table = beside_table(two)
    if out is not None:
        write_output(out, (as_csv(table) if out.suffix.lower() == ".csv" else latex(table, "tab:compare")).encode())
    sources = [source_of(run) for run in (ours, theirs)]
    source = next((each for each in sources if not is_made_up(each)), sources[0])
    written = {"out": str(out)} if out else {}
    emit_figures(beside_json(two) | written, as_json, _text(table), source, exact_counts)


def _text(table: "Table") -> str:
    """The table in columns of text."""
    heading = tuple(column.title for column in table.columns)
    rows = [tuple(f"{cell.text}{f' ({cell.detail})' if cell.detail else ''}".replace("\n", ", ") for cell in row)
            for row in table.rows]  # fmt: skip
    widths = [max(len(row[n]) for row in (heading, *rows)) for n in range(len(heading))]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
             for row in (heading, *rows)]  # fmt: skip
    return "\n".join([table.caption, "", *lines, "", table.note])
