"""What a stage would need: memory, time and disk, from a rehearsal of one micro-batch and the rates of this machine.

    memory    what is there ─▶ + weights ─▶ + optimizer, best weights ─▶ + the most that is alive in a micro-batch
    time      steps + batches: flops / their rates + passes · bytes written / their rate + operations · some µs
              + checkpoints: bytes · 5 ns

SETUP_SECONDS, COSTS, RUNTIME, SLACK, CHECKPOINT and READ_AT_ONCE were fitted on runs of benchmarks/memory.py (models
of some 30 million parameters, one core; COSTS, RUNTIME and SLACK by precision, the others in fp32), STORING was
measured by itself; STEP_SECONDS is a judgement. How far runs are off on which nothing was
fitted, benchmarks/README.md says. On a GPU none of them was compared with a run.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil
import torch

from chartune.models.numerics import Resolved
from chartune.models.precision import Computed
from chartune.planning.rates import Rates
from chartune.planning.rehearsal import Rehearsals, Rehearsed
from chartune.planning.workload import Workload
from chartune.train.gradients import HALVES
from chartune.train.training import CHECKPOINT_SECONDS

STEP_SECONDS: Final = 3e-3
"""Optimizer, events and order, for each step."""
SETUP_SECONDS: Final = 1.0
"""Loading, tokenising, intervals, writing."""
STORING: Final = 5e-9
"""Processor seconds for each byte of a checkpoint: copied, serialised, hashed, written."""
COMPILED_LEAVES: Final = 0.6
"""Share of what a training takes beside its products that compiled blocks still take: from what compiling saves in all
(`chartune.models.compiled`), not compared with a run."""
COMPILING_SECONDS: Final = 30.0
"""What compiling takes, once for a shape of block on this machine."""
RUNTIME: Final[dict[Computed, int]] = {"fp32": 240 * 2**20, "fp16": 240 * 2**20, "bf16": 160 * 2**20}
"""What libraries take when the first batch runs: kernels, their work space, modules that are imported late."""
SLACK: Final[dict[Computed, float]] = {"fp32": 1.5, "fp16": 1.5, "bf16": 1.2}
"""An allocator holds more than is alive (`chartune.allocator`), and products in fp32 have work space of their own: as
runs have shown (benchmarks/README.md); of fp16 none."""
ADAMW: Final = 8
"""Bytes of AdamW's state per weight that learns: two moments in fp32."""
COPY: Final = 4
"""Bytes of a copy of a weight in fp32."""
CHECKPOINT: Final = 27
"""Bytes per weight that learns while a checkpoint is written: weights and the optimizer's state, copied, serialised,
and what gradients have held, as runs have shown."""
WRITTEN: Final = ADAMW + 2 * COPY
"""Bytes of a checkpoint per weight that learns: the optimizer's state, the weights and the best ones."""
READ_AT_ONCE: Final = 1.5
"""Times the largest tensor that is held in fp32 while weights are read and first tried, beside those that stay."""
CGROUPS: Final = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
"""Limit, use and, in `memory.stat`, reclaimable pages of a container: version 2 and 1 of the kernel's interface."""


@dataclass(frozen=True)
class Costs:
    """What a batch costs beside its matrix products."""

    passes: float
    """Times the seconds of a product with a number that a byte costs in the mean: some results have two operands, some
    are exponentials."""
    operation: float
    """Seconds of an operation however small it is."""
    attention: float
    """Times the seconds that fused attention takes forward: backward it is slower."""


COSTS: Final[dict[Computed, Costs]] = {
    "fp32": (_single := Costs(passes=3.2, operation=5e-6, attention=1.0)),
    "fp16": _single,
    "bf16": Costs(passes=2.2, operation=20e-6, attention=2.0),
}
"""As runs have shown (benchmarks/README.md); of fp16 none."""


