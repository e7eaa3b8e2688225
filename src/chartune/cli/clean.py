"""`chartune clean`: what the store holds, and removing what is no longer needed."""

import time
from typing import Annotated, Any

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.disclosure import magnitude
from chartune.errors import ConfigError
from chartune.quantities import human_bytes
from chartune.runs.holdings import KINDS, Holding, holdings
from chartune.runs.removal import DAY, Selection, removal, remove
from chartune.store import Store


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Fingerprints, their prefixes, or names of runs. Default: all.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help=f"One of {', '.join(KINDS)}. Repeatable.")] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0.0, metavar="DAYS", help="Not changed for so many days.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Only what killed attempts and removals have left.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this nothing is removed.")] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List what the store holds, restricted artefacts first, with sizes; with --yes remove what is chosen.

    Never removed is what something that stays is made from (data of a run, the clinical adapter of a stack, its base
    model, its token arrays), nor what a living process writes.
    """
    opened = Store(store)
    selection = Selection(tuple(names or ()), tuple(kind or ()), older_than, unfinished)
    if yes and selection.is_empty:
        raise ConfigError(
            "what is removed must be chosen: give names, --kind, --older-than or --unfinished with --yes."
        )
    every, now = holdings(opened), time.time()
    judged = removal(every, selection, now)
    listed = every if selection.is_empty else [*judged.goes, *judged.held_back]
    rows = [_row(one, every, now, judged.held_back.get(one, "")) for one in listed]
    removed = []
    for one in judged.goes if yes else ():
        remove(opened, one)
        removed.append(one.fingerprint)
    going = [] if selection.is_empty else [one.fingerprint for one in judged.goes]
    size = sum(row["bytes"] for row in rows if row["fingerprint"] in going) if going else 0
    result = {"store": str(opened.root), "holdings": rows, "chosen": going, "removed": removed, "bytes": size}
    lines = [_line(row, chosen=not selection.is_empty, removed=yes) for row in rows]
    if going and not yes:
        lines.append(f"{len(going)} would be removed, about {human_bytes(size)}; nothing was: give --yes")
    emit(result, as_json, "\n".join(lines) or f"nothing of that kind in {opened.root}")


def _row(one: Holding, every: list[Holding], now: float, held: str) -> dict[str, Any]:
    """What may be shown of a folder: its size to the first digit, which no number of patients can be derived from."""
    return {
        "kind": one.kind, "fingerprint": one.fingerprint, "name": one.name or None, "state": one.state,
        "sensitivity": one.sensitivity, "bytes": magnitude(one.bytes, one.sensitivity == "open"),
        "days": int((now - one.changed) / DAY), "in_use": one.in_use,
        "needed_by": [user.fingerprint for user in every if user.rests_on(one)], "held_back": held or None,
    }  # fmt: skip


def _line(row: dict[str, Any], *, chosen: bool, removed: bool) -> str:
    words = f"{row['sensitivity']:<11} {row['kind']:<12} {row['fingerprint']:<16} {human_bytes(row['bytes']):>10} "
    words += f"{row['days']:>5} days  {row['name'] or ''}"
    needed, state = len(row["needed_by"]), row["state"]
    notes = [] if state == "finished" else [f"{state}{', in use' if row['in_use'] else ''}"]
    if chosen:
        notes.append(f"stays: {row['held_back']}" if row["held_back"] else "removed" if removed else "would be removed")
    elif needed:
        notes.append(f"needed by {row['needed_by'][0]}" + (f" and {needed - 1} more" if needed > 1 else ""))
    return f"{words.rstrip()}{'  ' if notes else ''}{'; '.join(notes)}"
