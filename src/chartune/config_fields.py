"""The fields of a config as paths: what each takes, what it holds by default, and the sentence that says what it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chartune.kinds import Kinds

_CALLED: Final = {
    bool: "true | false", int: "whole number", float: "number", str: "text", Path: "path", NoneType: "null",
}  # fmt: skip
REQUIRED: Final = "(must be given)"


@dataclass(frozen=True)
class Settable:
    """A path that an assignment may lead to."""

    path: str
    """Field names and places in lists, joined by dots."""
    takes: str
    """What it takes, in a word or as the values themselves."""
    default: str
    """As YAML writes it; `REQUIRED` where there is none."""
    about: str
    """The first sentence of its docstring."""
    where: str = ""
    """The kinds of the mappings on the way that have this field: `fresh lora`; empty: it is there whatever the kind."""


def settable(model: type[BaseModel], without: Sequence[str] = ()) -> list[Settable]:
    """Every path of a config that leads to a plain value, in the order of its fields.

    Args:
        model: the config.
        without: fields of its own that are left out.
    """
    rows: dict[Settable, list[str]] = {}
    for row in _below(model, None, (), "", without):
        rows.setdefault(replace(row, where=""), []).append(row.where)
    return [replace(row, where=", ".join(wheres)) for row, wheres in rows.items()]


def held_by(field: FieldInfo) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    return _of_catalog(field.metadata) or _models(field.annotation)


def kind_of(model: type[BaseModel]) -> Any:
    """The `kind` of a config by default; None: it has none."""
    field = model.model_fields.get("kind")
    return field.default if field else None


def sentence(text: str) -> str:
    """The first sentence of a docstring, in one line."""
    return re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def _below(
    model: type[BaseModel], default: Any, at: tuple[str, ...], where: str, without: Sequence[str] = ()
) -> Iterator[Settable]:
    """The paths below a place that holds a model; `default`: what it holds there unless something is said."""
    for name, field in model.model_fields.items():
        if name in without or name == "kind":
            continue
        usual = getattr(default, name, None) if type(default) is model else _default(field)
        yield from _of_field(field, usual, (*at, name), where)


def _of_field(field: FieldInfo, usual: Any, path: tuple[str, ...], where: str) -> Iterator[Settable]:
    about, members = sentence(field.description or ""), held_by(field)
    if not members or _plain_too(field.annotation):
        yield Settable(".".join(path), takes(field.annotation, members), _written(usual), about, where)
    if _is_list(field.annotation):
        path, usual = (*path, "0"), next(iter(usual if isinstance(usual, tuple | list) else ()), None)
    if len(members) > 1:
        kinds = [str(kind_of(member)) for member in members]
        yield Settable(
            ".".join((*path, "kind")), " | ".join(kinds), str(getattr(usual, "kind", REQUIRED)), about, where
        )
    for member in members:
        inner = " ".join(filter(None, (where, str(kind_of(member))))) if len(members) > 1 else where
        yield from _below(member, usual, path, inner)


def takes(annotation: Any, members: Sequence[type[BaseModel]] = ()) -> str:
    """What an annotation lets through, for people: `whole number`, `attention | all-linear | list of text`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return takes(inner[0], members)
    if origin is Literal:
        return " | ".join(value if str(value).strip() else repr(value) for value in map(str, inner))
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(takes(part, members) for part in inner))
    if origin in (tuple, list):
        return f"list of {takes(inner[0], members)}" if inner else "list"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(item.value) for item in annotation)
    return _CALLED.get(annotation, "mapping" if members or origin is dict else getattr(annotation, "__name__", "value"))


def _plain_too(annotation: Any) -> bool:
    """Whether a field that holds models may also hold nothing, or a list of them."""
    return NoneType in get_args(annotation) or _is_list(annotation)


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_list(get_args(annotation)[0])
    return get_origin(annotation) in (tuple, list)


def _default(field: FieldInfo) -> Any:
    if field.default_factory_takes_validated_data:
        return field.get_default()
    return field.get_default(call_default_factory=True)


def _written(value: Any) -> str:
    if value is PydanticUndefined:
        return REQUIRED
    if isinstance(value, BaseModel):
        return str(kind_of(type(value)) or "{…}")
    if isinstance(value, tuple | list):
        return f"[{', '.join(_written(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value) or "''"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    inner = get_args(annotation)
    return _of_catalog(inner) or [model for argument in inner for model in _models(argument)]


def _of_catalog(marks: Sequence[Any]) -> list[type[BaseModel]]:
    return next((mark.classes() for mark in marks if isinstance(mark, Kinds)), [])