@dataclass(frozen=True)
class Weights:
    """What a stage keeps in memory and on disk of its model."""

    resident_bytes: int
    """All weights at the precision in force, which each is read into by itself."""
    largest_bytes: int
    """The largest of them in fp32."""
    trainable: int
    """Weights that learn."""
    kept_bytes: int
    """What the run leaves on disk."""
    widened_bytes: int = 0
    """What they take more in fp32, where trained adapters are merged into them before they are rounded."""


@dataclass(frozen=True)
class Memory:
    """Estimated memory in bytes, at the worst moment."""

    process: int
    """On a processor: this process as it is, and what libraries will add. On a GPU: nothing."""
    weights: int
    """At the precision in force."""
    optimizer: int
    """AdamW's state and the best weights so far."""
    batch: int
    """Activations, gradients and temporary results of a micro-batch, or what is held in fp32 while weights are read, or
    copies while a checkpoint is written."""
    data: int
    """Texts and tokens."""
    free: int
    """What this process could still take, what it has included."""

    @property
    def peak(self) -> int:
        """All together."""
        return self.process + self.weights + self.optimizer + self.batch + self.data

    def to_json(self) -> dict[str, int]:
        """As plain JSON."""
        return {**asdict(self), "peak": self.peak}


@dataclass(frozen=True)
class Disk:
    """Estimated bytes on disk."""

    kept: int
    """Weights that the run leaves."""
    while_training: int
    """Checkpoints: two, and one that is being written."""
    free: int
    """Free where the store is."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """What it puts into the store for all runs (`chartune.planning.kept`), by name; less where it is there already."""

    @property
    def shared(self) -> int:
        """All of that."""
        return sum(self.parts.values())

    @property
    def needed(self) -> int:
        """At most, while it trains."""
        return self.kept + self.while_training + self.shared

    def to_json(self) -> dict[str, int]:
        """As plain JSON."""
        return {"kept": self.kept, "shared": self.shared, "while_training": self.while_training, "free": self.free}


def memory_of(weights: Weights, rehearsed: Rehearsals, workload: Workload, resolved: Resolved, held: int) -> Memory:
    """The memory at the worst moment: reading the weights, a micro-batch, or a checkpoint.

    Args:
        weights: of the model.
        rehearsed: its batches.
        workload: what is held of the data.
        resolved: device and precision.
        held: what the process holds before anything is loaded.
    """
    n, cpu = weights.trainable, resolved.device == "cpu"
    optimizer = n * (ADAMW + COPY) if cpu else n * ADAMW  # a GPU's best weights are kept by the processor
    worst = max(round(SLACK[resolved.precision] * rehearsed.peak_bytes), CHECKPOINT * n if cpu else 0)
    if not cpu:
        return Memory(0, weights.resident_bytes, optimizer, worst, 0, free_memory("cuda"))
    process = held + RUNTIME[resolved.precision]
    read = (
        round(READ_AT_ONCE * weights.largest_bytes) + weights.widened_bytes - optimizer
    )  # before there is an optimizer
    return Memory(process, weights.resident_bytes, optimizer, max(worst, read), workload.text_bytes, free_memory("cpu"))


def disk_of(weights: Weights, store: Path, parts: Mapping[str, int] = MappingProxyType({})) -> Disk:
    """What a run writes, its own and the parts for all runs, and what is free where the store is or will be."""
    place = next(folder for folder in (store, *store.parents) if folder.exists())
    return Disk(weights.kept_bytes, 3 * WRITTEN * weights.trainable, psutil.disk_usage(str(place)).free, parts)


def micro_batch_within(left: int, rehearsed: Rehearsals, weights: Weights, precision: Computed) -> int:
    """The most tokens of a micro-batch that stay within some bytes; 0 where something else is larger anyway."""
    slack = SLACK[precision]
    others = max(slack * rehearsed.reading.peak_bytes, CHECKPOINT * weights.trainable)
    if rehearsed.training is None or others > left:
        return 0
    share = 0.95 * left / (slack * rehearsed.training.peak_bytes)  # not everything shrinks in proportion
    return int(share * rehearsed.training_tokens)


def seconds_of(
    workload: Workload, rehearsed: Rehearsals, trainable: int, rates: Rates, resolved: Resolved, *,
    most: float | None = None,
) -> float | None:  # fmt: skip
    """Seconds of the whole stage; None where the workload is not known.

    Args:
        workload: tokens and steps.
        rehearsed: its batches, of rows of the usual length.
        trainable: weights that learn.
        rates: of the machine.
        resolved: the precision, and whether the blocks of the training are compiled, which they are already then.
        most: after how many seconds training ends, evaluations included; None: there is no limit.
    """
    if workload.tokens is None or workload.read_tokens is None or workload.steps is None:
        return None
    step = STEP_SECONDS + COSTS["fp32"].passes * 5 * COPY * trainable / rates.bytes  # AdamW: moments, weights and more
    costs = COSTS[resolved.precision]
    token = seconds_of_batch(rehearsed.reading, rates, costs) / rehearsed.reading_tokens
    beside = SETUP_SECONDS + (workload.read_tokens - workload.evaluated_tokens) * token
    trained = workload.steps * step + workload.evaluated_tokens * token
    if rehearsed.training is not None:
        trained += _seconds_of_training(workload, rehearsed, rates, costs, compiled=resolved.compiled)
    checkpoints = max(workload.evaluations, (beside + trained) / CHECKPOINT_SECONDS if workload.evaluations else 0)
    trained += checkpoints * STORING * WRITTEN * trainable
    return beside + (trained if most is None else min(trained, most))


def _seconds_of_training(
    workload: Workload, rehearsed: Rehearsals, rates: Rates, costs: Costs, *, compiled: bool
) -> float:
    """Of all micro-batches."""
    micro_batch = rehearsed.training
    if micro_batch is None:
        return 0.0
    rates, each = (rates.halves, HALVES) if rates.halves else (rates, 1)  # Python goes through both by turns
    left = COMPILED_LEAVES if compiled else 1.0
    products, beside, calls = _seconds_by_cause(micro_batch, rates, costs)
    per_token = (products + left * beside) / rehearsed.training_tokens
    return (workload.tokens or 0) * per_token + (workload.micro_batches or 0) * left * each * calls


def seconds_of_batch(rehearsed: Rehearsed, rates: Rates, costs: Costs) -> float:
    """Matrix products and attention, element-wise work, and what each operation costs by itself."""
    return sum(_seconds_by_cause(rehearsed, rates, costs))


def _seconds_by_cause(rehearsed: Rehearsed, rates: Rates, costs: Costs) -> tuple[float, float, float]:
    """Of matrix products with fused attention, which has a rate of its own, of element-wise work, of operations."""
    attention = rehearsed.attention_flops
    products = (rehearsed.flops - attention) / rates.flops + costs.attention * attention / rates.attention
    return products, costs.passes * rehearsed.written_bytes / rates.bytes, costs.operation * rehearsed.operations


def free_memory(device: str) -> int:
    """Bytes that this process could hold on a device: what is free, within a container's limit, and what it has."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    return held_memory() + min(int(psutil.virtual_memory().available), *_left_in_container(Path("/sys/fs/cgroup")))


def held_memory() -> int:
    """Bytes that this process holds in main memory."""
    return int(psutil.Process().memory_info().rss)


def _left_in_container(root: Path) -> list[int]:
    """Bytes that each limit of a container leaves, behind a bound that no machine reaches: there may be no limit."""
    left = [2**62]
    for limit, use, reclaimable in CGROUPS:
        try:
            allowed, used = ((root / name).read_text().strip() for name in (limit, use))
            lines = dict(line.split() for line in (root / limit).with_name("memory.stat").read_text().splitlines())
            left.append(max(0, int(allowed) - int(used) + int(lines.get(reclaimable, 0))))
        except (OSError, ValueError):  # another version, no container, or "max"
            continue
    return left
