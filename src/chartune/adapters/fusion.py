"""Fusion: what a stack asks of trained adapters before its layers are put in.

W ─fp32─▶ W + ΔW ─rounded, frozen─▶ body ─attach─▶ body with the other layers        merge-then-fresh
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.stack import MERGED, Frozen, Merged, Stack, attach


def merging(stack: Stack, adapters: Sequence[Adapter | None]) -> Callable[[nn.Module], None] | None:
    """What makes the merged layers of a stack a part of a body's weights, which must be fp32; None: it has none.

    Args:
        stack: its lowest layers are merged, or none.
        adapters: for each layer the trained adapter, or None.
    """
    below = [adapter for adapter in adapters[: stack.merged] if adapter]
    return partial(_merge, below) if below else None


def _merge(adapters: Sequence[Adapter], body: nn.Module) -> None:
    layers = tuple(Frozen(adapter=str(adapter.folder)) for adapter in adapters)
    attach(Stack(layers=layers), body, adapters, seed=0).merge()


def kept_stack(adapters: Sequence[Adapter | None]) -> Stack:
    """The stack of a finished run: its layers as it keeps them, those that were merged again merged, none learning."""
    return Stack(layers=tuple(_still(adapter) for adapter in adapters if adapter))


def _still(adapter: Adapter) -> Merged | Frozen:
    return (Merged if adapter.state == MERGED else Frozen)(adapter=str(adapter.folder))
