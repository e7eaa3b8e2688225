"""Rehearsal: one batch goes through a model that has shapes and no numbers, and what it would cost is counted.

    config.json ─▶ body on the meta device ─(stack, head)─▶ fake tensors ─▶ forward, backward ─▶ flops, bytes

Fake tensors (PyTorch's own, as its compiler uses them) know shape, type and device of every intermediate result and
allocate none. So a model of any size is rehearsed, and no family needs a formula of its own. An operation takes some
tenths of a millisecond to follow; where blocks are alike, the model has only two, and the second shows what each
further one costs: it has one below itself, as all others have.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from chartune.models.fused_encoder import FusedEncoder
from chartune.models.numberless import NoNumbers

Run = Callable[..., Tensor]
"""A batch, and its loss; of what reads for the body, if it is given."""
Ready = Callable[[], AbstractContextManager[Any]]
"""Makes what reads for the body; None: the body itself."""
_ATEN: Final = torch.ops.aten
FLOPS: Final = flop_registry | {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: flop_registry[_ATEN._scaled_dot_product_flash_attention],
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        _ATEN._scaled_dot_product_flash_attention_backward
    ],
}
"""Operation → its floating-point operations; of PyTorch's fused attention on a processor, too, which it leaves out."""
ATTENTION: Final = frozenset(operation for operation in FLOPS if "scaled_dot_product" in str(operation))
"""Those that are fused attention: a processor does them at a rate far below that of matrix products."""


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
    squared_bytes: int
    """Sum of the squares of the sizes of those results."""
    attention_flops: int = 0
    """Of `flops` those of fused attention."""

    @property
    def result_bytes(self) -> int:
        """Size of a result, in the mean over what was written: whether it stays in a cache decides what it costs."""
        return self.squared_bytes // max(1, self.written_bytes)

    def of_more_rows(self, times: float) -> "Rehearsed":
        """Of a batch with so many times the rows: all in proportion, but as many operations."""
        flops, peak, written, attention = (
            round(times * size) for size in (self.flops, self.peak_bytes, self.written_bytes, self.attention_flops)
        )
        return Rehearsed(flops, peak, written, self.operations, round(times**2 * self.squared_bytes), attention)

    def deepened(self, block: "Rehearsed", blocks: int) -> "Rehearsed":
        """With so many further blocks, each of which costs as much as `block`."""
        own, more = asdict(self), asdict(block)
        return Rehearsed(**{count: own[count] + blocks * more[count] for count in own})


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

    def in_micro_batches_of(self, tokens: int) -> "Rehearsals":
        """With a micro-batch of so many tokens, where the body learns."""
        if self.training is None:
            return self
        return replace(self, training=self.training.of_more_rows(tokens / self.training_tokens), training_tokens=tokens)

    @property
    def result_bytes(self) -> int:
        """Size of a result in training, or in reading where the body does not learn."""
        return (self.training or self.reading).result_bytes

    @property
    def peak_bytes(self) -> int:
        """Memory of reading or of training, whichever takes more."""
        return max(self.reading.peak_bytes, self.training.peak_bytes if self.training else 0)


@dataclass(frozen=True)
class Missing:
    """Blocks that a model would have, but for its rehearsal has not."""

    like: nn.Module
    """The last one that it has: each of the others costs as much."""
    count: int
    """How many there are."""


def rehearse(
    module: nn.Module, missing: Missing | None, device: str, run: Run, *, backward: bool, ready: Ready = nullcontext
) -> Rehearsed:
    """Count what a batch costs.

    With missing blocks it is what it would be with all.

    Args:
        module: on the meta device; its parameters and buffers are replaced by fake ones of the same types.
        missing: blocks to be counted, too.
        device: where it would run.
        run: puts a batch, made by itself, through what `ready` yields, and returns a loss.
        backward: also go backward.
        ready: makes the module ready for many batches, which is not counted.
    """
    counted, block = _counted(module, device, run, backward, missing.like if missing else None, ready)
    return counted.deepened(block, missing.count) if missing else counted


