"""One task on one data set, ready to be shown: only its runs may be compared with each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import polars as pl
from markupsafe import Markup

from chartune.answers import BINARY, Answer
from chartune.disclosure import fewest, is_made_up
from chartune.report import marks, summary
from chartune.report.abstaining import conformal_table, selective_table
from chartune.report.as_coded import coded_scores, coded_table
from chartune.report.average import Asked
from chartune.report.believable import calibration, draw_spread, on_one_axis, recalibrated, spread
from chartune.report.benefit import draw_curves, worth
from chartune.report.choice import choice_table, choices_said
from chartune.report.compare import (
    Comparison,
    comparison_table,
    comparisons,
    from_baseline,
    too_large,
    what_is_said,
)
from chartune.report.curves import draw_panel, learning_curves
from chartune.report.detectable import detectable_said
from chartune.report.diagnostics import draw_diagram, precision_recall, roc
from chartune.report.forest import Forest, forest
from chartune.report.hidden import behind_run
from chartune.report.labels import Labels, label_tables
from chartune.report.operating import operating_points, operating_table
from chartune.report.predicted import LARGEST, Predicted, further_table
from chartune.report.price import draw_price, prices
from chartune.report.recalibrated import recalibration_table
from chartune.report.scores import calibration_table, prevalence, score_table
from chartune.report.subgroups import subgroup_tables
from chartune.report.subgroups_of_labels import label_subgroup_tables
from chartune.report.table import Table
from chartune.report.variants import Variant
from chartune.runs import Run
from chartune.tasks.dataset import Dataset, TaskEntry
from chartune.tasks.dataset_card import described
from chartune.tasks.flow import unit
from chartune.tasks.task import ANSWER_TOLD


@dataclass(frozen=True)
class Paired:
    """Which variant beats which, on the same rows."""

    table: Table | None
    compared: int
    """How many comparisons were made."""
    too_large: str
    """Why some or all were not; empty: none is missing for its size."""


@dataclass(frozen=True)
class Figure:
    """Drawings with one legend; false where there are none."""

    drawings: tuple[Markup, ...] = ()
    variants: tuple[Variant, ...] = ()
    """Those of which something is drawn."""

    @classmethod
    def of(cls, draw: Callable[[Any, str], str], pictures: Sequence[Any], name: str) -> Self:
        """Each of some pictures (panels, diagrams) drawn by `draw`; `name`: begins the id of every drawing."""
        shown = {variant.label: variant for picture in pictures for variant in picture.variants}
        drawings = tuple(Markup(draw(picture, f"{name}{n}")) for n, picture in enumerate(pictures))
        return cls(drawings, tuple(sorted(shown.values(), key=lambda variant: (len(variant.label), variant.label))))

    def __len__(self) -> int:
        return len(self.drawings)

    def __iter__(self) -> Iterator[Markup]:
        return iter(self.drawings)


@dataclass(frozen=True)
class Risks:
    """Discrimination and calibration of a binary task; of any other nothing."""

    ranking: Figure = Figure()
    """ROC curve and precision-recall curve."""
    calibrations: Figure = Figure()
    """Predicted against observed, the same recalibrated, and how predictions are spread."""
    few: bool = False
    """Whether too few patients stand behind them to draw them."""
    calibration: Table | None = None
    operating: Table | None = None
    worth: Figure = Figure()
    """F1 and net benefit over the threshold."""


@dataclass(frozen=True)
class Outcome:
    """What the page says of one task. A figure without drawings could not be drawn."""

    title: str
    unit: str
    """What a row is: `admissions`, or `rows`."""
    kind: str
    """Such as `retrospective-text`."""
    answer: str
    """Kind of the form of its answers."""
    score: str
    """What the headline score is called."""
    variants: tuple[Variant, ...]
    card: tuple[tuple[str, str], ...]
    """Cohort, time of prediction, input, outcome: term and description."""
    sentences: tuple[str, ...]
    tile: summary.Tile | None
    choice: Table | None
    """Whose test split was scored, and the validation scores; None: everybody's was."""
    scores: Table | None
    """None: of no variant the test split was scored."""
    recalibration: Table | None
    """Errors of calibration before and after; None: nothing was recalibrated."""
    further: Table | None
    """Scores of several labels that no run keeps."""
    coded: Table | None
    """Scores as the paper's code works them out; None: they are ours, or the data follow other rules."""
    forest: Forest | None
    paired: Paired
    risks: Risks
    prevalence: str
    labels: Labels | None
    subgroups: tuple[Table, ...]
    """Scores by subgroup of a binary task."""
    abstaining: tuple[Table, ...]
    """The surest rows alone, and conformal sets."""
    curves: Figure
    prices: Figure
    published: Table | None
    taylor: Table | None
    """What the repository of Taylor et al. (2024) has of it."""
    marked: bool
    """Whether printed scores stand in the forest plot, too."""
    asked: Asked
    """What an average over several tasks is worked out from."""


_LARGE: Final = f"Paired differences: too large to compare in pairs here (more than {LARGEST:,} rows times labels)."


