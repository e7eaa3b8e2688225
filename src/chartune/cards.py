"""Cards: what a reader must know of an artefact, in sections. One shape for adapters and for prepared data.

run.json, scores ─▶ report.card        ─┐
dataset.json ─────▶ tasks.dataset_card ─┴─▶ Sections ─┬─▶ markdown: a file in the artefact's folder
                                                      └─▶ the report, folded
"""

from collections.abc import Sequence
from dataclasses import dataclass

Facts = tuple[tuple[str, str], ...]
"""Terms and values."""


@dataclass(frozen=True)
class Section:
    """A part of a card."""

    title: str
    text: tuple[str, ...] = ()
    """Paragraphs."""
    facts: Facts = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    code: str = ""


def markdown(title: str, sections: Sequence[Section]) -> str:
    """A card as Markdown. Names are told as text, never as markup."""
    return "\n\n".join([f"# {_escaped(title)}", *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {_escaped(section.title)}", *(_escaped(paragraph) for paragraph in section.text)]
    if section.facts:
        parts.append("\n".join(f"- **{_escaped(term)}:** {_escaped(value)}" for term, value in section.facts))
    if section.rows:
        parts.append("\n".join(_line(row) for row in (section.columns, ["---"] * len(section.columns), *section.rows)))
    if section.code:
        parts.append(f"```python\n{section.code}\n```")
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    """A bar would end a cell and a line break a paragraph."""
    plain = " ".join(text.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
