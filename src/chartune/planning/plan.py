"""Plan: what a stage would train, need and take, said before anything runs.

    stage ─▶ sizes of the base (config.json) ─▶ body without memory + stack + head ─▶ parameters, exactly
                                                        └─ rehearsal of one micro-batch ─▶ memory, time, estimated

Nothing is prepared, pretrained or written. What depends on the data is taken from prepared data, if there are any.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from chartune.adapters.expected import Expected
from chartune.disclosure import shown
from chartune.errors import RunError
from chartune.models.losses import CROSS_ENTROPY
from chartune.models.numerics import Resolved
from chartune.planning.costs import costs_of
from chartune.planning.prepared import prepared, prepared_otherwise
from chartune.planning.rates import Rates, measured_rates
from chartune.planning.rehearsal import Rehearsals
from chartune.planning.requirements import (
    COMPILING_SECONDS,
    Disk,
    Memory,
    Weights,
    disk_of,
    held_memory,
    memory_of,
    micro_batch_within,
    seconds_of,
)
from chartune.planning.workload import Workload, workload_of
from chartune.quantities import human_bytes, human_seconds
from chartune.stages.assembly import Part
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import NONE_EXPECTED, Inputs, inputs_of
from chartune.stages.model_stage import HeadSpec
from chartune.stages.pretrain import Pretrain
from chartune.store import Store
from chartune.tasks.dataset import read_dataset

BINARY: Final = 2


@dataclass(frozen=True)
class Plan:
    """What a stage would be. Parameters are exact; memory, time and disk are estimated."""

    kind: str
    """`pretrain` or `finetune`."""
    title: str
    """What would be trained on what."""
    resolved: Resolved
    """Device, precision and attention, with the reason."""
    parts: tuple[Part, ...]
    """The model, part by part."""
    workload: Workload
    """Examples, tokens and steps; None where the data are not prepared."""
    memory: Memory
    """At the worst moment, on the device."""
    disk: Disk
    """Where the store is."""
    rates: Rates
    """Of this machine, measured just now."""
    seconds: float | None
    """The whole stage; None: not known before the data are prepared."""
    ways_out: tuple[str, ...]
    """What would make it smaller, where it does not fit."""
    notes: tuple[str, ...]
    """Further remarks."""
    micro_batch_tokens: int | None = None
    """Padded tokens that memory allows a micro-batch, where the rule would take more; None: as the rule says."""

    @property
    def trainable_parameters(self) -> int:
        """Parameters that would learn."""
        return sum(part.trainable for part in self.parts)

    @property
    def total_parameters(self) -> int:
        """All parameters in the forward pass."""
        return sum(part.parameters for part in self.parts)

    @property
    def micro_batch_note(self) -> str:
        """The micro-batches that memory allows, in words; empty: those of the rule."""
        if self.micro_batch_tokens is None:
            return ""
        return f"micro-batches of {self.micro_batch_tokens:,} tokens: more do not fit into the memory that is free"

    @property
    def fits(self) -> bool:
        """Whether memory and disk are enough, as far as is known."""
        return self.memory.peak <= self.memory.free and self.disk.needed <= self.disk.free

    def must_fit(self) -> None:
        """Refuse what cannot end well.

        Raises:
            RunError: more memory or disk is needed than is free; the message says the ways out.
        """
        if not self.fits:
            raise RunError(
                f"a run must fit into what is free, but {self.title} would need about {human_bytes(self.memory.peak)} "
                f"of memory and {human_bytes(self.disk.needed)} of disk, and {human_bytes(self.memory.free)} and "
                f"{human_bytes(self.disk.free)} are free; {'; or '.join(self.ways_out)}."
            )

    def to_json(self, exact: bool = True) -> dict[str, Any]:
        """As plain JSON; `exact`: whether texts of real patients are counted as they are."""
        return {
            "kind": self.kind, "title": self.title,
            "numerics": {**self.resolved.hashable(), "why": self.resolved.reason},
            "trainable_parameters": self.trainable_parameters, "total_parameters": self.total_parameters,
            "parts": [asdict(part) for part in self.parts], "workload": self.workload.to_json(exact),
            "memory": self.memory.to_json(), "disk": self.disk.to_json(), "rates": self.rates.to_json(),
            "seconds": self.seconds, "fits": self.fits, "ways_out": list(self.ways_out), "notes": list(self.notes),
            "micro_batch_tokens": self.micro_batch_tokens,
        }  # fmt: skip

    def as_text(self, exact: bool = True) -> str:
        """As lines for a person; `exact`: whether texts of real patients are counted as they are."""
        learn, total = self.trainable_parameters, self.total_parameters
        numerics = f"{self.resolved.precision}, {self.resolved.attention}, {self.resolved.device}"
        lines = [
            f"{self.kind}: {self.title}  ({numerics})",
            f"  parameters  {learn:,} of {total:,} learn ({learn / max(1, total):.2%}); {_sure(self)}",
            *(f"{'':14}{part.name}: {part.trainable:,} of {part.parameters:,}" for part in self.parts),
            f"  data        {_workload_line(self.workload, exact)}",
            f"  memory      about {human_bytes(self.memory.peak)} at most, {human_bytes(self.memory.free)} are free",
            f"  disk        about {human_bytes(self.disk.kept)} kept, {human_bytes(self.disk.shared)} for all runs, "
            f"{human_bytes(self.disk.while_training)} while training, {human_bytes(self.disk.free)} are free",
            f"  time        {_time_line(self.seconds)}",
        ]
        unfit = "" if self.fits else f"does not fit: {'; or '.join(self.ways_out)}"
        notes = filter(None, (*self.notes, self.micro_batch_note, unfit))
        return "\n".join([*lines, *(f"  note        {note}" for note in notes)])


def plan(
    stage: Pretrain | Finetune, store: Store, exact: bool = False, expected: Mapping[str, Expected] = NONE_EXPECTED
) -> Plan:
    """What a stage would train, need and take on this machine as it is now. Makes nothing.

    Args:
        stage: what would be done.
        store: where prepared data may be.
        exact: whether texts of real patients are counted as they are.
        expected: by the references of layers the adapters that are not made yet.

    Raises:
        AdapterError: an adapter does not fit the base model, or the base cannot be what is asked.
        ConfigError: an adapter or a base model is missing, or `max_seq_len` is beyond its positions.
        DataError: the data are prepared, but without the task or the corpus.
    """
    held = held_memory()
    data = prepared(stage.data, store)
    inputs = inputs_of(stage, store, read_dataset(data) if data else None, make=False, sizes=True, expected=expected)
    read = inputs.backbone if inputs.backbone and inputs.backbone.weights else None  # else there is no tokenizer
    budget = inputs.budget(stage.optimisation)
    workload = workload_of(stage, read, store, budget, exact)
    spec = HeadSpec(np.zeros(workload.outputs or BINARY, dtype=np.float32), workload.loss or CROSS_ENTROPY)
    row = min(workload.row or stage.max_seq_len, stage.max_seq_len)  # a text may have several
    costs = costs_of(stage, inputs, spec, row)
    resolved, backbone, weights = costs.resolved, inputs.backbone, costs.weights
    rehearsed, usual = costs.batches, costs.usual
    memory = memory_of(weights, rehearsed, workload, resolved, held)
    fitting = _fitting(stage, memory, rehearsed, weights, resolved)
    fewer = fitting if stage.optimisation.micro_batch_tokens == "auto" else None
    if fewer is not None:
        rehearsed, usual = rehearsed.in_micro_batches_of(fewer), usual.in_micro_batches_of(fewer)
        memory = memory_of(weights, rehearsed, workload, resolved, held)
    parts = workload.kept.named(stage, inputs, workload.data or "", costs.hidden_size)
    disk, rates = disk_of(weights, store.root, parts), measured_rates(resolved, usual.result_bytes)
    title = f"{stage.layers().title()} on {backbone.name if backbone else stage.backbone.name}"
    return Plan(
        stage.kind, title, resolved, costs.parts, workload, memory, disk, rates,
        seconds_of(workload, usual, weights.trainable, rates, resolved, most=stage.optimisation.most_seconds),
        _ways_out(stage, resolved, memory, disk, fitting),
        _notes(stage, inputs, workload, store), fewer,
    )  # fmt: skip


def planned_facts(plan: Plan) -> dict[str, Any]:
    """What a run keeps of its plan: `seconds`, `peak_bytes` and `trainable_parameters`, to be compared with its cost.

    Also `micro_batch_tokens`, where memory allows fewer than the rule would take.
    """
    return {
        **({"micro_batch_tokens": plan.micro_batch_tokens} if plan.micro_batch_tokens else {}),
        "seconds": plan.seconds,
        "peak_bytes": plan.memory.peak,
        "trainable_parameters": plan.trainable_parameters,
    }


def _fitting(
    stage: Pretrain | Finetune, memory: Memory, rehearsed: Rehearsals, weights: Weights, resolved: Resolved
) -> int | None:
    """Tokens of the largest micro-batch that would fit, in whole rows; None: it fits, or none would."""
    if memory.peak <= memory.free:
        return None
    tokens = micro_batch_within(memory.free - (memory.peak - memory.batch), rehearsed, weights, resolved.precision)
    tokens = tokens // stage.max_seq_len * stage.max_seq_len
    return tokens if 0 < tokens < rehearsed.training_tokens else None


def _ways_out(
    stage: Pretrain | Finetune, resolved: Resolved, memory: Memory, disk: Disk, fitting: int | None
) -> tuple[str, ...]:
    """What would make a stage fit, the mildest first; of micro-batches the largest that would; nothing if it fits."""
    ways, length = [], stage.max_seq_len
    if memory.peak > memory.free:
        if fitting is not None:
            ways.append(f"--set optimisation.micro_batch_tokens={fitting}")
        if memory.free > memory.peak - memory.batch:
            ways.append(f"--set max_seq_len={max(2, length // 2)}")
        if stage.layers().trains_all():
            ways.append("LoRA instead of full training")
        elif resolved.precision == "fp32":
            ways.append("--set numerics.precision=bf16")
        ways.append("a smaller base model, or a machine with more memory")
    if disk.needed > disk.free:
        ways.append("free some disk, or take another --store")
    return tuple(ways)


def _notes(stage: Pretrain | Finetune, inputs: Inputs, workload: Workload, store: Store) -> tuple[str, ...]:
    decodes = inputs.backbone is None or inputs.backbone.family.is_decoder
    notes = inputs.warnings(pads=not (stage.needs_lm_head and decodes))
    if inputs.backbone is None:
        notes.append(f"{stage.backbone.name} is not made yet: its pretraining, some minutes, comes first")
    elif not inputs.backbone.weights:
        notes.append(f"of {stage.backbone.name} the sizes alone are known: name the folder of its weights to train")
    if workload.data is None:
        other = prepared_otherwise(stage.data, store)
        notes.append(f"tokens, steps and time are not known: run `chartune prepare` first{other}")
    if inputs.resolved.compiled:
        notes.append(f"compiled blocks: {COMPILING_SECONDS:.0f} s more where they are not compiled yet")
    if (most := stage.optimisation.most_seconds) is not None:
        notes.append(f"training ends after {human_seconds(most)}, evaluations included, wherever it is then")
    if isinstance(stage, Finetune) and workload.outputs is None:
        notes.append("how many labels the task has is known once it is prepared; the head is counted with two")
    return tuple(notes)


def _sure(plan: Plan) -> str:
    known = plan.kind == "pretrain" or plan.workload.outputs is not None
    return "exact" if known else "exact for a head of two labels"


def _workload_line(workload: Workload, exact: bool) -> str:
    if workload.data is None:
        return "not prepared"
    examples = "not known" if workload.examples is None else shown(workload.examples, exact)
    lines = (
        f"{workload.data}: training examples {examples}, tokens about {_known(workload.epoch_tokens)}",
        f"at most: steps {_known(workload.steps)}, tokens trained on {_known(workload.tokens)}, "
        f"tokens read without gradients {_known(workload.read_tokens)}",
    )
    return f"\n{'':14}".join(lines)


def _known(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _time_line(seconds: float | None) -> str:
    return "not known" if seconds is None else f"about {human_seconds(seconds)}, if it is not stopped early"