def outcome(
    variants: Sequence[Variant], dataset: Dataset, name: str, figure: str, every: Mapping[str, Run], title: str = "",
    groups: pl.DataFrame | None = None,
) -> Outcome:  # fmt: skip
    """All that the page says of one task.

    Args:
        variants: numbered.
        dataset: what it is; `chartune.tasks.dataset.gone` if it is.
        name: of the task.
        figure: begins the id of every figure.
        every: all runs of the report by fingerprint.
        title: of the section, where several data sets have the same task; empty: that of the task.
        groups: of the patients (`chartune.tasks.subgroups`); None: the data keep none.
    """
    task, source, open_data = dataset.tasks.get(name), dataset.source, is_made_up(dataset.source)
    title, rows = title or task_title(dataset, name), unit(source)
    form = variants[0].run.form or BINARY
    score = form.headline.title
    if not open_data:
        variants = _behind(variants, task.counts if task else {})
    final = [variant for variant in variants if variant.final]
    labels = task.labels if task else ()
    known = what_is_said(final, form, labels)
    coded = coded_scores(final, form, labels, dataset)
    differences = comparisons(final, form, labels, known)
    heading, beyond_baseline = f"{title}: scores on the test split", from_baseline(differences, final)
    printed = marks.drawable(name, dataset)
    return Outcome(
        title=title, unit=rows, kind=task.kind if task else "", answer=form.kind, score=score,
        variants=tuple(variants), card=_card(task, variants[0].run),
        sentences=(*_warned(task), *choices_said(variants), *_compared(final, differences, score, rows)),
        tile=summary.score_tile(final, title, score, rows) if final else None,
        choice=choice_table(
            variants, f"{title}: what was chosen on what", _detectable(variants, task, form, open_data)
        ),
        scores=score_table(final, beyond_baseline, heading, form, rows) if final else None,
        recalibration=recalibration_table(final, form, title, every, labels),
        further=further_table(final, known, form, f"{title}: further scores"),
        coded=coded_table(final, form, coded, f"{title}: scores as the paper's code has them"),
        forest=forest(final, printed), paired=_paired(final, title, differences, form, rows),
        risks=_risks(final, title, figure, open_data, every, known) if form.one_outcome and final else Risks(),
        prevalence=prevalence(final), labels=label_tables(final, title, open_data, own=source.kind == "tabular"),
        subgroups=subgroup_tables(final, groups, title, open_data) if form.one_outcome
        else label_subgroup_tables(final, groups, form, labels, title, open_data),
        abstaining=_abstaining(final, form, title, open_data, every),
        curves=Figure.of(draw_panel, learning_curves(variants, headline=form.headline), f"{figure}-curve"),
        prices=Figure.of(draw_price, prices(final, every, score), f"{figure}-price"),
        published=marks.published_table(name, title), taylor=marks.of_taylor(name, source.kind, title),
        marked=bool(printed),
        asked=Asked(title, f"{source.kind} {source.version} {source.title}", form, tuple(labels), tuple(final), known,
                    coded),
    )  # fmt: skip


def task_title(dataset: Dataset, name: str) -> str:
    """What a task is called; of data that are gone its name."""
    task = dataset.tasks.get(name)
    return task.title if task else name.replace("_", " ")


def _warned(task: TaskEntry | None) -> tuple[str, ...]:
    """A warning where the texts of a task may state its answer."""
    return (ANSWER_TOLD,) if task and task.answer_told else ()


def _detectable(variants: Sequence[Variant], task: TaskEntry | None, form: Answer, open_data: bool) -> str:
    """Said as long as a test split is closed: afterwards nobody can be surprised by it."""
    if task is None or all(variant.final for variant in variants):
        return ""
    return detectable_said(variants, form, task.counts, open_data)


def _compared(variants: Sequence[Variant], made: Sequence[Comparison], score: str, rows: str) -> list[str]:
    return summary.compared(variants, made, score, rows) if variants else []


def _paired(
    variants: Sequence[Variant], title: str, differences: Sequence[Comparison], form: Answer, rows: str
) -> Paired:
    table = comparison_table(differences, title, form.headline.title, rows)
    return Paired(table, len(differences), _LARGE if too_large(variants, form) else "")


def _abstaining(
    variants: Sequence[Variant], form: Answer, title: str, open_data: bool, every: Mapping[str, Run]
) -> tuple[Table, ...]:
    selected = selective_table(variants, form, title, open_data)
    return tuple(filter(None, (selected, conformal_table(variants, form, title, open_data, every))))


def _risks(
    variants: Sequence[Variant], title: str, figure: str, open_data: bool, every: Mapping[str, Run],
    known: Mapping[str, Predicted | None],
) -> Risks:  # fmt: skip
    ranking = [plot for draw in (roc, precision_recall) if (plot := draw(variants, open_data)) is not None]
    believed = on_one_axis((calibration(variants, open_data), recalibrated(variants, open_data, every)))
    bars = spread(variants, open_data) if believed else None
    predicted = any(run.has_predictions() for variant in variants for run in variant.runs)
    spreads = (Markup(draw_spread(bars, f"{figure}-spread0")),) if bars else ()
    calibrated = Figure.of(draw_diagram, believed, f"{figure}-believed")
    return Risks(
        Figure.of(draw_diagram, ranking, f"{figure}-look"),
        replace(calibrated, drawings=(*calibrated.drawings, *spreads)),
        few=predicted and not ranking, calibration=calibration_table(variants, title, known),
        operating=operating_table(operating_points(variants, open_data, every), title),
        worth=Figure.of(draw_curves, worth(variants, open_data), f"{figure}-worth"),
    )  # fmt: skip


def _card(task: TaskEntry | None, run: Run) -> tuple[tuple[str, str], ...]:
    """What a reader must know of a task; of data that are gone the class that is asked about, as the run records it."""
    if task is None:
        task = TaskEntry(title="", answer=(run.form or BINARY).kind, labels=tuple(run.about.classes or ()))
    return tuple(described(task).items())


def _behind(variants: Sequence[Variant], counts: Mapping[str, Mapping[str, int]]) -> list[Variant]:
    """The variants with who stands behind their scores; all alike, so that none shows what another hides."""
    runs = [run for variant in variants for run in variant.runs]
    tested, watched = (fewest([behind_run(run, counts, split) for run in runs]) for split in ("test", "validation"))
    return [replace(variant, behind=tested, watched=watched) for variant in variants]
