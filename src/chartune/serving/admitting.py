"""Admitting: a run on its way into a bank: its model over the base in memory, proved on a probe."""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch

from chartune.adapters.adapter import Adapter
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import Backbone
from chartune.models.precision import Device, multiplies_bf16
from chartune.models.readers import Classifier
from chartune.runs.run import Run
from chartune.serving.admission import (
    must_change_something,
    must_contribute,
    must_depend_on_the_text,
    must_mix,
    probe_of,
)
from chartune.serving.bodies import Bodies, Key, key_of
from chartune.serving.candidate import Candidate, as_served, changes_of, must_be_servable
from chartune.serving.mixing import MixedBody
from chartune.serving.repeating import must_repeat
from chartune.serving.tally import Tally
from chartune.serving.task import Admitted, Task
from chartune.stages.loading import fine_tuned, inputs_of_run
from chartune.store import Store

Served = Literal["fp32", "bf16"]
"""In which precision a bank reads."""


def must_multiply(precision: Served) -> None:
    """Refuse what would be slower than fp32. Raises ConfigError: the hardware does not multiply bf16."""
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "bf16" and not multiplies_bf16(device):
        raise ConfigError(
            "bf16 must be multiplied by the processor itself (AVX-512-BF16, AMX or ARM's BF16), but this one does not; "
            "leave --precision out."
        )


class Admission:
    """The bodies of a bank, and the way of a run onto them. For one thread at a time, but for `entered`."""

    def __init__(
        self, store: Store, base: Backbone | None, shared: Adapter | None, tally: Tally, precision: Served = "fp32"
    ) -> None:  # fmt: skip
        """Arguments as of `Bank`. tally: of its batches."""
        self.precision = precision
        self.store, self.base, self.shared, self.tally = store, base, shared, tally
        self.bodies, self._mixed = Bodies(), dict[Key, MixedBody]()
        self._content: str | None = None

    def entered(self, task: Task) -> None:
        """A task is in the bank: what comes after it stands on the same base, and is mixed with it."""
        self._content = task.base
        if task.mixed is not None:
            self._mixed[task.key] = task.mixed

    @property
    def nbytes(self) -> int:
        """Of the base's numbers, each counted once, and once more where they are prepacked."""
        return self.bodies.nbytes + sum(mixed.copied_bytes for mixed in tuple(self._mixed.values()))

    def forget_but(self, used: Collection[Key]) -> None:
        """Let go of bodies on which no task stands."""
        self._mixed = {key: mixed for key, mixed in self._mixed.items() if key in used}
        self.bodies.forget_but(set(used))

    def admitted(self, run: Run, name: str, handle: str) -> Admitted:
        """A run that has passed all checks, its LoRA for mixed batches where it can be in them. Nobody sees it yet.

        Args:
            run: a fine-tuned run.
            name: of the task.
            handle: of this version of it.

        Raises:
            ChartuneError: as `Bank.load`.
        """
        candidate = self.assembled(run)
        loaded, inputs, reads = candidate.loaded, candidate.inputs, candidate.loaded.model
        both_ways, probe, base = reads.bidirectional, probe_of(reads.body), inputs.base.content_hash
        must_change_something([adapter for adapter in inputs.adapters if adapter], run.name)
        must_depend_on_the_text(reads.head, run.name)
        whole = must_contribute(candidate.attached, probe, run.name, bidirectional=both_ways)
        must_repeat(loaded, self.store)
        changes, apart = changes_of(candidate, self.shared)
        size = candidate.nbytes + sum(weight.nbytes for weight in reads.head.parameters())
        if not apart:
            mixed, trial = self._mixed_body(candidate), self._trial_body(candidate)
            changes = {matrix: change.to(trial.device) for matrix, change in changes.items()}
            trial.put(name, changes)
            apart = must_mix(trial, name, probe, whole)
        loaded = replace(loaded, resolved=replace(loaded.resolved, precision=self.precision))
        if apart:
            return Admitted(Task(name, loaded, None, apart, size, base, candidate.key, handle), {})
        size += sum(change.nbytes for change in changes.values()) - candidate.nbytes
        model = Classifier(mixed.module, reads.head, reads.pooling, reads.loss, bidirectional=both_ways)
        scorer, key = replace(loaded, model=model.eval()), self._common(candidate)
        return Admitted(Task(name, scorer, mixed, "", size, base, key, handle), changes)

    def assembled(self, run: Run) -> Candidate:
        """A run with its model, over the numbers of the base in memory."""
        stage = must_be_servable(run)
        inputs = as_served(inputs_of_run(run, stage, self.store, self.base), self.shared)
        if self._content not in (None, inputs.base.content_hash):
            raise AdapterError(
                f"all tasks of a bank must stand on one base model, but that of {run.name!r} is {inputs.base.name} "
                f"({inputs.base.content_hash[:12]}) and the bank's is {str(self._content)[:12]}; start another bank."
            )
        loaded, attached = fine_tuned(run, stage, inputs, self.bodies.of)
        return Candidate(stage, inputs, loaded, attached)

    def _mixed_body(self, candidate: Candidate) -> MixedBody:
        """Where the rows of a task are mixed with others."""
        held = self._mixed.get(self._common(candidate))
        if held is not None:
            return held
        body, both_ways = self.bodies.of(*candidate.common(self.shared)), candidate.stage.is_bidirectional()
        return MixedBody(body, bidirectional=both_ways, tally=self.tally, precision=self.precision)

    def _trial_body(self, candidate: Candidate) -> MixedBody:
        """Another one, in fp32, to try a run in."""
        beside = self._mixed_body(candidate) if self.precision == "fp32" else None
        body, both_ways = self.bodies.of(*candidate.common(self.shared)), candidate.stage.is_bidirectional()
        return MixedBody(body, bidirectional=both_ways, beside=beside)

    def _common(self, candidate: Candidate) -> Key:
        return key_of(*candidate.common(self.shared))
