"""Rates of this machine: what a second of it computes and writes, tried for some hundredths of one.

a batch as a whole   a matrix product, an element-wise operation, with all threads of PyTorch ─▶ Rates
halves of one        two Python threads do both at once, each with half of those threads      ─▶ Rates of the two
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from chartune.models.numerics import Resolved
from chartune.models.precision import HALF
from chartune.train.gradients import HALVES, all_of, two_threads

BYTES: Final = 4
"""Of a number in fp32."""
TRY_SECONDS: Final = 0.03
"""How long a rate is tried."""
LEAST_TRIED: Final = 2**16
MOST_TRIED: Final = 2**26
"""Bounds of the bytes on which the rate of element-wise work is tried."""


@dataclass(frozen=True)
class Rates:
    """What this machine does in a second, measured just now."""

    flops: float
    """Floating-point operations of matrix products, at the precision in force."""
    bytes: float
    """Bytes that an element-wise operation writes."""
    attention: float
    """Floating-point operations of fused attention, at the precision in force."""
    halves: "Rates | None" = None
    """Of the two threads together that train halves of a micro-batch; None: batches are trained as a whole."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        own = {"gflops": round(self.flops / 1e9, 1), "gigabytes": round(self.bytes / 1e9, 2),
               "attention_gflops": round(self.attention / 1e9, 1)}  # fmt: skip
        return own | ({"halves": self.halves.to_json()} if self.halves else {})


def measured_rates(resolved: Resolved, result_bytes: int) -> Rates:
    """The machine's rates, in some hundredths of a second. The best of a few tries: others may be at work.

    Args:
        resolved: device and precision, and whether halves of a micro-batch are trained at once.
        result_bytes: size of a result: one that stays in a processor's caches is written several times as fast.
    """
    whole = _tried(resolved, result_bytes)
    if not resolved.data_parallel:
        return whole
    with two_threads() as threads:
        parts = all_of(threads, lambda size: _tried(resolved, size), [result_bytes // HALVES] * HALVES)
    flops, written, attention = (
        sum(rates) for rates in zip(*((part.flops, part.bytes, part.attention) for part in parts), strict=True)
    )
    return replace(whole, halves=Rates(flops, written, attention))


def _tried(resolved: Resolved, result_bytes: int) -> Rates:
    """The rates of this thread and of those of PyTorch that are its own."""
    dtype = HALF.get(resolved.precision, torch.float32)
    wide = torch.ones(min(max(result_bytes, LEAST_TRIED), MOST_TRIED) // BYTES, device=resolved.device)
    written = torch.empty_like(wide)
    copying = wide.nbytes / _quickest(lambda: torch.mul(wide, 1.5, out=written))
    return Rates(matmul_rate(dtype, resolved.device), copying, _attention_rate(dtype, resolved.device))


def matmul_rate(dtype: torch.dtype, device: str) -> float:
    """Floating-point operations per second of a matrix product of the size of a small model's layers."""
    rows, inner, columns = 1024, 512, 1376
    a, b = (torch.ones(shape, device=device, dtype=dtype) for shape in ((rows, inner), (inner, columns)))
    product = torch.empty(rows, columns, device=device, dtype=dtype)
    return 2 * rows * inner * columns / _quickest(lambda: torch.mm(a, b, out=product))


def _attention_rate(dtype: torch.dtype, device: str) -> float:
    """Floating-point operations per second of fused attention, forward, of the size of a small model's."""
    rows, heads, length, width = 4, 8, 256, 64
    states = torch.ones(rows, heads, length, width, device=device, dtype=dtype)
    # two products of [rows, heads, length, length] with `width` each
    operations = 2 * 2 * rows * heads * length**2 * width
    return operations / _quickest(lambda: scaled_dot_product_attention(states, states, states))


def _quickest(run: Callable[[], Tensor]) -> float:
    """Seconds of the quickest of some runs, the first left out: it sets things up."""
    float(run().flatten()[0])
    best, ends = float("inf"), time.perf_counter() + TRY_SECONDS
    while best == float("inf") or time.perf_counter() < ends:
        started = time.perf_counter()
        float(run().flatten()[0])  # waits for a GPU
        best = min(best, time.perf_counter() - started)
    return best
