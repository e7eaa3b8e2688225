"""The figures of a report: first the numbers they show, then their drawing.

`forest` → `draw_forest`, `learning_curves` → `draw_curves`, `price` → `draw_price`. A function that finds nothing to
show returns None, and the page says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from chartune.quantities import Estimate
from chartune.report.svg import ACCENT, GRID, MARK, MUTED, PAPER, SERIES, drawing, svg
from chartune.report.tables import Variant

WIDTH: Final = 7.6
"""Inches; the page scales it."""

NARROW: Final = 6.2
"""Inches of a figure that must be legible on a phone."""

MOST_POINTS: Final = 160
"""A longer curve is averaged in bins: no eye tells more points apart."""


@dataclass(frozen=True)
class ForestRow:
    """One variant's AUROC."""

    label: str
    name: str
    auroc: Estimate
    oracle: float | None
    """AUROC of the true risk given the words that this variant could read; None: nobody knows it."""
    baseline: bool


@dataclass(frozen=True)
class Forest:
    """The AUROCs of one task, one row per variant."""

    rows: tuple[ForestRow, ...]
    published: tuple[float, float] | None
    """Lowest and highest AUROC that the paper printed for this task; None: not to be compared."""


@dataclass(frozen=True)
class Series:
    """One curve: optimizer steps and values, both [N]."""

    label: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """The curves of one quantity."""

    title: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Price:
    """AUROC against trained parameters: label, parameters, AUROC of each variant that has both."""

    points: tuple[tuple[str, int, Estimate], ...]


def forest(variants: Sequence[Variant], published: tuple[float, float] | None = None) -> Forest | None:
    """The test AUROCs of numbered variants; None when none was measured."""
    rows = []
    for variant in variants:
        auroc, oracle = variant.run.estimate("auroc"), variant.run.estimate("oracle_auroc")
        if auroc is not None:
            known = oracle.value if oracle else None
            rows.append(ForestRow(variant.label, variant.run.name, auroc, known, not variant.run.backbone))
    return Forest(tuple(rows), published) if rows else None


def learning_curves(variants: Sequence[Variant]) -> tuple[Panel, ...]:
    """Loss in training, and on validation what the stage watched; a quantity that no run recorded has no panel."""
    wanted = (
        ("Training loss", "loss", "train"), ("Validation perplexity", "perplexity", "validation"),
        ("Validation AUROC", "auroc", "validation"), ("Validation loss", "loss", "validation"),
    )  # fmt: skip
    panels = [
        Panel(title, tuple(series for v in variants if (series := _series(v, name, split)) is not None))
        for title, name, split in wanted
    ]
    return tuple(panel for panel in panels if panel.series)[:2]


def price(variants: Sequence[Variant]) -> Price | None:
    """AUROC and trained parameters of each variant; None when fewer than two have both."""
    points = []
    for variant in variants:
        auroc, trained = variant.run.estimate("auroc"), variant.run.cost.trainable_parameters
        if auroc is not None and trained:
            points.append((variant.label, trained, auroc))
    return Price(tuple(points)) if len(points) > 1 else None


def draw_forest(plot: Forest, name: str) -> str:
    """Each variant's name and numbers above its interval, the oracle as a diamond; the first variant on top."""
    with drawing(NARROW, 0.6 + 0.5 * len(plot.rows)) as (figure, (axes,)):
        if plot.published:
            axes.axvspan(*plot.published, color=GRID, alpha=0.6, linewidth=0)
        for y, row in enumerate(plot.rows):
            _draw_row(axes, y, row)
        axes.set_ylim(len(plot.rows) - 0.6, -0.75)
        axes.set_xlim(*_bounds(plot))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel("AUROC on the test split")
        return svg(
            figure, name, f"AUROC with interval of {len(plot.rows)} variants; the numbers are in the table above"
        )


def draw_curves(panels: Sequence[Panel], name: str) -> str:
    """The panels side by side over optimizer steps, one legend for all."""
    with drawing(WIDTH, 2.9, columns=len(panels)) as (figure, axes):
        looks = _looks(panels)
        for panel, ax in zip(panels, axes, strict=True):
            for series in panel.series:
                colour, dash = looks[series.label]
                marker = "o" if len(series.steps) < 12 else ""
                ax.plot(series.steps, series.values, color=colour, linestyle=dash, linewidth=1.6, marker=marker,
                        markersize=3.2, label=series.label)  # fmt: skip
            ax.set_title(panel.title)
            ax.set_xlabel("optimizer step")
            ax.grid(axis="y")
        drawn = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(list(drawn.values()), list(drawn), loc="outside lower left", ncols=2)
        return svg(figure, name, f"Learning curves: {', '.join(panel.title for panel in panels)}")


