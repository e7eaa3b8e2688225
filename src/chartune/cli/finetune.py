"""`chartune finetune`: a stack of adapters on a task."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from chartune.cli.options import (
    DEFAULT_STORE,
    BaseOption,
    ConfigOption,
    FolderArgument,
    JsonOption,
    NameOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    emit,
    open_store,
    overridden,
    run_summary,
    run_told,
    stage_data,
)  # fmt: skip


class How(StrEnum):
    """What is trained on the task."""

    lora = "lora"
    head_only = "head-only"
    full = "full"
    tfidf = "tfidf"


class ClinicalState(StrEnum):
    """What becomes of the clinical adapter."""

    frozen = "frozen"
    trainable = "trainable"


MethodOption = Annotated[
    How, typer.Option("--method", help="What is trained: a fresh LoRA, the head only, every weight, or TF-IDF.")
]
ClinicalOption = Annotated[
    str | None,
    typer.Option("--clinical", metavar="RUN", help="A finished `pretrain` run (or adapter folder) to stack on."),
]
StateOption = Annotated[
    ClinicalState, typer.Option("--clinical-state", help="Whether that adapter stays as it is or goes on learning.")
]


def command(
    folder: FolderArgument = None,
    method: MethodOption = How.lora,
    clinical: ClinicalOption = None,
    clinical_state: StateOption = ClinicalState.frozen,
    task: Annotated[str | None, typer.Option("--task", help="Which prepared task: mortality.")] = None,
    config: ConfigOption = None,
    source: SourceOption = "mimic3",
    splits: SplitsOption = None,
    base: BaseOption = None,
    name: NameOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Train adapters and a head on an outcome; score held-out patients with AUROC and a patient-bootstrap interval.

    Predictions are kept by admission id. Training stops when the AUROC on the validation part no longer rises; the test
    part is scored once, at the end.
    """
    from chartune.stages.catalog import run, stages

    kind = "tfidf" if method is How.tfidf else "finetune"
    data = stage_data(kind, config, folder, source, splits, None if kind == "tfidf" else base, name)
    if task is not None:
        data["task"] = task
    if kind == "finetune" and not config:
        data["stack"] = {"layers": layers(method, clinical, clinical_state)}
    stage = stages[kind].parse(overridden(data, sets), str(config or ""))
    done = run(stage, open_store(store))  # type: ignore[arg-type]
    emit(run_summary(done), as_json, run_told(done))


def layers(method: How, clinical: str | None, state: ClinicalState) -> list[dict[str, Any]]:
    """The layers of the stack that the flags describe, the clinical adapter first."""
    below = [{"kind": state.value, "adapter": clinical}] if clinical else []
    above = [] if method is How.head_only else [{"kind": "fresh", "method": {"kind": method.value}}]
    return [*below, *above]
