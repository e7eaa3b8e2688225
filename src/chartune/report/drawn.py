"""The two figures that the page builds of text and boxes, drawn for a manuscript: forest plot and cohort flow."""

import textwrap
from typing import Final

from chartune.report.forest import Forest, Strip
from chartune.report.svg import ACCENT, GRID, INK, MARK, MUTED, SERIES, panels, svg
from chartune.tasks.flow import Cohort

ROW: Final = 0.42
"""Inches of a strip of the forest plot."""
STEP: Final = 1.0
"""Inches of a step of the flow."""


def draw_forest(plot: Forest, score: str, name: str) -> str:
    """One strip per variant, with interval, seeds and oracle."""
    with panels(1, 0.7 + ROW * len(plot.strips)) as (figure, (axes,)):
        for row, strip in enumerate(plot.strips):
            colour = SERIES[strip.series - 1]
            if strip.low is not None and strip.high is not None:
                axes.plot([strip.low, strip.high], [row, row], color=colour, linewidth=2)
            axes.plot(strip.at, row, "s" if strip.baseline else "o", color=colour, markersize=7)
            axes.plot(strip.seeds, [row + 0.3] * len(strip.seeds), "o", color=colour, markersize=3, fillstyle="none")
            if strip.oracle is not None:
                axes.plot(strip.oracle, row, "D", color=MARK, markersize=6, fillstyle="none")
        if plot.chance is not None:
            axes.axvline(plot.chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlim(0, 100)
        axes.set_ylim(len(plot.strips) - 0.5, -0.5)
        axes.set_xticks([at for at, _ in plot.ticks], [text for _, text in plot.ticks])
        names = [textwrap.fill(f"{strip.label} · {strip.name}", 24) for strip in plot.strips]
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_xlabel(f"{score} on the test split, 95 % interval")
        axes.grid(axis="x")
        return svg(figure, name, f"{score} of each variant", " ".join(_said(strip) for strip in plot.strips))


def draw_flow(cohort: Cohort, name: str) -> str:
    """Boxes from above to below, with who was left out beside them, and the splits at the end."""
    splits = "\n".join(_split(cohort, row) for row in cohort.splits.filled)
    with panels(1, STEP * (len(cohort.steps) + bool(splits))) as (figure, (axes,)):
        boxes = [f"{step.name}\n{', '.join(step.left)}" for step in cohort.steps] + ([splits] if splits else [])
        for row, text in enumerate(boxes):
            axes.annotate(text, (0.3, -row), ha="center", va="center", fontsize=6, color=INK,
                          bbox={"boxstyle": "round", "facecolor": "none", "edgecolor": ACCENT})  # fmt: skip
            if row:
                axes.annotate("", (0.3, -row + 0.3), (0.3, -row + 0.7), arrowprops={"arrowstyle": "->", "color": MUTED})
        for row, step in enumerate(cohort.steps):
            if step.removed:
                said = textwrap.fill(f"{', '.join(step.removed)} left out: {step.why}", 34)
                axes.annotate(said, (0.62, -row + 0.5), ha="left", va="center", fontsize=6, color=MUTED,
                              bbox={"boxstyle": "round", "facecolor": "none", "edgecolor": GRID})  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(-len(boxes) + 0.5, 0.5)
        axes.set_axis_off()
        last = cohort.steps[-1]
        finding = f"From {', '.join(cohort.steps[0].left)} to {', '.join(last.left)}."
        return svg(figure, name, f"Cohort flow: {cohort.title}", finding)


def _said(strip: Strip) -> str:
    return f"{strip.name}: {strip.value}, {strip.interval}."


def _split(cohort: Cohort, row: tuple[str, ...]) -> str:
    counts = ", ".join(f"{count} {what}" for count, what in zip(row[1:], cohort.splits.columns, strict=True))
    return f"{row[0]}: {counts}"