def draw_price(plot: Price, name: str) -> str:
    """Each variant at its trained parameters (log scale) and AUROC, with interval and number."""
    with drawing(WIDTH, 2.8) as (figure, (axes,)):
        for (label, _, auroc), trained in zip(plot.points, _apart(plot), strict=True):
            if auroc.low is not None and auroc.high is not None:
                axes.plot([trained, trained], [auroc.low, auroc.high], color=ACCENT, linewidth=1.6, alpha=0.45)
            axes.plot(trained, auroc.value, "o", color=ACCENT, markersize=13, markeredgecolor=PAPER)
            axes.annotate(label, (trained, auroc.value), color=PAPER, ha="center", va="center", fontsize=8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda trained, _: f"{trained:,.0f}")
        axes.margins(x=0.1, y=0.12)
        axes.set_xlabel("trained parameters")
        axes.set_ylabel("AUROC on the test split")
        axes.grid(axis="y")
        return svg(figure, name, "AUROC against trained parameters; the numbers are in the tables")


def _draw_row(axes: Axes, y: int, row: ForestRow) -> None:
    colour = MUTED if row.baseline else ACCENT
    told = f"{row.auroc.value:.3f}"
    if row.auroc.low is not None and row.auroc.high is not None:
        axes.plot([row.auroc.low, row.auroc.high], [y, y], color=colour, linewidth=2.4, solid_capstyle="round")
        told += f" [{row.auroc.low:.3f}, {row.auroc.high:.3f}]"
    axes.plot(row.auroc.value, y, "s" if row.baseline else "o", color=colour, markersize=7.5, markeredgecolor=PAPER)
    if row.oracle is not None:
        axes.plot(row.oracle, y, "D", color="none", markeredgecolor=MARK, markeredgewidth=1.6, markersize=7)
    axes.annotate(f"{row.label} · {_clipped(row.name)}", (0, y - 0.4), xycoords=_ROW, va="center", fontsize=8.5)
    axes.annotate(told, (1, y - 0.4), xycoords=_ROW, va="center", ha="right", color=MUTED, fontsize=8.5)


_ROW: Final = ("axes fraction", "data")


def _bounds(plot: Forest) -> tuple[float, float]:
    """All that is drawn, with some air."""
    ends = [x for r in plot.rows for x in (r.auroc.value, r.auroc.low, r.auroc.high, r.oracle) if x is not None]
    ends += plot.published or ()
    air = 0.04 * max(max(ends) - min(ends), 0.1)
    return max(0.0, min(ends) - air), min(1.0 + air, max(ends) + air)


def _series(variant: Variant, name: str, split: str) -> Series | None:
    events = variant.run.events(name, split)
    if not events:
        return None
    bins = np.array_split(np.array([(event.step, event.value) for event in events]), min(len(events), MOST_POINTS))
    steps, values = np.array([part.mean(axis=0) for part in bins]).T
    return Series(f"{variant.label} · {_clipped(variant.run.name)}", tuple(steps.tolist()), tuple(values.tolist()))


def _apart(plot: Price) -> list[float]:
    """Where to draw each point on the log axis: those of equal parameters stand side by side."""
    parameters = [trained for _, trained, _ in plot.points]
    step = 0.045 * max(np.log10(max(parameters) / min(parameters)), 1.0)
    twins = [
        parameters[:n].count(trained) - (parameters.count(trained) - 1) / 2 for n, trained in enumerate(parameters)
    ]
    return [float(trained * 10 ** (step * twin)) for trained, twin in zip(parameters, twins, strict=True)]


def _looks(panels: Sequence[Panel]) -> dict[str, tuple[str, str]]:
    """A colour and a dash for each curve, the same in every panel."""
    labels = dict.fromkeys(series.label for panel in panels for series in panel.series)
    dashes = [dash for dash in ("-", "--", ":") for _ in SERIES]
    return dict(zip(labels, cycle(zip(cycle(SERIES), dashes, strict=False)), strict=False))


def _clipped(name: str, most: int = 38) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
