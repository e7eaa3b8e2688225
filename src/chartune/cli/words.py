"""Words that people type for fields: flags of stages, short names in --set, and paths of the data.

--lr 1e-3, lr=1e-3 ─▶ optimisation.learning_rate=1e-3       --rank 8 ─▶ stack.layers.0.method.rank=8
source.text=note   ─▶ data.source.text=note (of a stage)     data.source.text ─▶ source.text (of `prepare`)
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from chartune.adapters.catalog import method_class
from chartune.config import Config
from chartune.config_fields import held_by
from chartune.errors import ConfigError
from chartune.mapping import value_at

SeedOption = Annotated[
    int | None, typer.Option("--seed", help="Order of examples, fresh weights and dropout are drawn from it.")
]
EpochsOption = Annotated[
    float | None, typer.Option("--epochs", help="Passes over the training examples, at most; parts of one, too.")
]
RateOption = Annotated[
    float | None, typer.Option("--lr", help="Peak learning rate of the adapters, or of all weights (full).")
]
BatchOption = Annotated[int | None, typer.Option("--batch-size", help="Examples, or packed blocks, per step.")]
LengthOption = Annotated[int | None, typer.Option("--max-length", help="Tokens that the model reads of a text.")]
RankOption = Annotated[
    int | None, typer.Option("--rank", help="Rank of the fresh layer, if it has one, such as a LoRA; its alpha stays.")
]

WORDS: Final = {
    "lr": "optimisation.learning_rate", "learning_rate": "optimisation.learning_rate",
    "head_learning_rate": "optimisation.head_learning_rate", "weight_decay": "optimisation.weight_decay",
    "batch_size": "optimisation.batch_size", "patience": "stopping.patience", "max_length": "max_seq_len",
    "max_len": "max_seq_len", "base": "backbone.name", "precision": "numerics.precision", "pooling": "head.pooling",
}  # fmt: skip
"""Short name → path."""
DURATIONS: Final = ("epochs", "steps")
METHOD: Final = "method"
OF_LAYER: Final = (METHOD, "rank", "alpha", "dropout", "targets")
"""What is said of the method of the fresh layer, wherever that stands."""


def assigned(
    config: type[Config], data: Mapping[str, Any], sets: Sequence[str], flags: Mapping[str, object]
) -> list[str]:
    """Assignments as `override` takes them, of words and flags as people type them.

    Args:
        config: what is asked for.
        data: it as plain data, its defaults filled in.
        sets: assignments, such as `lr=1e-3`.
        flags: by name, such as `batch_size`, what was given with each; None: not given.

    Raises:
        ConfigError: a flag says nothing of such a stage, or a field is stated twice.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        _must_apply(config, data, name)
    said = [line for name, value in given.items() for line in spelled(config, data, f"{name}={value}")]
    typed = [line for assignment in sets for line in spelled(config, data, assignment)]
    twice = {_path(line) for line in said} & {_path(line) for line in typed}
    if twice:
        raise ConfigError(
            f"a field must be stated once, but `{min(twice)}` is set by a flag and by --set; leave out one."
        )
    return [*said, *typed]


def placed(config: type[Config], assignment: str) -> str:
    """An assignment with `data.` before the path where what is meant is a field of the data, or without it.

    Args:
        config: a stage, whose data are its field `data`, or the preparation itself.
        assignment: `path=value`.
    """
    first, fields = _path(assignment).partition(".")[0], config.model_fields
    if first in fields:
        return assignment
    if "data" not in fields:
        return assignment.strip().removeprefix("data.")
    within = {name for model in held_by(fields["data"]) for name in model.model_fields}
    return f"data.{assignment.strip()}" if first in within else assignment


def spelled(config: type[Config], data: Mapping[str, Any], assignment: str) -> list[str]:
    """An assignment of a word as assignments of paths."""
    path, sign, value = assignment.partition("=")
    first, dot, rest = path.strip().partition(".")
    if first in config.model_fields or not sign:
        return [assignment]
    if first in DURATIONS and not rest and "optimisation" in config.model_fields:
        return [f"optimisation.duration.value={value}", f"optimisation.duration.unit={first}"]
    if first in OF_LAYER and (at := _fresh(config, data)):
        return [f"{at}{'' if first == METHOD else f'.{first}'}{dot}{rest}={value}"]
    if first in WORDS and WORDS[first].partition(".")[0] in config.model_fields:
        return [f"{WORDS[first]}{dot}{rest}={value}"]
    return [assignment]


def _must_apply(config: type[Config], data: Mapping[str, Any], name: str) -> None:
    """Refuse a flag that says nothing of the stage."""
    flag, kind = f"--{name.replace('_', '-')}", config.model_fields["kind"].default
    path = _path(spelled(config, data, f"{name}=0")[0])
    if path.partition(".")[0] not in config.model_fields:
        lacking = "this one trains no fresh layer, or several" if name in OF_LAYER else f"{kind} has none"
        raise ConfigError(
            f"{flag} must set a field of the stage, but {lacking}; leave it out (`chartune fields {kind}` lists what "
            f"can be set)."
        )
    if name == "lr" and "stack" in config.model_fields and set(_layers(config, data)) <= {"frozen", "merged"}:
        raise ConfigError(
            "--lr must be the learning rate of something that learns below the head, but here the head learns alone; "
            "set its own (--set head_learning_rate=…)."
        )
    method = config.kind_at(data, path.split(".")[:-1]) if name in OF_LAYER else None
    if method is not None and name not in method_class(method).model_fields:
        raise ConfigError(f"{flag} must set a field of the method, but {method} has no {name}; leave it out.")


def _fresh(config: type[Config], data: Mapping[str, Any]) -> str | None:
    """The path of the method of the one fresh layer; None: there is none, or more than one."""
    if METHOD in config.model_fields:
        return METHOD
    if "stack" not in config.model_fields:
        return None
    places = [place for place, kind in enumerate(_layers(config, data)) if kind == "fresh"]
    return f"stack.layers.{places[0]}.{METHOD}" if len(places) == 1 else None


def _layers(config: type[Config], data: Mapping[str, Any]) -> list[str]:
    """`fresh`, `frozen`, `trainable` or `merged`, of each layer of a stack."""
    usual = config.model_fields["stack"].default.model_dump()
    layers = value_at(data if "stack" in data else {"stack": usual}, "stack.layers") or ()
    return [value_at(layer, "kind") for layer in layers]


def _path(assignment: str) -> str:
    return assignment.partition("=")[0].strip()
