"""XML that may be hostile or broken: no document type, no entities of its own, nothing fetched; expat does the rest.

A corpus has no use for a DTD, and every known attack on a reader of XML begins with one: entity bombs, outside files.
So a document that declares one is refused as a whole. A document that is merely broken (a bare `&`, as in fourteen
files of i2b2 2012) is mended if that can be done without a guess.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from chartune.errors import SchemaError

DEEPEST: Final = 50
"""Elements within each other; a corpus has four."""
_CDATA: Final = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_BARE: Final = re.compile(r"&(?!(?:amp|lt|gt|apos|quot|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")
_ATTRIBUTE: Final = re.compile(r'="[^"]*"')
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 has not."""


@dataclass(repr=False)
class Element:
    """An element; text between its children is joined into its own."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Characters directly in it; every line break is one character, as XML says."""
        return "".join(self.parts)

    def first(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)


class Malformed(Exception):  # noqa: N818 - it never leaves the package of annotated corpora
    """The document is not well-formed."""


def parse(content: str, place: str) -> Element:
    """The root element.

    Args:
        content: of the document; what its first line says of an encoding does not count.
        place: what to call it in errors.

    Raises:
        SchemaError: it declares a document type or entities, or nests without end.
        Malformed: it is not well-formed.
    """
    tree = _Tree(place)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    for refused in ("StartDoctypeDeclHandler", "EntityDeclHandler", "UnparsedEntityDeclHandler"):
        setattr(parser, refused, _refusal(place))
    parser.ExternalEntityRefHandler = _refusal(place)
    try:
        parser.Parse(content.encode(), True)
    except expat.ExpatError:
        broken = True
    else:
        broken = tree.root is None
    if broken or tree.root is None:
        raise Malformed
    return tree.root


def mended(content: str) -> str:
    """The document with bare `&`, `<` within attributes and forbidden control characters made legal, outside CDATA.

    Within CDATA only control characters change, each into one blank, so that offsets into it still hold.
    """
    parts = _CDATA.split(_CONTROL.sub(" ", content))
    return "".join(part if part.startswith("<![CDATA[") else _escaped(part) for part in parts)


def _escaped(markup: str) -> str:
    return _ATTRIBUTE.sub(lambda cell: cell.group().replace("<", "&lt;"), _BARE.sub("&amp;", markup))


def _refusal(place: str) -> Callable[..., Any]:
    def refuse(*_: object) -> None:
        raise SchemaError(
            f"a document must declare no document type and no entities, but {place} does; do not use it, and get the "
            f"corpus again from its owner."
        )

    return refuse


class _Tree:
    """Builds elements from what expat tells."""

    def __init__(self, place: str) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._place = place

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise SchemaError(
                f"elements must nest at most {DEEPEST} deep, but those of {self._place} go on; it is no document of a "
                f"corpus."
            )
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].parts.append(text)
