"""Blueprint: the model of a stage without memory, its parameters by formula, and a rehearsal of its batches.

sizes ─▶ body on the meta device + stack + head ─▶ parts (exact) ─▶ what a micro-batch and an evaluation would cost
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from chartune.adapters.adapter import Adapter
from chartune.adapters.method import Method
from chartune.adapters.stack import AnyLayer, Fresh, Frozen, Stack, lay
from chartune.models.anatomy import Anatomy, anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import LocalBackbone
from chartune.models.families import Family, family_of
from chartune.models.heads import LinearHead
from chartune.models.load import Resolved
from chartune.models.readers import Classifier, LanguageModel
from chartune.models.rehearsal import Rehearsals, meta_body, rehearse
from chartune.predict.predictions import BUDGETS
from chartune.stages.base import SmallBase
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.requirements import Weights


@dataclass(frozen=True)
class Part:
    """A part of the model."""

    name: str
    """Such as `base`, `LoRA r=8`, `head`."""
    parameters: int
    """How many it has."""
    trainable: int
    """How many of them learn."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"name": self.name, "parameters": self.parameters, "trainable": self.trainable}


def stack_of(stage: Pretrain | Finetune) -> Stack:
    """The layers that a stage attaches."""
    return Stack(layers=(Fresh(method=stage.method),)) if isinstance(stage, Pretrain) else stage.stack


@dataclass
class Blueprint:
    """A model without memory, as a stage would train it."""

    module: Classifier | LanguageModel
    """Body with stack and head, on the meta device."""
    parts: tuple[Part, ...]
    """Its parameters, counted by each method's formula."""
    weights: Weights
    """Its bytes."""


def blueprint_of(
    stage: Pretrain | Finetune, backbone: LocalBackbone | None, adapters: list[Adapter | None], resolved: Resolved,
    outputs: int,
) -> Blueprint:  # fmt: skip
    """The model of a stage on the meta device, and its parameters by formula.

    Args:
        stage: what is asked.
        backbone: the base model; None: the small LLaMA, not yet made.
        adapters: for each layer its trained adapter, or None.
        resolved: precision and attention.
        outputs: logits of a task head.
    """
    shape, family = _shape(backbone)
    stack, speaks = stack_of(stage), isinstance(stage, Pretrain)
    body = meta_body(shape, family, resolved, language_model=speaks, trains_all=stack.trains_all())
    base = sum(p.numel() for p in (body.whole if speaks else body.module).parameters())
    parts = [Part("base", base, base if stack.trains_all() else 0)]
    if not stack.trains_all():
        methods, anatomy = stack.methods(adapters), anatomy_of(body.module)
        parts += [_layer_part(*each, body.module, anatomy) for each in zip(stack.layers, methods, strict=True)]
    module = lay(stack, body.module, adapters, stage.seed).module
    if isinstance(stage, Finetune):
        with torch.device("meta"):
            head = LinearHead(body.hidden_size, outputs, normalise=stage.head.normalise)
        count = (body.hidden_size + 1) * outputs
        parts.append(Part("head", count, count))
        reader: Classifier | LanguageModel = Classifier(module, head, stage.head.pooling_for(family))
    else:
        reader = body.language_model(module)
    return Blueprint(reader, tuple(parts), _weights(reader, parts, stack))


def _shape(backbone: LocalBackbone | None) -> tuple[PretrainedConfig, Family]:
    if backbone is not None:
        return shape_of(backbone), backbone.family
    return SmallBase().shape(pad=2, bos=0, eos=1), family_of("llama", "the small LLaMA")


def _layer_part(layer: AnyLayer, method: Method, body: nn.Module, anatomy: Anatomy) -> Part:
    count = method.count(body, anatomy)
    name = method.title() if isinstance(layer, Fresh) else f"{layer.kind} {method.title()}"
    return Part(name, count, 0 if isinstance(layer, Frozen) else count)


def _weights(module: nn.Module, parts: list[Part], stack: Stack) -> Weights:
    tensors = [*module.parameters(), *module.buffers()]
    learning = sum(part.trainable for part in parts)
    added = sum(part.parameters for part in parts[1:])
    kept = 4 * (sum(part.parameters for part in parts) if stack.trains_all() else added)
    return Weights(
        4 * sum(t.numel() for t in tensors), sum(t.numel() * t.element_size() for t in tensors), learning, kept
    )


def rehearsals(stage: Pretrain | Finetune, drawn: Blueprint, resolved: Resolved) -> Rehearsals:
    """Rehearse a micro-batch of full length, and a batch of an evaluation."""
    length, choice = stage.max_seq_len, stage.optimisation
    rows = min(choice.batch_size, max(1, choice.micro_batch_tokens // length))
    read = max(1, BUDGETS[resolved.device] // length)
    training = None
    if stack_of(stage).trains_body():
        run = _batch(drawn.module.train(), rows, length, resolved)
        training = rehearse(drawn.module, resolved.device, run, backward=True)
    run = _batch(drawn.module.eval(), read, length, resolved)
    reading = rehearse(drawn.module, resolved.device, run, backward=False)
    return Rehearsals(training, rows * length, reading, read * length)


def _batch(module: Classifier | LanguageModel, rows: int, length: int, resolved: Resolved) -> Callable[[], Tensor]:
    """A batch of full length and its loss, as a function."""

    def loss() -> Tensor:
        with torch.device(resolved.device):
            ids = torch.ones(rows, length, dtype=torch.int64)
            some, ones = torch.zeros(rows, dtype=torch.int64), torch.ones(rows)
            places = torch.zeros(rows * length, dtype=torch.int64)  # every token is predicted
        with torch.autocast(resolved.device, torch.bfloat16, enabled=resolved.precision == "bf16"):
            if isinstance(module, Classifier):
                return module.forward(ids, torch.ones_like(ids), some, ones)
            return module.forward(ids, torch.ones_like(ids), places)

    return loss
