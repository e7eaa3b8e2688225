"""Cards: what a reader must know of an artefact, in sections. One shape for adapters and for prepared data.

run.json, scores ─▶ report.card        ─┐
dataset.json ─────▶ tasks.dataset_card ─┴─▶ Sections ─┬─▶ markdown: a file in the artefact's folder
                                                      └─▶ the report, folded
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
    """A card as Markdown. Names and titles are written as text, never as markup."""
    return "\n\n".join([f"# {_escaped(title)}", *map(_section, sections)]) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {_escaped(section.title)}", *map(_paragraph, section.text)]
    if section.facts:
        parts.append("\n".join(f"- **{_escaped(term)}:** {_escaped(value)}" for term, value in section.facts))
    if section.rows:
        parts.append("\n".join(_line(row) for row in (section.columns, ["---"] * len(section.columns), *section.rows)))
    if section.code:
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", section.code))])
        parts.append(f"{fence}python\n{section.code}\n{fence}")
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def quoted(text: str) -> str:
    """A string literal of Python that holds `text` and nothing else."""
    return f'"{text}"' if re.fullmatch(r"[\w./ :-]*", text) else repr(text)


_OURS: Final = re.compile(r"(?<![`\\*])(`[\w./=, -]+`|\*\*[\w., -]+\*\*)(?![`*])")
"""Code or bold words in a sentence of ours: letters between two marks, so nothing in them can mean anything."""


def _escaped(text: str) -> str:
    """Text in which nothing is markup: no link, image, tag, cell or formula. `Names` stay code, **words** bold."""
    parts = _OURS.split(" ".join(text.split()))
    return "".join(part if place % 2 else _plain(part) for place, part in enumerate(parts))


def _paragraph(text: str) -> str:
    """Nor does it begin with what would make a heading, a list, a rule or the address of a link of it."""
    return re.sub(
        r"^([#+=~\[-])|^(\d+)(?=[.)])", lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}\\", _escaped(text)
    )


def _plain(text: str) -> str:
    """Without a link's second half its first is text; a `_` within a word is one."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|~$])", r"\\\1", text)
    text = re.sub(r"\](?=[(\[:])", r"]\\", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\_", text)
