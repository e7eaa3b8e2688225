"""The macro average over tasks: what a variant reaches over all tasks of a source, with one interval.

    patients of all tasks ─drawn once─▶ each task's score on its rows of that draw ─mean over tasks─▶ [draws]
    several seeds: as many of them, drawn with replacement, for each task ─mean─┘

A patient who is in several tasks comes into a draw of all of them, or of none, so that their scores move together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.answers import AUROC, Answer
from chartune.disclosure import TOO_FEW
from chartune.metrics import Resamples, paired_difference
from chartune.report.predicted import Predicted, predicted
from chartune.report.table import Cell, Column, Table, estimated, listed
from chartune.report.variants import Variant
from chartune.runs.run import SCORING

SEED: Final = 0
"""Of the draws of seeds."""


@dataclass(frozen=True)
class Asked:
    """One task of a source, with its variants whose test split was scored."""

    title: str
    source: str
    """What tells sources apart: patients of others are never drawn together."""
    form: Answer
    labels: tuple[str, ...]
    """Ids in the order of their numbers."""
    variants: tuple[Variant, ...]
    said: Mapping[str, Predicted | None]
    """Fingerprint → what a run says, on draws of the patients of this task alone."""
    coded: Mapping[str, Predicted | None] = field(default_factory=dict)
    """The same in the scores of the paper's code (`chartune.report.as_coded`); empty: not asked."""


def averages(every: Sequence[Asked]) -> list[Table]:
    """A table for each source of which several tasks are scored by AUROC, of the variants that all of them have."""
    by_source: dict[str, list[Asked]] = {}
    for asked in every:
        if asked.form.headline.metric == AUROC.metric:
            by_source.setdefault(asked.source, []).append(asked)
    tables = [_table(tasks) for tasks in by_source.values() if len(tasks) > 1]
    return [table for table in tables if table is not None]


def seeds_drawn(seeds: Sequence[Resamples], rng: np.random.Generator) -> Resamples:
    """The mean of several seeds, in each draw of patients that of as many seeds, drawn with replacement.

    Args:
        seeds: a score of each seed on the same draws.
        rng: of the draws of seeds; not used for a single one.
    """
    every = np.stack([seed.samples for seed in seeds])  # [S, B]
    if len(seeds) == 1:
        return seeds[0]
    picked = rng.integers(len(seeds), size=every.shape)
    means: NDArray[np.float64] = np.take_along_axis(every, picked, axis=0).mean(axis=0)
    return Resamples(float(np.mean([seed.value for seed in seeds])), means, seeds[0].n)


def mean_of_tasks(tasks: Sequence[Resamples], patients: int) -> Resamples:
    """The plain mean over tasks, draw by draw; one that leaves any task undefined is undefined."""
    samples = np.mean([task.samples for task in tasks], axis=0)
    return Resamples(float(np.mean([task.value for task in tasks])), np.asarray(samples), patients)


def _table(tasks: Sequence[Asked]) -> Table | None:
    names = [[variant.name for variant in asked.variants] for asked in tasks]
    shared = [name for name in dict.fromkeys(names[0]) if all(each.count(name) == 1 for each in names)]
    rows = {name: [next(v for v in asked.variants if v.name == name) for asked in tasks] for name in shared}
    if not rows:
        return None
    hidden = any(v.hidden for variants in rows.values() for v in variants)
    drawn = {} if hidden else _drawn(tasks, rows)
    if not hidden and not drawn:
        return None
    reference = next((name for name in drawn if rows[name][0].run.kind == "tfidf"), None)
    digits = min(3 if v.behind is None else v.behind.precision(v.headline) for vs in rows.values() for v in vs)
    cells = tuple(_row(name, rows[name], drawn, reference, digits) for name in (shared if hidden else drawn))
    columns = (
        Column("Variant", numeric=False), Column("Macro average", "AUROC, mean over the tasks"),
        Column("Difference", "from TF-IDF, on the same draws"),
    )  # fmt: skip
    note = (
        f"Mean over {listed([asked.title for asked in tasks])}. Patients are drawn once for all tasks; of several "
        "seeds as many are drawn with replacement, so that the interval covers the luck of training, too, as far as "
        "so few seeds show it. 95 % intervals."
    )
    return Table("Macro average over tasks", columns, cells, note)


def _row(
    name: str, variants: Sequence[Variant], drawn: Mapping[str, Resamples], reference: str | None, digits: int
) -> tuple[Cell, ...]:
    label = Cell(name, f"variants {listed([v.label for v in variants])}")
    if name not in drawn:
        return label, Cell(TOO_FEW), Cell(TOO_FEW)
    mean = drawn[name].estimate()
    cell = estimated(mean.value, mean.low, mean.high, digits)
    if reference is None or name == reference:
        return label, cell, Cell("reference" if reference else "no TF-IDF")
    gap = paired_difference([drawn[name]], [drawn[reference]]).estimate()
    return label, cell, estimated(gap.value, gap.low, gap.high, digits, signed=True)


def _drawn(tasks: Sequence[Asked], rows: Mapping[str, Sequence[Variant]]) -> dict[str, Resamples]:
    """Name → the mean over tasks on joint draws; a variant that cannot be drawn in a task is left out."""
    runs = [run for variants in rows.values() for v in variants for run in v.runs if run.has_predictions()]
    if not runs:
        return {}
    patients = np.unique(np.concatenate([run.predictions(SCORING)["subject_id"].to_numpy() for run in runs]))
    made = {}
    for name, variants in rows.items():
        rng = np.random.default_rng(SEED)
        scores = [_task(asked, v, patients, rng) for asked, v in zip(tasks, variants, strict=True)]
        known = [score for score in scores if score is not None]
        if len(known) == len(tasks):
            made[name] = mean_of_tasks(known, patients.size)
    return made


def _task(
    asked: Asked, variant: Variant, patients: NDArray[np.int64], rng: np.random.Generator
) -> Resamples | None:  # fmt: skip
    """The score of a variant in a task on joint draws; None: it cannot be drawn."""
    seeds: list[Resamples] = []
    for run in variant.runs:
        said = asked.said.get(run.fingerprint)
        if said is not None and said.rows["subject_id"].n_unique() < patients.size:  # else its draws are the joint ones
            said = predicted(run, asked.form, asked.labels, (asked.form.headline,), patients)
        if said is None or said.headline is None:
            return None
        seeds.append(said.headline)
    return seeds_drawn(seeds, rng)
