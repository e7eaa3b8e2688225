"""`chartune check`: is this machine ready, and are the raw tables complete?"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import typer

from chartune.cli.figures import ExactOption
from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    emit,
    one_of,
    open_store,
    path_argument,
    path_option,
    yaml_text,
)
from chartune.disclosure import EXACT, RELEASE, ROUNDED, shown
from chartune.errors import RunError, SchemaError
from chartune.quantities import human_bytes
from chartune.sources.kinds import SOURCES
from chartune.sources.tabular import NOTES

LEAST: Final = 1 << 30
"""Bytes of memory, and of disk, without which no stage can be run."""


def command(
    folder: Annotated[
        Path | None,
        path_argument("FOLDER", "Raw data to check, a folder or one file: are the tables there and complete?"),
    ] = None,
    notes: Annotated[Path | None, path_option("--notes", "Where MIMIC-IV-Note is, if not in that folder.")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", parser=one_of(SOURCES), metavar="|".join(SOURCES),
            help="Kind of the raw data. Default: detected.", show_default=False,
        ),
    ] = None,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Measure the rate of matrix products, too; takes some seconds.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every table, version and base model.")] = False,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say whether chartune can work here: "ready", or "not ready" with the reasons and an exit code.

    Looked at are versions, processor or GPU, precision in force and why, memory, disk, store and base models. With a
    folder or a file, also its raw tables: found, missing, columns, sizes, rows. Small tables are read through, of large
    ones the first rows, so that it takes seconds. Writes nothing but the store's folder. The exit code is 3 where a
    table that is needed is missing or cannot be read, 5 where memory or disk are too short.
    """
    # A wrong path is reported before anything is measured.
    tables = _tables(folder, notes, source, exact_counts) if folder else {}
    opened = open_store(store)
    from chartune.planning.machine import survey_machine

    machine, free = survey_machine(opened, benchmark), _free(opened.root)
    broken, short = _broken(tables), _short_of(free)
    verdict = f"not ready: {'; '.join([*broken, *short])}" if broken or short else "ready"
    facts: dict[str, Any] = {
        "ready": not broken and not short, "verdict": verdict, **({"needed": broken} if broken else {}), **machine,
        "memory": {"total": human_bytes(psutil.virtual_memory().total), "free": human_bytes(free["memory"])},
        "store": {"folder": str(opened.root), "writable": True, "free": human_bytes(free["disk"])}, **tables,
    }  # fmt: skip
    text = "\n".join([verdict, yaml_text(facts) if verbose else summary(facts)])
    emit(facts, as_json, f"{RELEASE}\n{text}" if tables.get("do_not_release") else text)
    if broken:
        raise SchemaError(
            f"{folder} must hold every table that is needed, but {'; '.join(broken)}; give the folder that holds them, "
            f"or add them as released."
        )
    if short:
        raise RunError(f"this machine must have room to work, but {'; '.join(short)}; free some, or use another.")


def summary(facts: Mapping[str, Any]) -> str:
    """What was found, a line for each subject."""
    device, numerics, memory, store = (facts[name] for name in ("device", "numerics", "memory", "store"))
    standing = facts["base models"].items()
    here = [name if how.startswith("ready") else f"{name} ({how})" for name, how in standing if "not here" not in how]
    return "\n".join([
        *(_data_lines(facts) if "source" in facts else []),
        f"  machine: {device['name']}, {numerics['precision']}, {memory['free']} free",
        f"  base models: {', '.join(here) or 'none yet'}",
        f"  store: {store['folder']}, {store['free']} free",
        *(f"  {name}: {rate} GFLOP/s" for name, rate in facts.get("gflops", {}).items()),
        "  more with --verbose",
    ])  # fmt: skip


def _data_lines(facts: Mapping[str, Any]) -> list[str]:
    """The kind of the data, and the tables that could be there, too, but have a problem."""
    tables = facts.get("tables", ())
    lacking = [f"{row['table']} ({row['problem'].rstrip('.')})" for row in tables if row["problem"]]
    found = f", {sum(not row['problem'] for row in tables)} of {len(tables)} tables complete" if tables else ""
    return [f"  data: {facts['source']}{found}", *([f"  without: {', '.join(lacking)}"] if lacking else [])]


def _free(root: Path) -> dict[str, int]:
    """Bytes that are free."""
    return {"memory": psutil.virtual_memory().available, "disk": shutil.disk_usage(root).free}


def _short_of(free: Mapping[str, int]) -> list[str]:
    """What there is too little of."""
    return [
        f"{human_bytes(count)} of {name} are free, less than {human_bytes(LEAST)}"
        for name, count in free.items()
        if count < LEAST
    ]


def _broken(tables: dict[str, Any]) -> list[str]:
    """What is wrong with each table without which nothing can be prepared."""
    needed = [row for row in tables.get("tables", ()) if row["required"] and row["problem"]]
    return [f"{row['table']}: {row['problem'].rstrip('.')}{_of_use(row)}" for row in needed]


def _of_use(row: Mapping[str, Any]) -> str:
    """What a table of one's own is good for without labels."""
    if row["table"] != NOTES or row.get("missing") != ["label"]:
        return ""
    return " (to adapt a language model none is needed: chartune pretrain FILE --set data.source.label=null)"


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
