"""Kinds: a field that holds one of several configs, distinguished by `kind` and looked up in a catalog on parsing.

A discriminated union names its members when it is written; here a catalog names them, and a new line of it is enough.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


def class_at(place: str) -> Any:
    """The class that a line of a catalog names, imported.

    Args:
        place: `package.module:Class`.
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


class Kinds:
    """Marks a field (`Annotated[SerializeAsAny[Method], Kinds(METHODS, method_class)]`)."""

    def __init__(
        self,
        catalog: Mapping[str, object],
        load: Callable[[str], type[BaseModel]],
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.catalog, self.load, self.refused = catalog, load, refused

    def classes(self) -> list[type[BaseModel]]:
        """All that it may be."""
        return [self.load(kind) for kind in self.catalog]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._parsed, handler(source))

    def _parsed(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "kind" not in value:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        kind = value["kind"]
        if isinstance(kind, str) and kind in self.refused:
            raise ValueError(f"`{kind}` is known and not taken: {self.refused[kind]}; choose another kind")
        if not isinstance(kind, str) or kind not in self.catalog:
            known = ", ".join(f"'{known}'" for known in self.catalog)
            raise PydanticKnownError(
                "union_tag_invalid", {"discriminator": "'kind'", "tag": str(kind), "expected_tags": known}
            )
        return self.load(kind).model_validate(value)
