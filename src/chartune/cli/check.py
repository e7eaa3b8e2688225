"""`chartune check`: is this machine ready, and are the raw tables complete?"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from chartune.cli.figures import ExactOption
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, named_path, one_of, open_store, yaml_text
from chartune.disclosure import EXACT, RELEASE, ROUNDED, shown
from chartune.errors import SchemaError
from chartune.quantities import human_bytes
from chartune.sources.kinds import SOURCES


def command(
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=named_path, metavar="FOLDER",
            help="Raw data to check, a folder or one file: are the tables there and complete?",
        ),
    ] = None,
    notes: Annotated[
        Path | None,
        typer.Option(
            "--notes", parser=named_path, metavar="PATH", show_default=False,
            help="Where MIMIC-IV-Note is, if not in that folder.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", parser=one_of(SOURCES), metavar="|".join(SOURCES),
            help="Kind of the raw data. Default: detected.", show_default=False,
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Check the machine: versions, processor or GPU, precision in force and why, memory, disk, store, base models.

    With a folder or a file, also its raw tables: found, missing, columns, sizes, rows. Small tables are read through,
    of large ones the first rows, so that it takes seconds. Writes nothing but the store's folder. Where a table that is
    needed is missing or cannot be read, that comes first and the exit code is 3.
    """
    # A wrong path is reported before anything is measured.
    tables = _tables(folder, notes, source, exact_counts) if folder else {}
    opened = open_store(store)
    from chartune.planning.machine import survey_machine

    broken = _broken(tables)
    facts: dict[str, Any] = {"needed": broken} if broken else {}
    facts |= survey_machine(opened)
    facts["memory"] = {
        "total": human_bytes(psutil.virtual_memory().total),
        "free": human_bytes(psutil.virtual_memory().available),
    }
    facts["store"] = {
        "folder": str(opened.root),
        "writable": True,
        "free": human_bytes(shutil.disk_usage(opened.root).free),
    }
    facts |= tables
    text = yaml_text(facts)
    emit(facts, as_json, f"{RELEASE}\n{text}" if tables.get("do_not_release") else text)
    if broken:
        raise SchemaError(
            f"{folder} must hold every table that is needed, but {'; '.join(broken)}; give the folder that holds them, "
            f"or add them as released."
        )


def _broken(tables: dict[str, Any]) -> list[str]:
    """What is wrong with each table without which nothing can be prepared."""
    needed = [row for row in tables.get("tables", ()) if row["required"] and row["problem"]]
    return [f"{row['table']}: {row['problem'].rstrip('.')}" for row in needed]


def shown_rows(tables: list[dict[str, Any]], exact: bool) -> list[dict[str, Any]]:
    """Tables with their rows as they may be shown: by their class, or in full where the publisher states them, too."""
    return [
        row | ({} if exact or row["rows"] in (None, row.get("expected_rows")) else {"rows": shown(row["rows"], exact)})
        for row in tables
    ]


def _tables(folder: Path, notes: Path | None, source: str | None, exact: bool) -> dict[str, Any]:
    """The kind of the raw data, and a row per table; an annotated corpus has none."""
    from chartune.sources.annotated.catalog import detect_annotated
    from chartune.sources.catalog import detect, fictional, survey

    corpus = None if source else detect_annotated(folder)
    if corpus:
        return {"source": corpus}
    kind = source or detect(folder)
    made_up = fictional(folder, notes, kind)
    return {
        "source": kind, "figures": EXACT if exact or made_up else ROUNDED, "do_not_release": exact and not made_up,
        "tables": shown_rows(survey(folder, notes, kind), exact or made_up),
    }  # fmt: skip
