"""`chartune bases`: the base models that have names here, what they have read, and which are on this machine."""

from dataclasses import asdict
from typing import Any

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.models.catalog import Row, catalog
from chartune.store import Store


def command(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """List the base models that `--base` knows by name: licence, longest text, what they read before, how to get them.

    Any other encoder or decoder of text is named by its folder, or by its hub id in the local cache. A base that has
    read MIMIC's notes may have read those that it is asked about: its scores on MIMIC are circular.
    """
    rows = [_facts(row, Store(store)) for row in catalog.values()]
    emit({"bases": rows}, as_json, "\n\n".join(map(_line, rows)))


def _facts(row: Row, store: Store) -> dict[str, Any]:
    from chartune.models.backbone import is_installed, standing_here

    (here, problem), made = (
        standing_here(row, store),
        row.origin == "made" or (row.origin in ("gguf", "cut") and is_installed(row)),
    )
    return {
        "name": row.name, "title": row.title, "hub": row.hub or None, "licence": row.licence, "tokens": row.tokens,
        "exposure": asdict(row.exposure), "circular_on_mimic": row.exposure.contaminates("mimic3", made_up=False),
        "here": here, "made_on_first_use": made and not here, "problem": problem or None, "get": row.install or None,
        "plannable": bool(row.sizes),
    }  # fmt: skip


def _line(facts: dict[str, Any]) -> str:
    read = "{text} ({source})".format(**facts["exposure"])
    mimic = {True: "; its scores on MIMIC are circular", None: "; whether MIMIC's notes are among it is not known"}
    how = "made on first use" if facts["made_on_first_use"] else f"not here: {facts['get']}"
    how = f"in the local cache, but not to be read: {facts['problem'].rstrip('.')}" if facts["problem"] else how
    return "\n    ".join([
        f"{facts['name']}  {facts['title']}",
        f"{facts['licence']}; up to {facts['tokens']:,} tokens",
        f"read {read}{mimic.get(facts['circular_on_mimic'], '')}",
        *([f"hub id {facts['hub']}"] if facts["hub"] else []),
        "on this machine" if facts["here"] else how + ("; can be planned with" if facts["plannable"] else ""),
    ])  # fmt: skip
