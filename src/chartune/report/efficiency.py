"""Efficiency of each variant: what learning and reading took, scores of efficiency, price, and the Pareto front.

runs ─▶ efficiency.json, cost.json ─▶ a table of what was measured, a table of what it is worth
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from pydantic import Field

from chartune.config import Config, read_yaml
from chartune.disclosure import is_made_up, magnitude
from chartune.metrics.efficiency import Prices, Spent, absolute, minus_mean, pareto, priced, times_more
from chartune.published.taylor2024 import HOURLY
from chartune.quantities import human_bytes, human_seconds
from chartune.report.cost import mean_cost
from chartune.report.table import NOT_MEASURED, Cell, Column, Table
from chartune.report.variants import Variant, named
from chartune.runs import Run
from chartune.runs.efficiency import Efficiency, efficiency_of
from chartune.tasks.dataset import gone

PRICES: Final = "prices.yaml"
"""In the store: what an hour costs here."""


class Hourly(Config):
    """Prices of an hour, to be edited: `prices.yaml` in the store."""

    training: float = Field(HOURLY[0], ge=0)
    """Of the machine that trains."""
    inference: float = Field(HOURLY[1], ge=0)
    """Of the machine that reads."""
    currency: str = HOURLY[2]
    epochs: float = Field(10, gt=0)
    """That are paid."""
    texts: float = Field(100_000, ge=0)
    """That are read afterwards."""


def hourly(store: Path) -> Hourly:
    """The prices of a store; those derived from Taylor et al. (2024), where it has none.

    Raises:
        ConfigError: the file is no such table.
    """
    file = store / PRICES
    return Hourly.parse(read_yaml(file), str(file)) if file.is_file() else Hourly()


@dataclass(frozen=True)
class Shown:
    """The two tables of a page; None: nothing was measured."""

    measured: Table | None
    worth: Table | None


def efficiency_tables(variants: Sequence[Variant], prices: Hourly) -> Shown:
    """What was measured of the variants of a page, and what it is worth.

    Args:
        variants: of tasks, numbered.
        prices: of an hour.
    """
    known = {v.label: kept for v in variants if (kept := [efficiency_of(run.artefact) for run in v.runs])}
    some = [v for v in variants if any(one.reading_seconds for one in known[v.label])]
    if not some:
        return Shown(None, None)
    return Shown(_measured(some, known), _worth(some, known, prices))


Known = Mapping[str, Sequence[Efficiency]]


def _measured(variants: Sequence[Variant], known: Known) -> Table:
    columns = (
        Column("Run", numeric=False), Column("To the best", "time; operations"), Column("Operations", "of training"),
        Column("Reading", "texts per second; peak memory"), Column("One text", "merged; beside"),
        Column("One more task", "bytes; time to load"), Column("Energy"),
    )  # fmt: skip
    rows = tuple(_row(v, known[v.label]) for v in variants)
    note = (
        "Of several seeds the mean. Operations are counted by formula, evaluations left out. One text by itself: with "
        "layers merged into the matrices, and with layers beside them. One more task: what a deployed base model needs "
        "for it besides."
    )
    return Table("Efficiency, measured", columns, rows, note)


def _row(variant: Variant, known: Sequence[Efficiency]) -> tuple[Cell, ...]:
    mean = {
        name: _mean([getattr(one, name) for one in known]) for name in Efficiency.model_fields if name != "counters"
    }
    energy = mean["joules"]
    return (
        named(variant),
        Cell(human_seconds(mean["best_seconds"]), _operations(mean["best_flops"], variant.run)),
        Cell(_operations(mean["flops"], variant.run)),
        Cell(_rate(known), human_bytes(mean["reading_peak_bytes"])),
        Cell(_short_time(mean["latency_seconds"]), _short_time(mean["latency_unmerged_seconds"])),
        Cell(human_bytes(mean_cost(variant, "artefact_bytes")), _short_time(mean["adding_seconds"])),
        Cell(NOT_MEASURED if energy is None else f"{energy / 3600:.3g} Wh", ", ".join(known[0].counters)),
    )


def _worth(variants: Sequence[Variant], known: Known, prices: Hourly) -> Table | None:
    """Price and scores of efficiency, of the variants of which all is known."""
    spent = {v.label: row for v in variants if (row := _spent(v, known[v.label])) is not None}
    paid = {v.label: _price(known[v.label], prices) for v in variants}
    whole = [v for v in variants if v.label in spent]
    if not whole:
        return None
    rows = [spent[v.label] for v in whole]
    fronts = _fronts(whole, paid)
    made = zip(whole, times_more(rows), minus_mean(rows), strict=True)
    cells = tuple(
        (named(v), Cell(_money(paid[v.label], prices)), Cell(f"{absolute(spent[v.label]):.2f}"),
         Cell("∞" if times == float("inf") else f"{times:.2f}"), Cell(f"{mean:.2f}"), Cell(fronts.get(v.label, "–")))
        for v, times, mean in made
    )  # fmt: skip
    columns = (
        Column("Run", numeric=False),
        Column("Price", f"{prices.epochs:g} epochs and {prices.texts:,.0f} texts"),
        Column("Absolute score", "orders of magnitude below a fixed reference"),
        Column("Times more efficient", "Taylor et al., third version"),
        Column("Rescaled", "Taylor et al., last version"),
        Column("Pareto front", "of its task: size and score; price and score", numeric=False),
    )  # fmt: skip
    note = (
        f"Prices: {prices.training:.2f} {prices.currency} an hour of training, {prices.inference:.2f} of reading "
        f"({PRICES} in the store; as shipped derived from the prices of Taylor et al., 2024), on the time of this "
        "machine. The scores of Taylor et al. change with every row that is added; the absolute score of a row is its "
        "own."
    )
    return Table("Efficiency, price and Pareto front", columns, cells, note)


def _fronts(variants: Sequence[Variant], paid: Mapping[str, float | None]) -> dict[str, str]:
    """Which fronts a variant is on, by task."""
    on: dict[str, list[str]] = {}
    for key in dict.fromkeys((v.run.data, v.run.task) for v in variants):
        those = [v for v in variants if (v.run.data, v.run.task) == key]
        for name, costs in (("size", {v.label: mean_cost(v, "total_parameters") for v in those}), ("price", paid)):
            for label in front_of(those, costs):
                on.setdefault(label, []).append(name)
    return {label: ", ".join(names) for label, names in on.items()}


def front_of(variants: Sequence[Variant], costs: Mapping[str, float | None]) -> list[str]:
    """Labels of the variants that no other beats in cost and test score; those that lack one of both are left out."""
    points = [
        (v.label, cost, score.estimate.value)
        for v in variants
        if (cost := costs.get(v.label)) is not None and (score := v.score(v.headline)) is not None
    ]
    members = pareto([cost for _, cost, _ in points], [score for _, _, score in points])
    return [label for (label, _, _), member in zip(points, members, strict=True) if member]


def _spent(variant: Variant, known: Sequence[Efficiency]) -> Spent | None:
    seconds, flops = (_mean([getattr(one, name) for one in known]) for name in ("best_seconds", "best_flops"))
    trained, total = mean_cost(variant, "trainable_parameters"), mean_cost(variant, "total_parameters")
    if not seconds or not flops or trained is None or not total:
        return None
    return Spent(seconds, flops, trained, total)


def _price(known: Sequence[Efficiency], prices: Hourly) -> float | None:
    epoch, rates = _mean([one.epoch_seconds for one in known]), [one.texts_per_second for one in known]
    rate = _mean(rates)
    if epoch is None or not rate:
        return None
    hour = Prices(prices.training, prices.inference, prices.currency)
    return priced(epoch, 1 / rate, hour, epochs=prices.epochs, texts=prices.texts)


def _money(paid: float | None, prices: Hourly) -> str:
    return NOT_MEASURED if paid is None else f"{paid:.3g} {prices.currency}"


def _mean(values: Sequence[float | None]) -> float | None:
    """None: one of them was not measured."""
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured and len(measured) == len(values) else None


def _operations(flops: float | None, run: Run) -> str:
    """Of real patients with one digit: they are in proportion to the texts."""
    exact = is_made_up(gone(run.about.source).source)
    shown = magnitude(flops, exact, run.about.texts)
    return NOT_MEASURED if shown is None else f"{shown:.2e}" if exact else f"{shown:.0e}"


def _rate(known: Sequence[Efficiency]) -> str:
    rate = _mean([one.texts_per_second for one in known])
    return NOT_MEASURED if rate is None else f"{rate:.3g}/s"


def _short_time(seconds: float | None) -> str:
    return NOT_MEASURED if seconds is None else f"{1000 * seconds:.3g} ms"
