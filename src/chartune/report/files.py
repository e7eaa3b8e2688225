"""The tables and figures of a report as files, for a manuscript: the same numbers as on the page.

Exhibit ─┬─ table  ─▶ 03-scores.csv   03-scores.tex      booktabs
└─ figure ─▶ 04-roc.svg                         standalone, in the page's light colours
index.csv  file · what it is
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from chartune.outputs import new_folder
from chartune.report.latex import latex
from chartune.report.table import Cell, Table
from chartune.writing import write_exclusively

LONGEST: Final = 60
"""Characters of a file's name, its number apart."""
INCH: Final = 72
_NAMESPACES: Final = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_FONT: Final = 'text { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }'


@dataclass(frozen=True)
class Exhibit:
    """One table or figure of a page, and what it is called."""

    name: str
    content: Table | str
    """A figure is an `<svg>` element as the page has it."""


def write_exhibits(exhibits: Sequence[Exhibit], folder: Path) -> list[str]:
    """Write them into a new folder; returns the names of the files.

    Args:
        exhibits: in the order of the page.
        folder: a name that nothing has, or an empty folder.

    Raises:
        ConfigError: the folder is not new and empty.
        StoreError: it cannot be written.
    """
    with new_folder(folder, "--tables") as aside:
        written = [(name, exhibit.name) for number, exhibit in enumerate(exhibits, 1)
                   for name in _written(exhibit, f"{number:02d}-{slug(exhibit.name)}", aside)]  # fmt: skip
        write_exclusively(aside / "index.csv", _lines([("file", "what it is"), *written]).encode())
    return [name for name, _ in written]


def slug(name: str) -> str:
    """`In-hospital mortality: scores` → `in-hospital-mortality-scores`: plain letters that every system can keep."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or "exhibit"


def as_csv(table: Table) -> str:
    """The table with a further column wherever a value has something beneath it."""
    detailed = [any(row[n].detail for row in table.rows) for n in range(len(table.columns))]
    heading = []
    for column, more in zip(table.columns, detailed, strict=True):
        heading += [column.title, f"{column.title}: {column.meaning or 'detail'}"] if more else [column.title]
    return _lines([heading, *(list(_values(row, detailed)) for row in table.rows)])


def standalone(svg: str) -> str:
    """A figure of the page as a file of its own: colours in place of the page's variables."""
    colours = _light()
    drawn = re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], svg)
    box = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', drawn)
    size = f' width="{float(box[1]) / INCH:.2f}in" height="{float(box[2]) / INCH:.2f}in"' if box else ""
    paper = f'<rect width="100%" height="100%" fill="{colours["paper"]}"/>'
    opened = drawn.replace("<svg ", f"<svg {_NAMESPACES}{size} ", 1)
    styled = opened.replace("</desc>", f"</desc><style>{_FONT}</style>{paper}", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{styled}\n'


def _written(exhibit: Exhibit, stem: str, folder: Path) -> Iterable[str]:
    if isinstance(exhibit.content, Table):
        texts = {f"{stem}.csv": as_csv(exhibit.content), f"{stem}.tex": latex(exhibit.content, f"tab:{stem[3:]}")}
    else:
        texts = {f"{stem}.svg": standalone(exhibit.content)}
    for name, text in texts.items():
        write_exclusively(folder / name, text.encode())
    return texts


def _values(row: Sequence[Cell], detailed: Sequence[bool]) -> Iterable[str]:
    for cell, more in zip(row, detailed, strict=True):
        yield _harmless(cell.text)
        if more:
            yield _harmless(cell.detail.replace("\n", ", "))


def _harmless(text: str) -> str:
    """No spreadsheet takes it for a formula; signed numbers stay numbers, with a plain minus."""
    plain = text.replace("−", "-").replace("\N{NO-BREAK SPACE}", " ")
    return f"'{plain}" if re.match(r"[=@]|[+-](?![\d.])", plain) and plain not in ("-",) else plain


def _lines(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _light() -> dict[str, str]:
    """The colours of the page in the light, by their names in `report.css`."""
    css = files("chartune.report").joinpath("report.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", css[: css.index("}")]))
