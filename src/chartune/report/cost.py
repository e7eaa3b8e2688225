"""What each variant has cost, on which device, and what `chartune plan` had expected of it.

Several seeds: the mean of one training. "With its parents" adds the runs whose adapters it stands on: adaptation to
clinical text is not free because somebody did it before.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from chartune.disclosure import is_made_up, magnitude
from chartune.quantities import Cost, human_seconds, same_unit
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count, percent
from chartune.report.variants import Variant, called, named
from chartune.runs import Run
from chartune.tasks.dataset import gone

Written = Callable[[float | None], str]
"""A number as it is written; None: not measured."""


def cost_table(variants: Sequence[Variant], every: Mapping[str, Run]) -> Table:
    """What every variant has cost.

    Args:
        variants: numbered.
        every: all runs of the report by fingerprint, where parents are looked up.
    """
    columns: tuple[Column, ...] = (
        Column("Run", numeric=False),
        Column("Time", "whole stage"),
        Column("Peak memory"),
        Column("Trained parameters", "share of all"),
        Column("Tokens trained on"),
        Column("Artefact", "weights kept"),
    )
    devices = {run.cost.device for v in variants for run in v.runs}
    peak = same_unit(mean_cost(v, "peak_bytes") for v in variants)
    kept = same_unit(v.run.cost.artefact_bytes for v in variants)
    rows = [_row(v, every, peak, kept) for v in variants]
    notes = (
        ["Of a variant with several seeds: the mean of one training."] if any(len(v.runs) > 1 for v in variants) else []
    )
    if len(devices) == 1 and devices != {"unknown"}:
        notes.append(f"All on {devices.pop()}.")
    else:
        columns = (*columns, Column("Device", numeric=False))
        rows = [(*row, _device(v)) for row, v in zip(rows, variants, strict=True)]
    return Table("What each run has cost", columns, tuple(rows), " ".join(notes))


def planned_table(variants: Sequence[Variant]) -> Table | None:
    """What was expected before the start beside what was measured; None when nobody had planned."""
    planned = [v for v in variants if v.run.planned]
    if not planned:
        return None
    columns = (
        Column("Run", numeric=False), Column("Time", "planned → measured"), Column("Peak memory", "planned → measured"),
        Column("Trained parameters", "planned → measured"),
    )  # fmt: skip
    sizes = [size for v in planned for size in (v.run.planned.get("peak_bytes"), v.run.cost.peak_bytes)]
    fields = (("seconds", human_seconds), ("peak_bytes", same_unit(sizes)), ("trainable_parameters", count))
    rows = tuple((called(v), *(_beside(v.run, field, how) for field, how in fields)) for v in planned)
    return Table(
        "Planned and measured",
        columns,
        rows,
        "What chartune plan expected before the start, and what the run measured.",
    )


def mean_cost(variant: Variant, field: str) -> float | None:
    """The mean of a cost over the seeds; None: not measured."""
    measured = [value for run in variant.runs if (value := getattr(run.cost, field)) is not None]
    return fmean(measured) if measured else None


def seconds_with_parents(variant: Variant, every: Mapping[str, Run]) -> float | None:
    """Mean seconds of one training and all the runs that it stands on; None: one of them was not measured."""
    sums = []
    for run in variant.runs:
        parts = [every[fingerprint].cost if fingerprint in every else Cost() for fingerprint in line_of(run, every)]
        if run.cost.seconds is None or any(part.seconds is None for part in parts):
            return None
        sums.append(run.cost.seconds + sum(part.seconds or 0.0 for part in parts))
    return fmean(sums)


def _row(variant: Variant, every: Mapping[str, Run], peak: Written, kept: Written) -> tuple[Cell, ...]:
    cost = variant.run.cost
    trained, total = mean_cost(variant, "trainable_parameters"), mean_cost(variant, "total_parameters")
    return (
        named(variant),
        Cell(human_seconds(mean_cost(variant, "seconds")), _time_details(variant, every)),
        Cell(peak(mean_cost(variant, "peak_bytes"))),
        Cell(count(trained), percent(trained / total, 3) if trained and total else ""),
        Cell(tokens_text(mean_cost(variant, "tokens"), variant.run)),
        Cell(kept(cost.artefact_bytes)),
    )


def tokens_text(tokens: float | None, run: Run) -> str:
    """Tokens trained on, of real patients about; `run`: whose texts they are of."""
    exact = is_made_up(gone(run.about.source).source)
    known = magnitude(tokens, exact, run.about.texts)
    about = "" if exact or not known else "≈\N{NO-BREAK SPACE}"
    return f"{about}{count(known)}"


def _device(variant: Variant) -> Cell:
    return Cell(", ".join(sorted({run.cost.device for run in variant.runs} - {"unknown"})) or NOT_MEASURED)


def _time_details(variant: Variant, every: Mapping[str, Run]) -> str:
    training, whole = mean_cost(variant, "train_seconds"), seconds_with_parents(variant, every)
    parts = [f"training {human_seconds(training)}"] if training else []
    if variant.run.parents and whole is not None:
        parts.append(f"with its parents {human_seconds(whole)}")
    return "\n".join(parts)


def _beside(run: Run, field: str, how: Callable[[float | None], str]) -> Cell:
    planned, measured = run.planned.get(field), getattr(run.cost, field)
    if planned is None and measured is None:
        return Cell(NOT_MEASURED)
    text = f"{how(planned) if planned is not None else 'not planned'} → {how(measured)}"
    ratio = f"measured is {measured / planned:.2f} of planned" if planned and measured is not None else ""
    return Cell(text, ratio)


def line_of(run: Run, every: Mapping[str, Run]) -> list[str]:
    """Fingerprints of all runs that a run descends from, each once."""
    ancestors: list[str] = []
    waiting = list(run.parents)
    while waiting:
        parent = waiting.pop()
        if parent not in ancestors:
            ancestors.append(parent)
            waiting += every[parent].parents if parent in every else ()
    return ancestors
