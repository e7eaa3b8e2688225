"""Config: a frozen, closed, typed value that says what is to be done; YAML is its shadow.

A field that only says *where* or *how fast* (paths, workers, micro-batch) is marked `Unhashed`: it does not change
the answer, so it stays out of the fingerprint.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from chartune.config_errors import problems, short
from chartune.config_fields import held_by, kind_of
from chartune.errors import ConfigError
from chartune.mapping import KIND, KindAt, merged, of_one_kind, put, value_at
from chartune.writing import write_bytes
from chartune.yaml_text import MOST_BYTES, plain


class Unhashed:
    """Marks a field (`Annotated[Path, Unhashed()]`) that does not change the answer and stays out of fingerprints."""


class Added:
    """Marks a field that came when runs had been made: at its default it stays out of fingerprints; they are found."""


class Config(BaseModel):
    """A choice, written down completely. Frozen; unknown fields are refused; defaults live at their field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_partial(cls, data: Any) -> Any:
        """A mapping that names some fields of a nested config keeps the others at *this* field's default."""
        if not isinstance(data, dict):
            return data
        _must_not_count_truth(cls, data)
        return _filled(cls, data)

    @model_validator(mode="after")
    def _must_be_storable(self) -> Self:
        """A whole number beyond 64 bits fits no table, no seed and no tensor."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(
                    f"`{name}` must be a whole number of 64 bits (below 9.2e18 in size), got {short(value)}"
                )
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any], place: str = "") -> Self:
        """The config that plain `data` describes.

        Args:
            data: field name → value, nested as in YAML.
            place: where the data comes from, named in errors.

        Raises:
            ConfigError: a field is unknown, missing or out of range; the message names its path and the nearest name.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(problems(error, cls, place)) from None

    @classmethod
    def read(cls, path: Path | str, overrides: Sequence[str] = ()) -> Self:
        """The config in a YAML file, with overrides such as `method.rank=16` applied.

        Raises:
            ConfigError: the file is missing, is not YAML, or does not describe this config.
        """
        data = read_yaml(path)
        return cls.parse(override(data, overrides, lambda at: cls.kind_at(data, at)), place=str(path))

    @classmethod
    def kind_at(cls, data: Mapping[str, Any], path: Sequence[str]) -> Any:
        """The `kind` of the mapping that a path leads to, by the defaults where `data` does not say it; None: none.

        Args:
            data: a config as plain data, which may lack fields.
            path: field names, and places in lists.
        """
        return _kind_at([cls], None, data, path)

    def write(self, path: Path | str) -> None:
        """Write every field, defaults filled in, as YAML."""
        write_bytes(Path(path), self.to_yaml().encode())

    def to_yaml(self) -> str:
        """Every field as YAML; `parse(yaml.safe_load(c.to_yaml())) == c`."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def hashable(self) -> dict[str, Any]:
        """The fields that change the answer, as plain JSON; those marked `Unhashed` are left out at every depth."""
        values = {name: (field, getattr(self, name)) for name, field in type(self).model_fields.items()}
        return {name: _hashable(value) for name, (field, value) in values.items() if _counts(field, value)}


def fingerprint(kind: str, revision: int, parts: Mapping[str, Any]) -> str:
    """A name for an artefact: 16 hexadecimal digits of the SHA-256 of what determines it.

    Args:
        kind: the kind of artefact, such as `finetune`.
        revision: raised by hand when a bug fix changes what that kind of artefact holds.
        parts: whatever else determines it: the config's `hashable()`, hashes of inputs, resolved numerics.
    """
    canonical = json.dumps({"kind": kind, "revision": revision, **parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A YAML mapping from a file; tags that would build Python objects are refused.

    Raises:
        ConfigError: the file is missing, is not UTF-8, is not YAML, holds no mapping, or more than a config can.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode()
    except FileNotFoundError:
        raise ConfigError(f"a config file must exist, but {path} does not; give the path of a YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a config file must be readable UTF-8 text, but {path} is not ({type(error).__name__})."
        ) from None
    data = plain(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a YAML mapping (`name: value` lines), but got {type(data).__name__}.")
    return data


def override(data: dict[str, Any], overrides: Sequence[str], kind_at: KindAt = lambda path: None) -> dict[str, Any]:
    """`data` with assignments such as `stack.layers.0.method.rank=16`; a new `kind` drops its siblings, and goes first.

    Args:
        data: a config as plain data.
        overrides: `path=value`, the value as YAML.
        kind_at: the kind of mappings that do not say it (`Config.kind_at`).

    Raises:
        ConfigError: an override is not of the form `path=value`, or its path runs through a plain value.
    """
    result = json.loads(json.dumps(data, default=str))
    try:
        put(result, [_assignment(assignment) for assignment in overrides], kind_at)
    except ValueError as error:
        raise ConfigError(f"an override must lead to a field, but {error}.") from None
    return result  # type: ignore[no-any-return]


def _assignment(text: str) -> tuple[str, Any]:
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise ConfigError(f"an override must read `path=value`, but got {text!r}; for example `method.rank=16`.")
    return path, plain(value, f"the value of {short(text)}")


def _must_not_count_truth(model: type[BaseModel], data: dict[str, Any]) -> None:
    """Refuse a truth value where a number is asked: it would become 1 or 0 without a word."""
    for name, field in model.model_fields.items():
        if not _holds_truth(data.get(name)):
            continue
        types = _leaves(field.annotation)
        if bool not in types and (int in types or float in types):
            raise ValueError(
                f"`{name}` must be a number, but is a truth value, as which YAML reads yes, no, on and off"
            )


def _leaves(annotation: Any) -> list[Any]:
    """The types that an annotation is made of."""
    inner = get_args(annotation)
    return [leaf for part in inner for leaf in _leaves(part)] if inner else [annotation]


def _holds_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(_holds_truth(item) for item in value))


def _filled(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """`data` with every partial mapping completed from the default value that stands at its field."""
    full = dict(data)
    for name, field in model.model_fields.items():
        default, given = field.default, data.get(name)
        if isinstance(default, BaseModel) and isinstance(given, dict):
            below = default.model_dump()
            full[name] = merged(below, given) if of_one_kind(below, given) else given
    return full


def _kind_at(models: Sequence[type[BaseModel]], default: Any, data: Any, path: Sequence[str]) -> Any:
    """`Config.kind_at` below a place that holds one of `models`, by default `default`."""
    if path and path[0].isdecimal():
        return _kind_at(models, value_at(default, path[0]), value_at(data, path[0]), path[1:])
    kind = value_at(data, KIND)
    known = [model for model in models if kind is not None and kind_of(model) == kind]
    usual = [type(default)] if isinstance(default, BaseModel) and kind is None else models if len(models) == 1 else []
    member = next(iter([*known, *usual]), None)
    if not path or member is None:
        return kind if member is None else kind_of(member)
    field = member.model_fields.get(path[0])
    if field is None:
        return None
    below = getattr(default, path[0]) if type(default) is member else field.default
    return _kind_at(held_by(field), below, value_at(data, path[0]), path[1:])


def _counts(field: FieldInfo, value: Any) -> bool:
    marks = {type(mark) for mark in field.metadata}
    return Unhashed not in marks and not (Added in marks and value == field.default)


def _hashable(value: Any) -> Any:
    if isinstance(value, Config):
        return value.hashable()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_hashable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _hashable(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value
