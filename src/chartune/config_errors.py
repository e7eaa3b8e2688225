"""Messages for a config that does not parse: each problem by its path, the rule, the value, and the nearest name."""

import difflib
import re
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chartune.config_fields import held_by, kind_of, settable

_UNKNOWN: Final = "extra_forbidden"
_ELSEWHERE: Final = {
    "optimisation.duration": ("epoch", "epochs", "n_epochs", "num_epochs", "num_train_epochs", "steps", "max_steps"),
    "optimisation.learning_rate": ("lr",), "optimisation.schedule": ("lr_scheduler_type",),
    "optimisation.weight_decay": ("wd",), "optimisation.warmup_fraction": ("warmup", "warmup_ratio"),
    "optimisation.max_grad_norm": ("clip", "grad_clip", "gradient_clipping"),
    "optimisation.batch_size": ("batch", "bs", "per_device_train_batch_size"),
    "stopping.evaluations_per_epoch": ("eval_steps", "eval_strategy"), "numerics.precision": ("bf16", "fp16", "dtype"),
    "numerics.quantisation": ("load_in_4bit", "load_in_8bit", "quantization", "quantization_config"),
    "backbone.name": ("base", "model", "base_model", "model_name_or_path"), "max_seq_len": ("max_length", "maxlen"),
}  # fmt: skip
"""Path → what the same is called in other libraries, too unlike it to be found by its letters."""


def problems(error: ValidationError, model: type[BaseModel], place: str) -> str:
    """The first problems of a pydantic error as `path: rule, got value. Did you mean …?` lines."""
    lines = []
    for problem in error.errors(include_url=False)[:5]:
        path = ".".join(_walked(model, problem["loc"])[0]) or "the config"
        if problem["type"] == _UNKNOWN:
            name = str(problem["loc"][-1])
            # Those that have it are not the one that was meant: its kind is not in the path of every problem.
            near = _nearest(name, [m for m in _at(model, problem["loc"][:-1]) if name not in m.model_fields])
            hint = f" Did you mean `{near}`?" if near else ""
            lines.append(f"{path}: not a field, got {short(problem['input'])}.{hint}")
        else:
            lines.append(f"{path}: {_rule(problem, model)}.")
    return "\n".join(
        [f"{place} must describe a {model.__name__}, but:" if place else f"not a {model.__name__}:", *lines]
    )


def _rule(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """What a field must be and what it is; a config as a whole is not repeated, its validator says what is wrong."""
    given, message = problem["input"], problem["msg"].removeprefix("Value error, ").removesuffix(".")
    match problem["type"]:
        case "union_tag_invalid":
            known = str(problem["ctx"]["expected_tags"]).replace("'", "")
            return f"`kind` must be one of {known}, but got {short(problem['ctx']['tag'])}"
        case "union_tag_not_found":
            known = ", ".join(str(kind) for candidate in _at(model, problem["loc"]) if (kind := kind_of(candidate)))
            return f"`kind` must be given, one of {known}" if known else "`kind` must be given"
        case "missing":
            return f"must be given{_described(problem, model)}"
        case "value_error" if isinstance(given, (dict, BaseModel)):
            return message
        case "string_type" | "literal_error" | "enum" if isinstance(given, bool | int | float | date):
            return f"{message}, got {short(given)}; put a text that looks like one of these in quotes"
        case _:
            return f"{message}, got {short(given)}"


def _described(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """What the field that a problem is about holds, as its docstring says."""
    name, fields = str(problem["loc"][-1]), _at(model, problem["loc"][:-1])
    known = next((c.model_fields[name].description for c in fields if name in c.model_fields), None)
    return f": {known.rstrip('.')}" if known else ""


def short(value: Any) -> str:
    """A value as Python writes it, cut at 60 characters; of an address, which may hold a password, only the scheme."""
    try:
        text = re.sub(r"(?<=://)[^'\"\s]+", "...", repr(value))
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(name: str, models: Sequence[type[BaseModel]]) -> str | None:
    """The field of these models that a name is like, or else one further down, by its path; None: it is like none."""
    own = sorted({known for candidate in models for known in candidate.model_fields})
    meant = next((path for path, names in _ELSEWHERE.items() if name in names and path.split(".")[0] in own), None)
    if meant:
        return meant
    if near := difflib.get_close_matches(name, own, n=1):
        return near[0]
    paths = {one.path.rpartition(".")[2]: one.path for candidate in models for one in reversed(settable(candidate))}
    below = difflib.get_close_matches(name, sorted(paths), n=1)
    return paths[below[0]] if below else None


def _at(model: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that a path may lead to."""
    return _walked(model, path)[1]


def _walked(model: type[BaseModel], path: Sequence[str | int]) -> tuple[list[str], list[type[BaseModel]]]:
    """The path as people type it, and the models that it may lead to.

    After a field that holds one of several models pydantic puts a step of its own in: which of them it took.
    """
    typed: list[str] = []
    models, may_be_member = [model], False
    for step in path:
        members = [m for m in models if step in (m.__name__, kind_of(m))]
        if may_be_member and members:
            models, may_be_member = members, False
            continue
        typed.append(str(step))
        inner = [m for c in models if step in c.model_fields for m in held_by(c.model_fields[str(step)])]
        if inner:
            models, may_be_member = inner, True
    return typed, models
