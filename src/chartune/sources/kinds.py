"""The kinds of sources, one line each: what a source goes by, and where its class is. Read without its tables."""

from typing import TYPE_CHECKING, Final, Literal

from chartune.kinds import class_at

if TYPE_CHECKING:
    from chartune.sources.source import Source

SOURCES: Final = {
    "mimic3": "chartune.sources.mimic3:Mimic3",
    "mimic4": "chartune.sources.mimic4:Mimic4",
    "tabular": "chartune.sources.tabular:Tabular",
}
CorpusKind = Literal["i2b2_2010", "i2b2_2012", "i2b2_2014", "n2c2_2018", "mednli", "pubmedqa", "pairs", "conll", "brat"]
"""Annotated corpora (`sources.annotated`)."""


def source_class(kind: str) -> "type[Source]":
    """The class of a source.

    Args:
        kind: a key of `SOURCES`.
    """
    made: type[Source] = class_at(SOURCES[kind])
    return made
