"""Sweeps: the score of each method over a setting that a study varies: examples of each class, minutes, LoRA rank.

variants of a task ─named alike but for the setting─▶ a curve each ─▶ a table whose numbers lead to runs, a figure
several at one value ─best on the validation split─▶ one point
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chartune.disclosure import TOO_FEW, shown
from chartune.published import taylor2024
from chartune.report.outcome import Figure, Outcome
from chartune.report.sweep_figures import Curve, Picture, Point, draw_picture, spelled
from chartune.report.table import Cell, Column, Table
from chartune.report.variants import Variant, score
from chartune.runs import Run
from chartune.runs.run import CHOOSING, SCORING

NOTE: Final = (
    "A curve holds the variants of one name, base model and kind of layers that differ in this setting; where several "
    "have the same value, the one with the best validation score stands for them. Each score leads to its run."
)
LEARNING: Final = ("fresh", "trainable")
"""States of layers that learn."""
_NUMBERED: Final = re.compile(r" \(\d+\)$")
"""Behind a name that another run bears already."""


@dataclass(frozen=True)
class Setting:
    """Something that a study varies, as it is read off runs."""

    title: str
    """Of its section."""
    axis: str
    """What it counts."""
    leaf: str
    """The last word of its path, as a study writes it into names; a regular expression."""
    read: Callable[[Run], float | None]
    """Its value; None: the run has none."""
    printed: Callable[[Variant, float], str] = lambda *_: ""
    """What was published of such a variant at such a value; empty: nothing."""
    alike: bool = False
    """Whether the layers of a curve must be alike in all their settings, not in their kind alone."""
    texts: bool = False
    """Whether it decides how many texts are learnt from."""


@dataclass(frozen=True)
class Sweep:
    """The curves of one task over one setting."""

    title: str
    table: Table
    figure: Figure
    """Empty: too few points may be shown."""


def sweeps(outcomes: Sequence[Outcome], setting: Setting, name: str) -> list[Sweep]:
    """Of each task on each data set the curves over a setting; of those without two values of one method none.

    Args:
        outcomes: the tasks of a page.
        setting: what was varied.
        name: begins the id of every figure.
    """
    made = []
    for number, outcome in enumerate(outcomes, 1):
        groups = varied(outcome.variants, setting)
        if groups:
            made.append(_sweep(outcome, groups, setting, f"{name}{number}-"))
    return made


def varied(variants: Sequence[Variant], setting: Setting) -> dict[str, dict[float, Variant]]:
    """Method → value → the variant that stands for it; only methods of which two values were tried.

    Args:
        variants: of one task.
        setting: what was varied.
    """
    groups: dict[tuple[Any, ...], dict[float, list[Variant]]] = {}
    for variant in variants:
        value = setting.read(variant.run)
        if value is not None:
            groups.setdefault(_method(variant, setting), {}).setdefault(float(value), []).append(variant)
    several = {key: values for key, values in groups.items() if len(values) > 1}
    names = [key[0] for key in several]
    return {
        key[0] if names.count(key[0]) == 1 else f"{key[0]} ({key[1]}, {key[2]})":
        {value: max(those, key=_validated) for value, those in sorted(values.items())}
        for key, values in several.items()
    }  # fmt: skip


def point_of(variant: Variant, at: float, split: str) -> Point:
    """The headline score of a variant as it may be shown, at a value of the setting."""
    seen = variant if split == SCORING else replace(variant, behind=variant.watched)
    link = f"run-{variant.run.fingerprint}"
    if seen.hidden or seen.hides(seen.headline, split):
        return Point(at, Cell(TOO_FEW, link=link))
    measured = seen.score(seen.headline, split)
    cell = replace(score(measured), link=link)
    if measured is None:
        return Point(at, cell)
    return Point(at, cell, measured.estimate.value, measured.estimate.low, measured.estimate.high)


def _sweep(outcome: Outcome, groups: Mapping[str, Mapping[float, Variant]], setting: Setting, name: str) -> Sweep:
    every = [variant for values in groups.values() for variant in values.values()]
    split = SCORING if all(variant.final for variant in every) else CHOOSING
    curves = tuple(
        Curve(place, method, tuple(point_of(variant, at, split) for at, variant in values.items()))
        for place, (method, values) in enumerate(groups.items())
    )
    title, where = f"{outcome.title}: {setting.title}", f"{outcome.score} on the {split} split"
    picture = Picture(title, where, setting.axis, tuple(curve for curve in curves if len(curve.known) > 1))
    figure = Figure.of(draw_picture, [picture] if picture.curves else [], name)
    return Sweep(title, _table(curves, groups, setting, f"{title}, {where}"), figure)


def _table(
    curves: Sequence[Curve], groups: Mapping[str, Mapping[float, Variant]], setting: Setting, caption: str
) -> Table:
    """A row for each value, a column for each method."""
    columns = (Column(setting.axis.capitalize(), numeric=False), *(Column(f"{c.label} · {c.name}") for c in curves))
    rows = []
    for value in sorted({value for values in groups.values() for value in values}):
        here = [values[value] for values in groups.values() if value in values]
        cells = [_cell(curve, groups[curve.name].get(value), value, setting) for curve in curves]
        rows.append((Cell(spelled(value), _texts(here) if setting.texts else ""), *cells))
    return Table(caption, columns, tuple(rows), NOTE, cards=False)


def _cell(curve: Curve, variant: Variant | None, value: float, setting: Setting) -> Cell:
    cell = next((point.cell for point in curve.points if point.at == value), Cell("–"))
    printed = setting.printed(variant, value) if variant else ""
    return replace(cell, detail="\n".join(filter(None, (cell.detail, printed))))


def _texts(variants: Sequence[Variant]) -> str:
    """How many texts were learnt from in all: of a class that has fewer than asked there are all."""
    counts = [(variant.run.about.texts, variant.behind is None) for variant in variants]
    learnt = dict.fromkeys(shown(texts, exact) for texts, exact in counts if texts is not None)
    return f"{' or '.join(learnt)} texts in all" if learnt else ""


def _method(variant: Variant, setting: Setting) -> tuple[Any, ...]:
    """What makes variants one curve: name without the setting, base model, states and kinds of the layers."""
    run = variant.run
    name = re.sub(rf" {setting.leaf}=\S+", "", _NUMBERED.sub("", run.name))
    layers = [layer.title if setting.alike else layer.kind for layer in run.stack]
    states = " + ".join(f"{one.state} {layer}" for one, layer in zip(run.stack, layers, strict=True))
    settings = json.dumps([layer.method for layer in run.stack], sort_keys=True) if setting.alike else ""
    return name, run.base_name, states or "no layers", settings


def _validated(variant: Variant) -> float:
    """By the headline on the validation split; of several seeds the mean."""
    known = [e.value for run in variant.runs if (e := run.estimate(variant.headline, CHOOSING)) is not None]
    return sum(known) / len(known) if known else float("-inf")


def _optimisation(run: Run) -> Mapping[str, Any]:
    return run.stage.get("optimisation") or {}


def _minutes(run: Run) -> float | None:
    seconds = _optimisation(run).get("most_seconds")
    return None if seconds is None else seconds / 60


def _rank(run: Run) -> float | None:
    """Of the last layer that learns and has one."""
    ranks = [layer.method.get("rank") for layer in run.stack if layer.state in LEARNING and layer.method]
    return next((rank for rank in reversed(ranks) if rank is not None), None)


def _rate(run: Run) -> float | None:
    """The learning rate of what learns: of the layers, or where none does of the head."""
    learns = any(layer.state in LEARNING for layer in run.stack)
    rate: float | None = _optimisation(run).get("learning_rate" if learns else "head_learning_rate")
    return rate


def _few_printed(variant: Variant, per_class: float) -> str:
    """What Taylor et al. (2024) plotted of LoRA on this base model, on in-hospital mortality of MIMIC-III."""
    run = variant.run
    asked = taylor2024.column_of(run.task or "", run.about.source.kind if run.about.source else "") == "MP"
    if not asked or [layer.kind for layer in run.stack] != ["lora"] or run.about.source is None:
        return ""
    known = (row for row in taylor2024.few_shot()
             if taylor2024.BASES.get(row.model) == run.base_name and row.per_class == per_class)  # fmt: skip
    row = next(known, None)
    return "" if row is None else f"authors' repository {row.test_auroc:.2f}"


FEW_SHOT: Final = Setting(
    "few-shot curves", "training examples of each class", "per_class", lambda run: run.stage.get("per_class"),
    _few_printed, texts=True,
)  # fmt: skip
BUDGET: Final = Setting("training-time budgets", "minutes of training at most", "most_seconds", _minutes)
RANK: Final = Setting("sensitivity to the rank", "rank", "rank", _rank)
RATE: Final = Setting("learning rates", "learning rate", "(?:head_)?learning_rate", _rate, alike=True)
