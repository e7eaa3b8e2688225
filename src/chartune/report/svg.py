"""From a matplotlib figure to an inline SVG that follows the page: its fonts, its light and its dark.

Figures are drawn in marker colours that stand for roles; in the SVG each becomes a CSS variable of `report.css`.
Nothing in it names a host, loads a font or changes from one rendering to the next.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from chartune.report.variants import COLOURS

INK: Final = "#010101"
MUTED: Final = "#010102"
GRID: Final = "#010103"
ACCENT: Final = "#010104"
MARK: Final = "#010105"
PAPER: Final = "#010106"
SERIES: Final = tuple(f"#0102{n:02x}" for n in range(1, COLOURS + 1))
"""Colours of curves; a second round differs by its dash."""

WIDTH: Final = 4.3
"""Inches of a panel: letters can be read when a phone shows it alone, and two stand side by side on a desk."""
HEIGHT: Final = 3.1

_ROLES: Final = {
    INK: "ink", MUTED: "muted", GRID: "line", ACCENT: "accent", MARK: "mark", PAPER: "paper",
    **{colour: f"series-{n}" for n, colour in enumerate(SERIES, start=1)},
}  # fmt: skip

_STYLE: Final[Any] = {  # matplotlib types its keys as literals, and adds some with each version
    "text.parse_math": False,
    "svg.fonttype": "none", "svg.hashsalt": "chartune", "font.family": "DejaVu Sans", "font.size": 9,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": GRID, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none", "figure.facecolor": "none",
    "axes.titlesize": 9, "axes.titlelocation": "left", "axes.unicode_minus": True, "grid.color": GRID,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 8,
}  # fmt: skip


@contextmanager
def drawing(height: float = HEIGHT) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure, so many inches high, with one pair of axes, in the style of the report."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.subplots()


@contextmanager
def panels(count: int, height: float) -> Iterator[tuple[Figure, list[Axes]]]:
    """As `drawing`, with several pairs of axes above one another."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, list(figure.subplots(count, squeeze=False)[:, 0])


def svg(figure: Figure, name: str, title: str, finding: str) -> str:
    """The figure as an `<svg>` element; call it inside `drawing`.

    Args:
        figure: what was drawn.
        name: unique on the page; prefixes every id, so that figures do not share clip paths.
        title: what the figure is.
        finding: what it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    # Not `savefig`, which lays a figure out twice to the same bytes.
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    text = text[text.index(">") + 1 :]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    for colour, role in _ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    opening = f'<svg viewBox="{box[1] if box else ""}" role="img" aria-labelledby="{name}-title {name}-desc">'
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(finding)}</desc>'
    return f"{opening}{words}{text.strip()}"
