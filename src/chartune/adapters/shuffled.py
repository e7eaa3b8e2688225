"""Shuffled: a trained adapter whose blocks have changed places, as a control: its numbers where they did not learn.

block 0, 1, 2 … of equal names and shapes ─one cycle, by seed─▶ block 2, 0, 1 …        none stays in its place
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from torch import Tensor

from chartune.adapters.adapter import Adapter
from chartune.errors import AdapterError

_BLOCK: Final = re.compile(r"^(.*?\.)(\d+)(\..+)$")
"""A name with the number of its block: `base_model.model.layers.`, `3`, `.self_attn.q_proj.lora_A.weight`."""
Names = dict[str, str]
"""Of the weights of one block: how a name ends → the name."""


def weights_of(layer: object, adapter: Adapter) -> dict[str, Tensor]:
    """The weights of a trained layer of a stack, by the names in its file.

    Raises:
        AdapterError: the file is damaged, or the layer is to be shuffled and no two of its blocks are alike.
    """
    tensors, seed = adapter.tensors(), getattr(layer, "shuffled", None)
    return tensors if seed is None else shuffled(tensors, seed, str(adapter.folder))


def shuffled(weights: Mapping[str, Tensor], seed: int, whose: str) -> dict[str, Tensor]:
    """The weights of an adapter, each block's in the place of another block of equal names and shapes.

    What belongs to one matrix (A and B) stays together; what stands in no block, or in one like no other, stays.

    Args:
        weights: by the names in its file.
        seed: decides on the cycle.
        whose: how a message calls it.

    Raises:
        AdapterError: no two blocks are alike.
    """
    groups = [group for group in _alike(weights) if len(group) > 1]
    if not groups:
        raise AdapterError(
            f"a layer that is shuffled must have weights in two or more blocks of equal shapes, but {whose} has not; "
            f"leave `shuffled` out, or take a layer beside matrices, such as LoRA."
        )
    dice, moved = random.Random(seed), dict(weights)
    for group in groups:
        for place, source in zip(group, _one_cycle(group, dice), strict=True):
            moved |= {name: weights[source[end]] for end, name in place.items()}
    return moved


def _alike(weights: Mapping[str, Tensor]) -> Iterable[list[Names]]:
    """The blocks of an adapter, in groups of equal names and shapes, the lowest block first."""
    blocks: dict[tuple[str, int], Names] = defaultdict(dict)
    for match in filter(None, map(_BLOCK.match, sorted(weights))):
        blocks[match[1], int(match[2])][match[3]] = match[0]
    groups: dict[object, list[Names]] = defaultdict(list)
    for (before, _), names in sorted(blocks.items()):
        groups[before, tuple((end, weights[name].shape) for end, name in names.items())].append(names)
    return groups.values()


def _one_cycle(group: list[Names], dice: random.Random) -> list[Names]:
    """A permutation that is one cycle (Sattolo, 1986): of two or more none stays."""
    order = list(group)
    for last in range(len(order) - 1, 0, -1):
        other = dice.randrange(last)
        order[last], order[other] = order[other], order[last]
    return order
