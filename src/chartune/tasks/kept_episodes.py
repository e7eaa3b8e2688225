"""Episodes of ventilation on a shelf of their own: the bedside chart, the largest table, is read once for all."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from chartune.config import fingerprint
from chartune.sources.facts import TableFacts
from chartune.sources.source import Records
from chartune.sources.ventilation.episodes import OXYGEN_JOINS
from chartune.store import Store
from chartune.tasks.frames import read_frame, write_frame
from chartune.tasks.making import TALLIES, read_tallies, write_tallies

EVENTS: Final = "events"
"""The shelf of episodes."""
EVENTS_REVISION: Final = 3
"""Raised when a bug fix changes which episodes are found."""
_CHART: Final = ("icustays", "chartevents", "procedureevents_mv")
"""Tables that determine the episodes."""
_EPISODES: Final = "ventilation-{}.parquet"
"""By join (`chartune.sources.ventilation.OxygenJoin`)."""


def with_kept_episodes(records: Records, facts: Mapping[str, TableFacts], store: Store) -> Records:
    """The records, whose episodes of ventilation are kept on a shelf of their own: the chart is read once for all.

    Raises:
        SchemaError: the bedside chart breaks its contract.
        StoreError: the store cannot be written.
    """
    derive = records.ventilation
    if derive is None:
        return records
    files = {table: fact.sha256 for table, fact in sorted(facts.items()) if table.lower() in _CHART}

    def write(folder: Path) -> None:
        for join in OXYGEN_JOINS:
            write_frame(derive(join), folder / _EPISODES.format(join))
        write_tallies(records, folder / TALLIES)

    name = fingerprint(EVENTS, EVENTS_REVISION, {"kind": records.about.kind, "files": files})
    kept = store.obtain(EVENTS, name, write, {"sensitivity": "restricted"})
    read_tallies(records, kept.path / TALLIES, files)
    return replace(
        records, ventilation=lambda oxygen_join="fixed": read_frame(kept.path / _EPISODES.format(oxygen_join))
    )
