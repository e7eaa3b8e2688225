"""Assembly: the model of a stage from its inputs; to be trained, to be read with, or without memory to be planned.

inputs ─bare_body─▶ Body ─assemble─▶ Model: body + stack + what reads it (a head on pooled states, or the LM head)
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from transformers import PretrainedConfig

from chartune.adapters.fusion import merging
from chartune.adapters.stack import Attached, attach, lay
from chartune.models.architecture import shape_of
from chartune.models.bidirectional import must_heed_a_full_mask
from chartune.models.families import Family, family_of
from chartune.models.load import Body, load_body
from chartune.models.meta import meta_body
from chartune.models.readers import Classifier, LanguageModel
from chartune.models.tokenizer import load_tokenizer
from chartune.stages.base import SmallBase
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import HeadSpec, ModelStage


@dataclass(frozen=True)
class Part:
    """A part of a model."""

    name: str
    """Such as `base`, `LoRA r=8`, `head`."""
    parameters: int
    """How many it has."""
    trainable: int
    """How many of them learn."""


@dataclass
class Model:
    """A base model with its stack in place, and what reads its hidden states."""

    body: Body
    attached: Attached
    reader: Classifier | LanguageModel
    """What is optimised and scored: it holds body and stack."""

    @property
    def learning(self) -> int:
        """Parameters that learn."""
        return sum(part.trainable for part in self.parts())

    @property
    def parameters(self) -> int:
        """All parameters in the forward pass."""
        return sum(part.parameters for part in self.parts())

    def parts(self, block: nn.Module | None = None) -> tuple[Part, ...]:
        """Base, each layer of the stack, task head; of a block of the body alone, which has no head."""
        layers = [Part(*counts) for counts in self.attached.counts(block)]
        heads = [Part("head", n, n)] if block is None and (n := self.reader.head_parameters) else []
        whole = sum(p.numel() for p in (block or self.reader).parameters())
        base = whole - sum(part.parameters for part in (*layers, *heads))
        return Part("base", base, base if self.attached.stack.trains_all() else 0), *layers, *heads


def bare_body(stage: ModelStage, inputs: Inputs, *, planned: bool = False) -> Body:
    """The base model of a stage, with merged layers in its weights, without the other layers and task head.

    Args:
        stage: its config.
        inputs: of that stage.
        planned: on the meta device, without memory; nothing is read but config.json.

    Raises:
        AdapterError: the weights do not fit the architecture.
    """
    stack = stage.layers()
    trains_all = stack.trains_all()
    if not planned:
        body = load_body(
            inputs.base, inputs.resolved, language_model=stage.needs_lm_head, trains_all=trains_all,
            change=merging(stack, inputs.adapters),
        )  # fmt: skip
        if stage.is_bidirectional():
            must_heed_a_full_mask(body.module, inputs.base.name)
        return body
    shape, family = _shape(inputs)
    return meta_body(shape, family, inputs.resolved, language_model=stage.needs_lm_head, trains_all=trains_all)


def assemble(
    stage: ModelStage, inputs: Inputs, body: Body, spec: HeadSpec | None = None, *, planned: bool = False
) -> Model:
    """Put stack and reader of a stage on its body, in place.

    Args:
        stage: its config.
        inputs: of that stage.
        body: from `bare_body`.
        spec: what its task needs of a head; None where there is no task.
        planned: the body is on the meta device: no weights are read.

    Raises:
        AdapterError: a layer adapts what the body does not have, or its weights do not fit.
    """
    stack, seed = stage.layers(), stage.seed
    attached = (
        lay(stack, body.module, inputs.adapters, seed) if planned
        else attach(stack, body.module, inputs.adapters, seed, partial(_ids, inputs))
    )  # fmt: skip
    with torch.device("meta" if planned else "cpu"):
        reader = stage.reader(body, _shape(inputs)[1], spec)
    return Model(body, attached, reader if planned else reader.to(inputs.resolved.device))


def _ids(inputs: Inputs, text: str) -> list[int]:
    """The tokens of a text, as the base model's tokenizer has them."""
    ids: list[int] = load_tokenizer(inputs.base)(text, add_special_tokens=False)["input_ids"]
    return ids


def _shape(inputs: Inputs) -> tuple[PretrainedConfig, Family]:
    if inputs.backbone is not None:
        return shape_of(inputs.backbone), inputs.backbone.family
    return SmallBase().shape(pad=2, bos=0, eos=1), family_of("llama", "the small LLaMA")
