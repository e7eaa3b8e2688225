"""Candidate: a run that asks to be in a bank, and what its layers are beside those that all tasks share.

shared merged in the base, the run on it          its own layers
shared merged in the base, the run on another     its layers, those of its own clinical adapter, and shared undone
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chartune.adapters.adapter import Adapter, read_adapter
from chartune.adapters.fusion import kept_stack
from chartune.adapters.low_rank import LowRank, joined
from chartune.adapters.stack import FROZEN, MERGED, Attached
from chartune.errors import RunError
from chartune.runs.record import layer_folders
from chartune.runs.run import Run
from chartune.serving.bodies import Key, key_of
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.loading import Loaded

PRECISION: Final = "fp32"
"""In which a bank computes: in two bytes the other rows of a batch would move a probability by some 0.001."""


@dataclass(frozen=True)
class Candidate:
    """A run with its layers on a body of the bank."""

    stage: Finetune
    inputs: Inputs
    loaded: Loaded
    attached: Attached

    @property
    def adapters(self) -> list[Adapter]:
        """Its layers, the lowest first."""
        return [adapter for adapter in self.inputs.adapters if adapter]

    @property
    def key(self) -> Key:
        """The body that it stands on by itself."""
        return key_of(self.stage.model_copy(update={"stack": kept_stack(self.inputs.adapters)}), self.inputs)

    @property
    def nbytes(self) -> int:
        """Of its layers beside the body's weights."""
        return sum(weight.nbytes for index, *_ in self.attached.placed() for weight in self.attached.parameters(index))

    def common(self, shared: Adapter | None) -> tuple[Finetune, Inputs]:
        """A stage that is nothing but the base with what is shared, by the one kind of attention of mixed batches."""
        below = (replace(shared, state=MERGED),) if shared else ()
        resolved = replace(self.inputs.resolved, attention="sdpa" if self.inputs.base.family.fused else "eager")
        inputs = replace(self.inputs, adapters=below, resolved=resolved)
        return self.stage.model_copy(update={"stack": kept_stack(below)}), inputs


def must_be_servable(run: Run) -> Finetune:
    """The config of a run that has an adapter, or none, and a head. Raises RunError: it has learnt something else."""
    if run.kind != "finetune":
        raise RunError(f"a bank holds fine-tuned runs, but {run.name!r} is a {run.kind} run; use `chartune predict`.")
    stage = Finetune.parse(run.stage, str(run.path / "stage.yaml"))
    if stage.stack.trains_all():
        raise RunError(
            f"a bank holds runs that share their base model, but {run.name!r} has trained every weight of its own; use "
            f"`chartune predict`."
        )
    if run.environment.get("quantisation", "none") != "none":
        raise RunError(
            f"a bank computes in {PRECISION}, but {run.name!r} was trained on a quantised base; use `chartune predict`."
        )
    return stage


def as_served(inputs: Inputs, shared: Adapter | None) -> Inputs:
    """Inputs of a run in fp32, its lowest layer merged where it is the shared one."""
    first, *above = inputs.adapters or (None,)
    resolved = replace(inputs.resolved, precision=PRECISION)
    if first is None or not _is(first, shared):
        return replace(inputs, resolved=resolved)
    return replace(inputs, resolved=resolved, adapters=(replace(first, state=MERGED), *above))


def changes_of(candidate: Candidate, shared: Adapter | None) -> tuple[dict[str, LowRank], str]:
    """What the layers of a run add to matrices of the base with what is shared; or why they are more than a sum.

    Returns:
        By the name of the matrix, of concatenated rank; and why there is no such sum, empty where there is.
    """
    adapters, undone = candidate.adapters, shared
    if adapters and _is(adapters[0], shared):
        adapters, undone = adapters[1:], None
    parts = []
    for adapter in (*adapters, *((undone,) if undone else ())):
        change = adapter.method.low_rank(adapter.tensors())
        if change is None:
            return {}, f"{adapter.method.title()} is more than a sum of low rank"
        parts.append({name: each.undone() for name, each in change.items()} if adapter is undone else change)
    return joined(parts), ""


def shared_adapter(runs: Sequence[Run]) -> Adapter | None:
    """The adapter that most of some runs stand on and left as it was; None: no run stands on one.

    Raises:
        AdapterError: an adapter is damaged.
    """
    lowest = [adapter for run in runs if (adapter := _lowest(run)) is not None]
    counts = Counter(adapter.sha256 for adapter in lowest)
    most = counts.most_common(1)
    return next((adapter for adapter in lowest if adapter.sha256 == most[0][0]), None)


def _lowest(run: Run) -> Adapter | None:
    states = [layer.state for layer in run.about.layers]
    if run.kind != "finetune" or states[:1] not in ([FROZEN], [MERGED]):
        return None
    adapter = read_adapter(run.path / layer_folders(states)[0])
    return None if adapter.method.unmergeable else adapter


def _is(adapter: Adapter, shared: Adapter | None) -> bool:
    """Whether a layer is the shared one, as it was: one that went on learning has other weights."""
    return shared is not None and adapter.sha256 == shared.sha256 and adapter.state in (FROZEN, MERGED)
