"""Costs: the parts and bytes of a stage's model and what its batches cost, followed once for all that are alike.

stage without seed, rates, data … · base · numerics · head ─key─┬▶ known: cells of a grid over seeds and rates
                                                              └▶ drawn and rehearsed (`chartune.planning.blueprint`)
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from chartune.models.numerics import Resolved
from chartune.planning.blueprint import Blueprint, drawn, rehearsals
from chartune.planning.rehearsal import Rehearsals
from chartune.planning.requirements import Weights
from chartune.stages.assembly import Part
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import HeadSpec
from chartune.stages.pretrain import Pretrain
from chartune.train.gradients import draws

KEPT: Final = 16
"""So many models are remembered, those asked for last."""
NO_PART: Final = {"name", "seed", "data", "task", "trackers", "stopping", "scores_test"}
"""Fields of a stage that neither its model nor its batches depend on."""
NO_PART_OF_OPTIMISATION: Final = {"learning_rate", "head_learning_rate", "weight_decay", "duration", "most_seconds"}


@dataclass(frozen=True)
class Costs:
    """What a model has and what its batches cost."""

    parts: tuple[Part, ...]
    """Base, each layer of the stack, task head."""
    weights: Weights
    """What it takes in memory and on disk."""
    batches: Rehearsals
    """Of the longest rows."""
    usual: Rehearsals
    """Of rows as they are."""
    resolved: Resolved
    """The numerics in force."""
    hidden_size: int
    """Of its hidden states."""


_known: OrderedDict[str, Costs] = OrderedDict()


def costs_of(stage: Pretrain | Finetune, inputs: Inputs, spec: HeadSpec, row: int) -> Costs:
    """What a stage's model has and its batches cost.

    Models that stand on trained adapters, and those without a base, are followed each time: their files decide.

    Args:
        stage: its config.
        inputs: base model, adapters and numerics.
        spec: of the head.
        row: tokens of a row as they are.

    Raises:
        AdapterError: a layer adapts what the body does not have.
    """
    key = None if inputs.backbone is None or any(inputs.adapters) else _key(stage, inputs, spec, row)
    if key is None:
        return _followed(stage, inputs, spec, row)
    if key not in _known:
        _known[key] = _followed(stage, inputs, spec, row)
    _known.move_to_end(key)
    while len(_known) > KEPT:
        _known.popitem(last=False)
    return _known[key]


def forget() -> None:
    """Follow every model anew."""
    _known.clear()


def _key(stage: Pretrain | Finetune, inputs: Inputs, spec: HeadSpec, row: int) -> str:
    """All that decides."""
    plain = stage.model_dump(mode="json", exclude=NO_PART)
    plain["optimisation"] = {k: v for k, v in plain["optimisation"].items() if k not in NO_PART_OF_OPTIMISATION}
    head = [spec.loss, list(spec.prior.shape)]
    decides = [plain, inputs.base.content_hash, repr(inputs.resolved), inputs.budget(stage.optimisation), head, row]
    return json.dumps(decides, sort_keys=True)


def _followed(stage: Pretrain | Finetune, inputs: Inputs, spec: HeadSpec, row: int) -> Costs:
    budget = inputs.budget(stage.optimisation)
    with drawn(stage, inputs, spec) as blueprint:
        resolved = _halved(inputs.resolved, blueprint)
        batches = rehearsals(stage, blueprint, resolved, budget)
        usual = batches if row == stage.max_seq_len else rehearsals(stage, blueprint, resolved, budget, row)
    hidden_size = blueprint.model.body.hidden_size
    return Costs(blueprint.parts, blueprint.weights, batches, usual, resolved, hidden_size)


def _halved(resolved: Resolved, blueprint: Blueprint) -> Resolved:
    """Without halves of a micro-batch where dropout is drawn, as it will be (`chartune.train.gradients`)."""
    return replace(resolved, data_parallel=resolved.data_parallel and not draws(blueprint.model.reader))
