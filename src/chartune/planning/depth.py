"""Depth: a model's like blocks, and the same model with only the first few of them.

body of 30 like blocks ─▶ cost with 2, and of the second alone ─▶ cost with 2 + 28 · the second's
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from torch import nn

PLAIN: Final = (bool, int, float, str, type(None))
"""Types of the attributes that tell blocks apart, such as the kind and the window of attention."""


@dataclass(frozen=True)
class Blocks:
    """A list of blocks that are alike."""

    model: nn.Module
    """The model that has them."""
    name: str
    """What it calls them."""

    def __len__(self) -> int:
        return len(self._list)

    @property
    def _list(self) -> nn.ModuleList:
        return self.model.get_submodule(self.name)  # type: ignore[return-value]

    def share(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether every block has the same of some tensors, whose shapes are given by their names in the model."""
        inside: defaultdict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
        for name, shape in shapes.items():
            if name.startswith(f"{self.name}."):
                place, _, rest = name.removeprefix(f"{self.name}.").partition(".")
                inside[place][rest] = shape
        blocks = list(inside.values())
        return not blocks or (len(blocks) == len(self) and all(block == blocks[0] for block in blocks))

    @contextmanager
    def first(self, depth: int) -> Iterator[list[nn.Module]]:
        """Meanwhile the model has no more than the first blocks, which are given."""
        every = self._list
        few = list(every)[:depth]
        self.model.set_submodule(self.name, nn.ModuleList(few))
        try:
            yield few
        finally:
            self.model.set_submodule(self.name, every)


def like_blocks(module: nn.Module) -> Blocks | None:
    """The one list of blocks of a model; None where there are several, or where its blocks differ in what they cost."""
    lists = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    if len(outer) != 1:
        return None
    blocks = Blocks(module, outer[0])
    first, *others = blocks._list
    return blocks if all(_alike(first, other, place) for place, other in enumerate(others, 1)) else None


def _alike(first: nn.Module, other: nn.Module, place: int) -> bool:
    """Whether a block has the parts, shapes and settings of the first; that it knows its own place is no difference."""
    expected, outline = _outline(first), _outline(other)
    return expected.keys() == outline.keys() and all(
        value == outline[key] or (value == 0 and outline[key] == place) for key, value in expected.items()
    )


def _outline(block: nn.Module) -> dict[tuple[str, str], Any]:
    """By part and name: types of modules, shapes of tensors, plain attributes."""
    outline: dict[tuple[str, str], Any] = {}
    for name, part in block.named_modules():
        outline[name, ""] = type(part)
        outline |= {(name, key): value for key, value in vars(part).items() if isinstance(value, PLAIN)}
    for name, tensor in (*block.named_parameters(), *block.named_buffers()):
        outline[name, ""] = (tensor.shape, tensor.dtype, tensor.requires_grad)
    return outline
