"""`chartune pretrain`: domain-adaptive pretraining."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chartune.cli.bases import based
from chartune.cli.figures import ExactOption, emit_run
from chartune.cli.methods import PretrainMethodOption
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
    named_path,
    open_store,
    overridden,
    stage_data,
)  # fmt: skip
from chartune.cli.warned import say_warnings
from chartune.cli.words import BatchOption, EpochsOption, LengthOption, RankOption, RateOption, SeedOption
from chartune.errors import ConfigError

GeneralTextOption = Annotated[
    Path | None,
    typer.Option(
        "--general-text", parser=named_path, metavar="PATH",
        help="Plain text (a file, or a folder of .txt) to be read before and after: what was forgotten.",
    ),
]  # fmt: skip


def command(
    folder: FolderArgument = None,
    method: PretrainMethodOption = None,
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
    general_text: GeneralTextOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Adapt a causal language model to the notes of the training patients, by default with a LoRA adapter.

    Reports perplexity (per token) and bits per byte on held-out patients before and after, with intervals. A
    killed run resumes where it stopped when the same command is given again; a finished one is found.
    """
    from chartune.runner import run
    from chartune.stages.pretrain import Pretrain

    fields = stage_data(
        "pretrain", config, folder, source, splits, base, name, preset=preset, null_marks=null_marks
    )  # fmt: skip
    fields |= adapted(config, method)
    fields |= {} if general_text is None else {"general_text": str(general_text)}
    fields |= based("pretrain", fields, sets, None, store)
    flags = {
        "seed": seed, "epochs": epochs, "lr": lr, "batch_size": batch_size, "max_length": max_length, "rank": rank,
    }  # fmt: skip
    data = overridden(fields, sets, Pretrain, flags)
    stage, opened = Pretrain.parse(data, str(config or "")), open_store(store)
    warned = say_warnings(stage.data, opened, None)
    done = run(stage, opened)
    emit_run(done, as_json, exact_counts, {"warnings": warned})


def adapted(config: Path | None, method: str | None) -> dict[str, Any]:
    """The field of a stage that the flag describes.

    Raises:
        ConfigError: a config states the method, too.
    """
    if method is None:
        return {}
    if config:
        raise ConfigError(
            f"the method must be stated once, but both {config} and --method state it; use --set method.kind=."
        )
    return {"method": {"kind": method}}
