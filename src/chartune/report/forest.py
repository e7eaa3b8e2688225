"""The forest plot: one strip per variant on a common axis, with the interval of its score, its seeds and the oracle.

    1 · TF-IDF          ──────■──────    ◇    0.821  0.768 to 0.869
    2 · LoRA                ────●────      ◇  0.853  0.797 to 0.914
    printed: Table 3   │  │ ││││ │            0.657 to 0.780
                       0.6   0.7   0.8   0.9

Here are only numbers: places on the axis in percent of its width. `parts.html.jinja` draws them in strips that stretch
with the page, so that letters keep their size on a phone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from chartune.published import PublishedScore
from chartune.report.table import clipped, span
from chartune.report.variants import Variant


@dataclass(frozen=True)
class Strip:
    """One variant; all places in percent."""

    label: str
    name: str
    detail: str
    """Its seeds, where there are several, and whether its start was kept."""
    value: str
    interval: str
    at: float
    low: float | None
    high: float | None
    oracle: float | None
    """AUROC of the true risk given the words that this variant could read; None: nobody knows it."""
    seeds: tuple[float, ...]
    """Each seed, where there are several."""
    baseline: bool
    series: int
    """Number of its colour."""


@dataclass(frozen=True)
class Printed:
    """What one table of a paper prints: marks without intervals, of other patients and other models."""

    title: str
    detail: str
    marks: tuple[tuple[float, str], ...]
    """Place, and whose."""
    range: str


@dataclass(frozen=True)
class Forest:
    """The headline scores of one task."""

    strips: tuple[Strip, ...]
    printed: tuple[Printed, ...]
    """Empty: nothing was printed, or it may not stand beside these patients."""
    ticks: tuple[tuple[float, str], ...]
    chance: float | None
    """Where a model that guesses would stand; None: off the axis, or not the same for all rows."""


def forest(variants: Sequence[Variant], published: Sequence[PublishedScore] = ()) -> Forest | None:
    """The headline scores of numbered variants; None when none was measured.

    Args:
        variants: of one task.
        published: to be marked below ours; empty: none.
    """
    measured = [(v, score) for v in variants if (score := v.score(v.headline)) is not None]
    form = variants[0].run.form if measured else None
    if form is None:
        return None
    ends, least, chance = [row.auroc for row in published], form.headline.least, form.headline.chance
    for variant, score in measured:
        oracle = variant.score("oracle_auroc")
        best = oracle.estimate.value if oracle else None
        known = (score.estimate.value, score.estimate.low, score.estimate.high, best)
        ends += [x for x in (*known, *score.seeds) if x is not None]
    low, high = _bounds(ends, least)
    place = _scale(low, high)
    ticks = [tick for tick in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high]
    return Forest(
        tuple(_strip(variant, place) for variant, _ in measured),
        tuple(_printed(published, place)),
        tuple((place(tick), f"{tick:.3f}".rstrip("0").rstrip(".")) for tick in ticks),
        place(chance) if chance is not None and low <= chance <= high else None,
    )


def _strip(variant: Variant, place: Callable[[float], float]) -> Strip:
    score, oracle = variant.score(variant.headline), variant.score("oracle_auroc")
    if score is None:
        raise ValueError("only what was measured is drawn")
    estimate = score.estimate
    low, high = estimate.low, estimate.high
    return Strip(
        variant.label, clipped(variant.name), " · ".join(part for part in (variant.seeds, variant.kept) if part),
        score.value,
        span(low, high, score.digits) if low is not None and high is not None else "no interval",
        place(estimate.value), None if low is None else place(low), None if high is None else place(high),
        place(oracle.estimate.value) if oracle else None,
        tuple(place(value) for value in score.seeds) if score.several else (),
        not variant.run.backbone, variant.series,
    )  # fmt: skip


def _printed(published: Sequence[PublishedScore], place: Callable[[float], float]) -> Iterable[Printed]:
    for table in dict.fromkeys(row.table for row in published):
        rows = [row for row in published if row.table == table]
        values = [row.auroc for row in rows]
        marks = tuple((place(row.auroc), f"{row.model}: {row.auroc:.3f}") for row in rows)
        yield Printed(f"Printed, {table}", f"{len(rows)} models", marks, span(min(values), max(values)))


def _bounds(ends: Sequence[float], least: float) -> tuple[float, float]:
    """All that is drawn, with some air."""
    air = 0.05 * max(max(ends) - min(ends), 0.1)
    return max(least, min(ends) - air), min(1.0 + air, max(ends) + air)


def _scale(low: float, high: float) -> Callable[[float], float]:
    return lambda value: round(100 * (value - low) / (high - low), 2)
