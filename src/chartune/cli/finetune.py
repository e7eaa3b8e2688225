"""`chartune finetune`: a stack of adapters on a task."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from chartune.cli.bases import based
from chartune.cli.figures import ExactOption, emit_run
from chartune.cli.methods import TFIDF, FinetuneMethodOption, fresh
from chartune.cli.options import (
    DEFAULT_STORE,
    BaseOption,
    ConfigOption,
    FolderArgument,
    JsonOption,
    NameOption,
    NullMarksOption,
    PresetOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    open_store,
    overridden,
    stage_data,
)  # fmt: skip
from chartune.cli.warned import say_warnings
from chartune.cli.words import BatchOption, EpochsOption, LengthOption, RankOption, RateOption, SeedOption
from chartune.config import read_yaml
from chartune.errors import ConfigError
from chartune.log import say

ClinicalOption = Annotated[
    str | None,
    typer.Option("--clinical", metavar="RUN", help="A finished `pretrain` run (or adapter folder) to stack on."),
]
StateOption = Annotated[
    Literal["frozen", "trainable"] | None,
    typer.Option("--clinical-state", help="Whether that adapter stays frozen (default) or is trained further."),
]
BaselineOption = Annotated[
    bool,
    typer.Option(
        "--baseline/--no-baseline", envvar="CHARTUNE_BASELINE",
        help="Compare with TF-IDF on the same words, which is fitted where the store has none (seconds).",
    ),
]  # fmt: skip
TaskOption = Annotated[
    str | None,
    typer.Option("--task", "--tasks", help="Which prepared task, such as mortality or diagnoses. Default: the first."),
]


def command(
    folder: FolderArgument = None,
    method: FinetuneMethodOption = None,
    clinical: ClinicalOption = None,
    clinical_state: StateOption = None,
    task: TaskOption = None,
    config: ConfigOption = None,
    source: SourceOption = None,
    splits: SplitsOption = None,
    preset: PresetOption = None,
    null_marks: NullMarksOption = None,
    base: BaseOption = None,
    name: NameOption = None,
    seed: SeedOption = None,
    epochs: EpochsOption = None,
    lr: RateOption = None,
    batch_size: BatchOption = None,
    max_length: LengthOption = None,
    rank: RankOption = None,
    baseline: BaselineOption = True,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Train adapters and a head on a task; score held-out patients, with intervals from a bootstrap over patients.

    Predictions are kept by admission id. Training stops when the main score on the validation split no longer rises;
    the test split is scored once, at the end.
    """
    from chartune.report.hidden import warning
    from chartune.runner import run
    from chartune.stages.baseline import baseline_of
    from chartune.stages.catalog import stages
    from chartune.stages.finetune import Finetune
    from chartune.tasks.dataset import read_dataset

    kind = stage_kind(config, method)
    data = stage_data(kind, config, folder, source, splits, base, name, preset=preset, null_marks=null_marks)
    if kind == "tfidf" and (base or clinical):
        raise ConfigError("TF-IDF has neither a base model nor adapters; leave out --base and --clinical.")
    data |= stacked(kind, config, method, clinical, clinical_state, task)
    if kind == "finetune":
        data |= based(kind, data, sets, clinical, store)
    flags = {
        "seed": seed, "epochs": epochs, "lr": lr, "batch_size": batch_size, "max_length": max_length, "rank": rank,
    }  # fmt: skip
    stage = stages[kind].parse(overridden(data, sets, stages[kind], flags), str(config or ""))
    opened = open_store(store)
    warned = say_warnings(stage.data, opened, stage.task)  # type: ignore[attr-defined]
    done = run(stage, opened)  # type: ignore[arg-type]
    compared = (
        baseline_of(done, stage, opened) if baseline and isinstance(stage, Finetune) and stage.scores_test else None
    )
    emit_run(done, as_json, exact_counts, {"warnings": warned}, compared)
    prepared = opened.find("data", done.data or "")
    if prepared and (message := warning(done, read_dataset(prepared))):
        say(f"warning: {message}")


def stage_kind(config: Path | None, method: str | None) -> str:
    """`tfidf` or `finetune`, as the config says, or else the flag."""
    chosen = read_yaml(config).get("kind") if config else None
    return TFIDF if TFIDF in (chosen, method) else "finetune"


def stacked(
    kind: str, config: Path | None, method: str | None, clinical: str | None, state: str | None,
    task: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a stage that the flags on stack and task describe.

    Raises:
        ConfigError: a config states the stack, too.
    """
    if config and (method, clinical, state) != (None, None, None):
        raise ConfigError(
            f"the stack must be stated once, but both {config} and flags state it; use --set stack.layers.0…=."
        )
    fields: dict[str, Any] = {} if task is None else {"task": task}
    if kind == "finetune" and (method or clinical):
        fields["stack"] = {"layers": layers(method, clinical, state or "frozen")}
    return fields


def layers(method: str | None, clinical: str | None, state: str) -> list[dict[str, Any]]:
    """The layers of the stack that the flags describe, the clinical adapter first."""
    below = [{"kind": state, "adapter": clinical}] if clinical else []
    return [*below, *fresh(method)]
