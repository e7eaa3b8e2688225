"""The kinds of sources, one line each: what a source goes by, and where its class is. Read without its tables."""

from typing import TYPE_CHECKING, Final

from chartune.kinds import class_at

if TYPE_CHECKING:
    from chartune.sources.source import Source

SOURCES: Final = {
    "mimic3": "chartune.sources.mimic3:Mimic3",
    "mimic4": "chartune.sources.mimic4:Mimic4",
    "tabular": "chartune.sources.tabular:Tabular",
}


def source_class(kind: str) -> "type[Source]":
    """The class of a source.

    Args:
        kind: a key of `SOURCES`.
    """
    made: type[Source] = class_at(SOURCES[kind])
    return made
