"""Placing: what is checked and filled in where a layer is put into a body.

text ─tokenizer─▶ ids at which a fresh layer begins        file of a trained adapter ─names, shapes─▶ its layer
"""

from collections.abc import Callable, Sequence
from typing import Final

from torch import Tensor, nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.fit import must_equal
from chartune.adapters.method import Method
from chartune.errors import AdapterError

Tokenise = Callable[[str], Sequence[int]]
"""A text → the ids of its tokens, without special ones."""

KEEP: Final = "keep it as a layer of its own (`kind: frozen`)"
"""The remedy where a layer of a stack cannot be merged."""


def must_merge(methods: Sequence[Method], remedy: str = "keep it as an adapter (leave --merged out)") -> None:
    """Refuse layers that cannot become a part of the body's weights. Raises AdapterError: one cannot, and why."""
    for method in methods:
        if method.unmergeable:
            raise AdapterError(
                f"a layer that is merged must be a change of the base's weights, but {method.title()} is none: "
                f"{method.unmergeable}; {remedy}."
            )


def must_compose(method: Method, below: Sequence[Method]) -> None:
    """Refuse a layer that cannot stand above others. Raises AdapterError: it cannot, and why."""
    for other in below:
        if why := method.composes_with(other):
            raise AdapterError(f"{method.title()} cannot stand above {other.title()} in a stack: {why}.")


def first_ids(method: Method, tokenise: Tokenise | None) -> Sequence[int]:
    """The tokens at which a layer starts; none where it starts at no text. Raises AdapterError: its text has none."""
    if not method.start_text:
        return ()
    if tokenise is None:
        raise AssertionError("a layer that starts at a text needs a tokenizer")
    ids = tokenise(method.start_text)
    if not ids:
        raise AdapterError(
            f"the text at which a {method.title()} starts must have tokens, but {ascii(method.start_text)[:60]} has "
            f"none; give another one, or `start: vocabulary`."
        )
    return ids


def fill(body: nn.Module, method: Method, name: str, adapter: Adapter, tensors: dict[str, Tensor]) -> None:
    """Put a trained adapter's weights into its layer. Raises AdapterError: they do not fit."""
    expected = method.state(body, name)
    needed, held = ({key: tuple(tensor.shape) for key, tensor in side.items()} for side in (expected, tensors))
    must_equal(needed, held, f"{adapter.folder}, an adapter of {adapter.base},")
    method.restore(body, name, tensors)
