"""Figures of a search: its scores against the budget, its trials as lines over all settings, and what mattered.

Drawn are scores as they may be shown: a figure says no more than the table above it.
"""

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from chartune.report.searches import SearchShown, value_text
from chartune.report.svg import ACCENT, HEIGHT, INK, MUTED, drawing, svg
from chartune.report.table import clipped
from chartune.search.space import Dimension, Range, Values
from chartune.search.trial import Trial

RATE: Final = "learning_rate"
"""Ends the paths that have a curve of their own."""
FEWEST: Final = 3
"""Trials with a score below which nothing is drawn."""


def drawn(one: SearchShown, name: str) -> tuple[str, ...]:
    """All figures of a search as SVG; `name`: prefix of their ids. Fewer than three scores: none."""
    scored = [(trial, value) for trial in one.result.trials if trial.counts and (value := one.value(trial)) is not None]
    if len(scored) < FEWEST:
        return ()
    figures = [_progress(one, scored, f"{name}-progress"), _coordinates(one, scored, f"{name}-coordinates")]
    for path in (path for path in one.problem.space.dimensions if path.endswith(RATE)):
        rates = [(float(rate), value) for trial, value in scored if (rate := trial.settings.get(path)) is not None]
        if len({rate for rate, _ in rates}) >= FEWEST:
            figures.append(_over_rates(one, path, rates, f"{name}-{path.rpartition('.')[2].replace('_', '-')}"))
    return (*figures, *([_importance(one, f"{name}-importance")] if one.importance else []))


def _progress(one: SearchShown, scored: Sequence[tuple[Trial, float]], name: str) -> str:
    """Each trial's score, and the best so far, over the trials of the budget."""
    values = [value for _, value in scored]
    better = min if one.problem.lower_is_better else max
    best = [better(values[: count + 1]) for count in range(len(values))]
    places = list(range(1, len(values) + 1))
    with drawing() as (figure, axes):
        axes.plot(places, values, "o", color=MUTED, markersize=3.4)
        axes.step(places, best, where="post", color=ACCENT, linewidth=1.8)
        if max(values) > 4 * min(values) > 0:
            axes.set_yscale("log")
        axes.set_title("Each trial, and the best so far")
        axes.set_ylabel(f"validation {one.headline.worded}")
        axes.set_xlabel("trials of the budget that have a score")
        axes.grid(axis="y")
        finding = (
            f"From {values[0]:.4g} at the first trial to {best[-1]:.4g}, reached at trial {best.index(best[-1]) + 1}."
        )
        return svg(figure, name, f"{one.title}: score against budget", finding)


def _over_rates(one: SearchShown, path: str, rates: Sequence[tuple[float, float]], name: str) -> str:
    """Each trial's score at its learning rate, and the best at each rate: whether the range holds the best one."""
    better = min if one.problem.lower_is_better else max
    best = {rate: better(value for other, value in rates if other == rate) for rate in sorted({r for r, _ in rates})}
    top = better(best, key=lambda rate: best[rate])
    with drawing() as (figure, axes):
        axes.plot(*zip(*rates, strict=True), "o", color=MUTED, markersize=3.4)
        axes.plot(list(best), list(best.values()), color=ACCENT, linewidth=1.8)
        axes.set_xscale("log")
        axes.set_title("Each trial at its learning rate, and the best at each")
        axes.set_ylabel(f"validation {one.headline.worded}")
        axes.set_xlabel(path.rpartition(".")[2].replace("_", " "))
        axes.grid(axis="y")
        where = " at an end of the range: a wider one may hold a better rate" if top in (min(best), max(best)) else ""
        return svg(figure, name, f"{one.title}: score over {path.rpartition('.')[2]}",
                   f"The best is {best[top]:.4g} at {top:g}{where}.")  # fmt: skip


def _coordinates(one: SearchShown, scored: Sequence[tuple[Trial, float]], name: str) -> str:
    """Parallel coordinates: a line for each trial over all settings, the best ones marked; idle settings are gaps."""
    space = one.problem.space.dimensions
    ordered = sorted(scored, key=lambda pair: pair[1] if one.problem.lower_is_better else -pair[1])
    few = max(1, len(ordered) // 5)
    with drawing(HEIGHT + 0.6) as (figure, axes):
        for place, (trial, _) in reversed(list(enumerate(ordered))):
            heights = [_height(each, trial.settings.get(path)) for path, each in space.items()]
            heights.append(1 - place / max(1, len(ordered) - 1))
            colour = ACCENT if place == 0 else INK if place < few else MUTED
            axes.plot(range(len(heights)), heights, color=colour, linewidth=1.8 if place == 0 else 0.8,
                      alpha=1.0 if place < few else 0.45, marker="o", markersize=2.4)  # fmt: skip
        _name_axes(axes, one)
        axes.set_title(f"All trials over all settings; dark: the best {few}")
        best = ", ".join(f"{path} {value_text(ordered[0][0].settings, path)}" for path in ordered[0][0].settings)
        return svg(figure, name, f"{one.title}: parallel coordinates", f"The best of {len(ordered)} trials has {best}.")


def _name_axes(axes: Axes, one: SearchShown) -> None:
    """An upright line for each setting with its values, and one for the rank of the score."""
    space = one.problem.space.dimensions
    for place, each in enumerate(space.values()):
        axes.axvline(place, color=MUTED, linewidth=0.6)
        for height, text in _ticks(each):
            axes.annotate(text, (place, height), xytext=(3, 2), textcoords="offset points", fontsize=7, color=MUTED)
    axes.axvline(len(space), color=MUTED, linewidth=0.6)
    names = [clipped(path.rpartition(".")[2]) for path in space]
    axes.set_xticks(range(len(space) + 1), [*names, f"{one.headline.worded} (rank)"], rotation=20, ha="right")
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)


def _ticks(one: Dimension) -> list[tuple[float, str]]:
    if isinstance(one, Values):
        return [(_height(one, value), clipped(value_text({"": value}, ""))) for value in one.values]
    return [(0.0, f"{one.low:g}"), (1.0, f"{one.high:g}")]


def _height(one: Dimension, value: object) -> float:
    """Where a value stands on its line, from 0 to 1; not a number: it is idle."""
    if value is None:
        return math.nan
    if isinstance(one, Range):
        ends = (one.low, one.high, float(str(value)))
        low, high, here = map(math.log, ends) if one.log else ends
        return (here - low) / (high - low)
    values = list(one.values)
    return values.index(value) / max(1, len(values) - 1) if value in values else math.nan


def _importance(one: SearchShown, name: str) -> str:
    """A bar for each setting."""
    ordered = sorted(one.importance.items(), key=lambda pair: pair[1])
    with drawing(0.32 * len(ordered) + 1.0) as (figure, axes):
        axes.barh([clipped(path.rpartition(".")[2]) for path, _ in ordered], [100 * share for _, share in ordered],
                  color=ACCENT, height=0.6)  # fmt: skip
        axes.set_title("Importance of each setting")
        axes.set_xlabel("share of all importance, %")
        axes.grid(axis="x")
        said = ", ".join(f"{path} {100 * share:.0f} %" for path, share in reversed(ordered))
        return svg(figure, name, f"{one.title}: importance", f"{said}.")
