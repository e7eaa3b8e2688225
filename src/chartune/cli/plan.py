"""`chartune plan`: what pretrain or finetune would train, need and take, before anything runs."""

from typing import Annotated, Literal

import typer

from chartune.cli.bases import based
from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.finetune import ClinicalOption, StateOption, TaskOption, stacked, stage_kind
from chartune.cli.methods import HEAD_ONLY, TFIDF, FinetuneMethodOption
from chartune.cli.options import (
    DEFAULT_STORE,
    BaseOption,
    ConfigOption,
    FolderArgument,
    JsonOption,
    NullMarksOption,
    PresetOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    overridden,
    stage_data,
)  # fmt: skip
from chartune.cli.pretrain import adapted
from chartune.cli.words import BatchOption, EpochsOption, LengthOption, RankOption, RateOption, SeedOption
from chartune.disclosure import is_made_up
from chartune.errors import ConfigError
from chartune.store import Store


def command(
    verb: Annotated[
        Literal["pretrain", "finetune"],
        typer.Argument(help="The command to plan; further arguments are those that it would get."),
    ],
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
    seed: SeedOption = None,
    epochs: EpochsOption = None,
    lr: RateOption = None,
    batch_size: BatchOption = None,
    max_length: LengthOption = None,
    rank: RankOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Estimate what a stage would train and need: parameters exactly; memory, time and disk approximately.

    Nothing is prepared, pretrained or written. Tokens, steps and time need data that are prepared already. What does
    not fit into the memory and disk that are free now is refused, with exit code 5.
    """
    from chartune.planning.plan import plan
    from chartune.stages.finetune import Finetune
    from chartune.stages.pretrain import Pretrain
    from chartune.tasks.dataset import gone, read_dataset

    pretrains = verb == "pretrain"
    if pretrains and (clinical, clinical_state, task, method in (HEAD_ONLY, TFIDF)) != (None, None, None, False):
        raise ConfigError(
            f"pretraining has no stack, no head and no task; leave out --clinical, --task, and --method {HEAD_ONLY} or "
            f"{TFIDF}."
        )
    kind = "pretrain" if pretrains else stage_kind(config, method)
    if kind == TFIDF:
        raise ConfigError("TF-IDF needs no plan: it has no base model, and takes seconds; plan another method.")
    data = stage_data(kind, config, folder, source, splits, base, None, preset=preset, null_marks=null_marks)
    data |= adapted(config, method) if pretrains else stacked(kind, config, method, clinical, clinical_state, task)
    data |= based(kind, data, sets, clinical, store)
    stages: dict[str, type[Pretrain] | type[Finetune]] = {"pretrain": Pretrain, "finetune": Finetune}
    flags = {
        "seed": seed, "epochs": epochs, "lr": lr, "batch_size": batch_size, "max_length": max_length, "rank": rank,
    }  # fmt: skip
    stage = stages[kind].parse(overridden(data, sets, stages[kind], flags), str(config or ""))
    opened = Store(store)
    made = plan(stage, opened, exact_counts)
    prepared = opened.find("data", made.workload.data) if made.workload.data else None
    whose = read_dataset(prepared).source if prepared else gone(None).source
    exact = exact_counts or is_made_up(whose)
    emit_figures(made.to_json(exact), as_json, made.as_text(exact), whose, exact_counts)
    made.must_fit()
