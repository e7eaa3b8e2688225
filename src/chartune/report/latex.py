"""A table of the report as LaTeX, with the rules of booktabs, for a document that loads `PACKAGES`."""

import re
from typing import Final

from chartune.report.table import Cell, Column, Table

PACKAGES: Final = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp,booktabs,longtable}"
LONG: Final = 35
"""Rows beyond which a table may run over pages."""
_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': r"\textquotedbl{}",
    "\N{NO-BREAK SPACE}": "~", "−": "$-$", "·": r"$\cdot$", "→": r"$\rightarrow$", "≈": r"$\approx$", "÷": r"$\div$",
    "≥": r"$\geq$", "≤": r"$\leq$", "…": r"\ldots{}", "–": "--", "α": r"$\alpha$",
}  # fmt: skip


def latex(table: Table, label: str) -> str:
    """The table as a float, or as a longtable where it has many rows.

    Args:
        table: as shown.
        label: to refer to it.
    """
    columns = "".join("r" if column.numeric else "l" for column in table.columns)
    caption = f"\\caption{{{escaped(table.caption)}}}\\label{{{label}}}"
    note = f"\\par\\footnotesize {escaped(table.note)}\n" if table.note else ""
    heading = _line([_heading(column) for column in table.columns])
    rows = "".join(_line([_cell(cell) for cell in row]) for row in table.rows)
    if len(table.rows) > LONG:
        return (
            f"% {PACKAGES}\n\\begin{{longtable}}{{{columns}}}\n{caption}\\\\\n\\toprule\n{heading}"
            f"\\midrule\n\\endhead\n{rows}\\bottomrule\n\\end{{longtable}}\n{note}"
        )
    return (
        f"% {PACKAGES}\n\\begin{{table}}\n\\centering\n{caption}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{heading}"
        f"\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n{note}\\end{{table}}\n"
    )


def escaped(text: str) -> str:
    """Text as LaTeX prints it: nothing in it is a command."""
    return "".join(_SPECIAL.get(sign, sign) for sign in re.sub(r"\s*\n\s*", ", ", text))


def _heading(column: Column) -> str:
    meaning = f" {{\\footnotesize ({escaped(column.meaning)})}}" if column.meaning else ""
    return f"{escaped(column.title)}{meaning}"


def _cell(cell: Cell) -> str:
    text = f"\\textbf{{{escaped(cell.text)}}}" if cell.strong else escaped(cell.text)
    return f"{text} {{\\footnotesize ({escaped(cell.detail)})}}" if cell.detail else text


def _line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\\n"