def _counted(
    module: nn.Module, device: str, run: Run, backward: bool, block: nn.Module | None, ready: Ready
) -> tuple[Rehearsed, Rehearsed]:
    """What a batch costs, and what of it a block does; its peak is what it leaves alive for the way back."""
    with FakeTensorMode():
        _fake(module, device)
        alive = _Alive({id(t.untyped_storage()) for t in (*module.parameters(), *module.buffers())})
        span = _Span(alive)
        with alive, torch.set_grad_enabled(backward), ready() as body:
            alive.begin()
            with span.around(body.acting_as(block) if isinstance(body, FusedEncoder) and block else block):
                loss = run(body)
            if backward:
                torch.autograd.backward(loss)
    return alive.counted(alive.peak), span.cost()


class _Span:
    """What is counted between a block's input and its output, and on the way back between their gradients."""

    def __init__(self, alive: "_Alive") -> None:
        self._alive = alive
        self._marks: dict[str, Rehearsed] = {}

    @contextmanager
    def around(self, block: nn.Module | None) -> Iterator[None]:
        """While it lasts the block is observed."""
        if block is None:
            yield
            return
        hooks = (
            block.register_forward_pre_hook(self._enter, with_kwargs=True),
            block.register_forward_hook(self._leave),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def cost(self) -> Rehearsed:
        """What one block costs, forward and backward."""
        marks = self._marks
        if "in" not in marks:
            return Rehearsed(0, 0, 0, 0, 0)
        forward = marks["out"].deepened(marks["in"], -1)
        whole = forward.deepened(marks["in back"], 1).deepened(marks["out back"], -1) if "in back" in marks else forward
        return replace(whole, peak_bytes=max(0, forward.peak_bytes))

    def _enter(self, _: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = self._hidden((*given, *named.values()))
        self._input, self._bytes = weakref.ref(hidden.untyped_storage()), hidden.untyped_storage().nbytes()
        self._alive.next = lambda: self._mark("in")
        self._on_the_way_back(hidden, "in back")

    def _leave(self, _: nn.Module, __: Any, out: Any) -> None:
        self._mark("out")
        self._alive.next = self._settle
        self._on_the_way_back(self._hidden(tree_leaves(out)), "out back")

    def _settle(self) -> None:
        """The block's caller has let go of what it gave the block: it counts only if the way back needs it."""
        if self._input() is None:
            out = self._marks["out"]
            self._marks["out"] = replace(out, peak_bytes=out.peak_bytes - self._bytes)

    def _hidden(self, given: Iterable[Any]) -> Tensor:
        return next(value for value in given if isinstance(value, Tensor) and value.is_floating_point())

    def _on_the_way_back(self, hidden: Tensor, place: str) -> None:
        if hidden.requires_grad:
            hidden.register_hook(lambda _: self._mark(place))  # type: ignore[no-untyped-call]

    def _mark(self, place: str) -> None:
        self._marks[place] = self._alive.counted(self._alive.now)


class _Alive(NoNumbers):
    """Follows which results are alive."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.begin()
        self._known: set[int] = set(weights)
        self.next: Callable[[], None] | None = None
        """Is called once, before the next operation: by then a block's caller has let go of what it gave the block."""

    def begin(self) -> None:
        """Count from here; what is alive by now is known and not counted."""
        self.now = self.peak = self.written = self.squares = self.operations = self.flops = self.attention = 0

    def counted(self, alive: int) -> Rehearsed:
        """The counts up to here, with so many bytes alive."""
        return Rehearsed(self.flops, alive, self.written, self.operations, self.squares, self.attention)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        due, self.next = self.next, None
        if due is not None:
            due()
        out = super().__torch_dispatch__(func, types, args, kwargs)
        self.operations += 1
        counted = FLOPS.get(func._overloadpacket)
        if counted is not None:
            flops = int(counted(*args, **(kwargs or {}), out_val=out))
            self.flops += flops
            self.attention += flops if func._overloadpacket in ATTENTION else 0
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
        self.squares += size * size
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
