"""Whether an adapter's tensors are those that a body would get: by names and shapes, before anything is loaded."""

from collections.abc import Mapping
from functools import lru_cache

from torch import nn
from transformers import AutoModel

from chartune.errors import AdapterError
from chartune.models.architecture import shape_in, skeleton
from chartune.models.families import Family
from chartune.models.local import LocalBackbone, ModelFile

Shapes = Mapping[str, tuple[int, ...]]
"""Of tensors by peft's names."""


def body_of(backbone: LocalBackbone) -> nn.Module:
    """The headless body of a base model without memory."""
    return _body(backbone.files[0], backbone.family)


@lru_cache(maxsize=8)
def _body(config: ModelFile, family: Family) -> nn.Module:
    body: nn.Module = skeleton(shape_in(config, family), AutoModel, config.path, **family.parts(language_model=False))
    return body


def must_equal(expected: Shapes, given: Shapes, whose: str) -> None:
    """Refuse tensors that are not just those that are expected.

    Raises:
        AdapterError: a name is on one side only, or a shape differs.
    """
    for key in sorted(expected.keys() | given.keys()):
        needed, held = expected.get(key), given.get(key)
        if needed != held:
            raise AdapterError(
                f"an adapter's weights must fit the base model, but {whose} has {key} {_shaped(held)} where this base "
                f"needs {_shaped(needed)}; name its own base with --base."
            )


def _shaped(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else f"of shape {list(shape)}"
