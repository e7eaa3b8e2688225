"""Rehearsal: one batch goes through a model that has shapes and no numbers, and what it would cost is counted.

    config.json ─▶ body on the meta device ─(stack, head)─▶ fake tensors ─▶ forward, backward ─▶ flops, bytes

Fake tensors (PyTorch's own, as its compiler uses them) know shape, type and device of every intermediate result and
allocate none. So a model of any size is rehearsed, and no family needs a formula of its own. An operation takes some
tenths of a millisecond to follow; where blocks are alike, two shallow models show what each further block costs.
"""

import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from chartune.models.anatomy import NoNumbers
from chartune.planning.depth import like_blocks

SHALLOW: Final = 2
"""Blocks of the shallower model; the other has one more. Of a single block the peak is another: it is the first and the
last at once (the peak of 6 blocks from 1 and 2 was up to 16 % too high)."""


@dataclass(frozen=True)
class Rehearsed:
    """What one batch would cost."""

    flops: int
    """Floating-point operations of all matrix products; a multiplication with its addition counts as two."""
    peak_bytes: int
    """Most bytes alive at once beside the weights: activations, gradients, temporary results."""
    written_bytes: int
    """Bytes of all results that were written: what element-wise work costs goes with it."""
    operations: int
    """How many operations there were: each costs a little, whatever its size."""

    def deepened(self, deeper: "Rehearsed", blocks: int) -> "Rehearsed":
        """With so many further blocks, each of which costs what one has added to `deeper`."""
        own, deep = asdict(self), asdict(deeper)
        return Rehearsed(**{count: own[count] + blocks * (deep[count] - own[count]) for count in own})


@dataclass(frozen=True)
class Rehearsals:
    """What the batches of a stage would cost."""

    training: Rehearsed | None
    """A micro-batch, forward and backward; None where only a head learns."""
    training_tokens: int
    """Of that micro-batch."""
    reading: Rehearsed
    """A batch that is read without gradients."""
    reading_tokens: int
    """Of that batch."""

    @property
    def peak_bytes(self) -> int:
        """Of the more demanding of the two."""
        return max(self.reading.peak_bytes, self.training.peak_bytes if self.training else 0)


def rehearse(module: nn.Module, device: str, run: Callable[[], Tensor], *, backward: bool) -> Rehearsed:
    """Count what a batch costs.

    Of many like blocks only the first few are run, and the others counted as those: exact but for the peak, which is
    that of all blocks within a tenth.

    Args:
        module: on the meta device; its parameters and buffers are replaced by fake ones of the same types.
        device: where it would run.
        run: puts a batch, made by itself, through the module, and returns a loss.
        backward: also go backward.
    """
    blocks = like_blocks(module)
    if blocks is None or len(blocks) <= SHALLOW + 1:
        return _counted(module, device, run, backward)
    with blocks.first(SHALLOW):
        shallow = _counted(module, device, run, backward)
    with blocks.first(SHALLOW + 1):
        deeper = _counted(module, device, run, backward)
    return shallow.deepened(deeper, len(blocks) - SHALLOW)


def _counted(module: nn.Module, device: str, run: Callable[[], Tensor], backward: bool) -> Rehearsed:
    with FakeTensorMode():
        _fake(module, device)
        alive = _Alive({id(t.untyped_storage()) for t in (*module.parameters(), *module.buffers())})
        with alive, torch.set_grad_enabled(backward):
            loss = run()
            if backward:
                torch.autograd.backward(loss)
    return Rehearsed(alive.flops, alive.peak, alive.written, alive.operations)


class _Alive(NoNumbers):
    """Follows which results are alive."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = self.written = self.operations = self.flops = 0
        self._known: set[int] = set(weights)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        self.operations += 1
        counted = flop_registry.get(func._overloadpacket)
        if counted is not None:
            self.flops += int(counted(*args, **(kwargs or {}), out_val=out))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._meet(tensor.untyped_storage())
        return out

    def _meet(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.written += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _fake(module: nn.Module, device: str) -> None:
    """Replace parameters and buffers by fake tensors of the same shapes and types; ties between modules stay."""
    made: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, p in part._parameters.items():
            if p is not None:
                empty = torch.empty(p.shape, dtype=p.dtype, device=device)
                part._parameters[name] = made.setdefault(id(p), nn.Parameter(empty, requires_grad=p.requires_grad))
        for name, b in part._buffers.items():
            if b is not None:
                part._buffers[name] = torch.empty(b.shape, dtype=b.dtype, device=device)
