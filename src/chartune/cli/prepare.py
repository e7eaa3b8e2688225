"""`chartune prepare`: raw tables → datasets of all tasks and the corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import typer

from chartune.cli.datasets import filter_lines, split_lines
from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import (
    DEFAULT_STORE,
    RAW_FOLDER,
    JsonOption,
    NullMarksOption,
    SetOption,
    SplitsOption,
    StoreOption,
    listed_splits,
    one_of,
    only_of_charts,
    open_store,
    overridden,
    source_at,
)  # fmt: skip
from chartune.cli.warned import raw_and_asked, thin
from chartune.disclosure import is_made_up, released
from chartune.errors import ConfigError
from chartune.report.ventilated import ventilated_lines
from chartune.sources.kinds import SOURCES, CorpusKind
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import cohorts, notices

if TYPE_CHECKING:
    from chartune.tasks.prepare import AnnotatedPreparation, AnyPreparation, Preparation

_CORPORA: Final = get_args(CorpusKind)


def command(
    folder: Annotated[
        Path,
        RAW_FOLDER,
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", parser=one_of(SOURCES, _CORPORA), metavar="|".join((*SOURCES, *_CORPORA)),
            help="Kind of the raw data. Default: detected.", show_default=False,
        ),
    ] = None,
    splits: SplitsOption = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks", "--task", metavar="NAMES", help="Only these, comma-separated; an unambiguous prefix is enough."
        ),
    ] = None,
    preset: Annotated[
        Literal["sound", "paper-text", "paper-code"],
        typer.Option("--preset", help="Which switches: chartune's own, the papers', or their public code's."),
    ] = "sound",
    null_marks: NullMarksOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse raw data that raise a warning.")] = False,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Read raw files once and prepare every task and the corpus: cohort, input text, labels.

    Every filter is named and counted. The result is kept in the store and reused.
    """
    from chartune.sources.annotated.detect import detect_annotated
    from chartune.tasks.dataset import read_dataset
    from chartune.tasks.prepare import prepare

    opened = open_store(store)
    corpus = source if source in _CORPORA else None if source else detect_annotated(folder)
    if corpus:
        only_of_charts(
            corpus,
            {
                "--splits": splits,
                "--tasks": tasks,
                "--preset": preset != "sound",
                "--strict": strict,
                "--null-marks": null_marks is not None,
            },
        )
        preparation: AnyPreparation = _annotated(folder, corpus, sets)
        lacking = []
    else:
        asked: dict[str, Any] = {"source": source_at(folder, source, null_marks), "preset": preset, "strict": strict}
        preparation = charts = _charts(asked, tasks, splits, sets)
        lacking = [] if tasks else _left_out(charts)
    artefact = prepare(preparation, opened)
    dataset = read_dataset(artefact)
    messages = [*lacking, *thin(artefact, dataset)]
    whole = released(dataset.to_json(), exact_counts or is_made_up(dataset.source)) | {"warnings": messages}
    emit_figures(
        {"data": artefact.fingerprint, "folder": str(artefact.path), **whole}, as_json,
        "\n".join([cohort_text(artefact.fingerprint, dataset, exact_counts), *(f"warning: {m}" for m in messages)]),
        dataset.source, exact_counts,
    )  # fmt: skip


def _charts(data: dict[str, Any], tasks: str | None, splits: Path | None, sets: list[str] | None) -> "Preparation":
    from chartune.tasks.catalog import chosen_tasks
    from chartune.tasks.prepare import Preparation

    if any(assignment.startswith("preset=") for assignment in sets or ()):
        raise ConfigError(
            "a preset must be chosen with --preset, because it sets many switches at once; --set sets one."
        )
    if tasks:
        chosen = chosen_tasks(tasks.split(","), data["source"]["kind"], data["preset"])
        data["tasks"] = [task.model_dump(mode="json") for task in chosen]
    if splits:
        data["splits"] = listed_splits(splits)
    return Preparation.parse(overridden(data, sets, Preparation))


def _left_out(preparation: "Preparation") -> list[str]:
    """Tasks that the source would have if its bedside chart were there."""
    from chartune.sources.survey import without_chart
    from chartune.tasks.catalog import left_out

    source = preparation.source
    names = left_out(preparation.tasks, source.kind, preparation.preset)
    why = without_chart(source.folder, source.kind)
    return [f"{' and '.join(names)} was left out, because {why}"] if names and why else []


def _annotated(folder: Path, kind: str, sets: list[str] | None) -> "AnnotatedPreparation":
    from chartune.tasks.prepare import AnnotatedPreparation

    data = {"source": {"kind": kind, "folder": str(folder)}}
    return AnnotatedPreparation.parse(overridden(data, sets, AnnotatedPreparation))


def cohort_text(fingerprint: str, dataset: Dataset, exact: bool = False) -> str:
    """The attrition of each task and of the corpus, as lines; unless exact, as they may be shown."""
    lines = [f"{dataset.source.title}  (data {fingerprint})"]
    uncoded = _uncoded(dataset)
    for name, cohort in zip([*dataset.tasks, "corpus"], cohorts(dataset, exact), strict=False):
        if name in uncoded:
            lines.append(f"{name}: {cohort.title}: nobody is left by the filter `{uncoded[name]}`")
            continue
        asked = task.form.outcome(task.labels) if (task := dataset.tasks.get(name)) else ""
        lines += [f"{name}: {cohort.title}", *([f"  asked: {asked}"] if asked else [])]
        lines += [*filter_lines(cohort), *split_lines(cohort), *_printed(name, dataset, exact)]
    lines += [f"note: {notice}" for notice in notices(dataset.source, exact)]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in raw_and_asked(dataset, exact))])


def _printed(name: str, dataset: Dataset, exact: bool) -> list[str]:
    """Of prolonged ventilation how many papers have counted."""
    return ventilated_lines(dataset.only({name}), exact=exact) if name in dataset.tasks else []


def _uncoded(dataset: Dataset) -> dict[str, str]:
    """Tasks in a version of codes that the source does not have → the filter that says so: their flows are empty."""
    steps = {
        name: next((step.step for step in task.attrition if step.subjects == 0), "")
        for name, task in dataset.tasks.items()
        if "icd_version" in (task.config or {})
    }
    return {name: step for name, step in steps.items() if step.startswith("coded in ICD-")}
