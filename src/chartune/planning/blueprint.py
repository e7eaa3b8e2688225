"""Blueprint: the parts and bytes of a stage's model, and a rehearsal of its batches, on the meta device.

stage ─▶ model without memory, of many like blocks two ─▶ parts, bytes in memory and on disk
                                                    └──▶ what a micro-batch and an evaluation would cost
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import torch
from torch import Tensor, nn

from chartune.adapters.method import ROOT
from chartune.batches.budgets import reading_budget, rows_within
from chartune.batches.masking import EVALUATED
from chartune.models.anatomy import anatomy_of
from chartune.models.losses import blank_labels, weighted_loss
from chartune.models.numerics import Resolved
from chartune.models.precision import computing
from chartune.models.readers import Classifier, LanguageModel
from chartune.planning.depth import Blocks, like_blocks
from chartune.planning.rehearsal import Missing, Rehearsals, Run, rehearse
from chartune.planning.requirements import COPY, Weights
from chartune.prediction.reading import copied_bytes, ready_to_read
from chartune.stages.assembly import Model, Part, assemble, bare_body
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import HeadSpec
from chartune.stages.pretrain import Pretrain
from chartune.train.gradients import HALVES

SHALLOW: Final = 2
"""Blocks of a model that is rehearsed. Of a single block the peak is another: it is the first and the last at once."""


@dataclass(frozen=True)
class Blueprint:
    """A model without memory, and what it would have in full."""

    model: Model
    missing: Missing | None
    """Blocks that it would have besides; None: it has all."""
    parts: tuple[Part, ...]
    """Of the whole model: base, each layer of the stack, task head."""
    weights: Weights
    """Of the whole model."""


@contextmanager
def drawn(stage: Pretrain | Finetune, inputs: Inputs, spec: HeadSpec) -> Iterator[Blueprint]:
    """A stage's model on the meta device; meanwhile it has no more than two of its like blocks.

    Raises:
        AdapterError: a layer adapts what the body does not have.
    """
    body = bare_body(stage, inputs, planned=True)
    blocks = like_blocks(body.module)
    alike = blocks is not None and _treats_alike(stage, inputs, body.module, blocks)
    with _shallow(blocks if alike else None) as missing:
        model = assemble(stage, inputs, body, spec, planned=True)
        parts = _parts(model, missing)
        yield Blueprint(model, missing, parts, _weights(model, parts, missing))


@contextmanager
def _shallow(blocks: Blocks | None) -> Iterator[Missing | None]:
    """Meanwhile a model has only the first of its like blocks."""
    if blocks is None or len(blocks) <= SHALLOW:
        yield None
        return
    missing = len(blocks) - SHALLOW
    with blocks.first(SHALLOW) as (_, last):
        yield Missing(last, missing)


def _treats_alike(stage: Pretrain | Finetune, inputs: Inputs, body: nn.Module, blocks: Blocks) -> bool:
    """Whether a stack puts the same into every block, matrix by matrix; then two show what it does to all."""
    if stage.layers().trains_all():
        return True
    anatomy = anatomy_of(body)
    return all(
        blocks.share({name.removeprefix(ROOT): shape for name, shape in method.shapes(body, anatomy).items()})
        for method in stage.layers().methods(inputs.adapters)
    )


def _parts(model: Model, missing: Missing | None) -> tuple[Part, ...]:
    """The parts of a whole model, those blocks included that were left out when it was built."""
    parts = model.parts()
    if missing is None:
        return parts
    n, none = missing.count, Part("head", 0, 0)  # blocks have no head
    return tuple(
        Part(part.name, part.parameters + n * more.parameters, part.trainable + n * more.trainable)
        for part, more in zip_longest(parts, model.parts(missing.like), fillvalue=none)
    )


def _weights(model: Model, parts: Sequence[Part], missing: Missing | None) -> Weights:
    """What the whole model takes in memory, and what a run keeps of it."""
    sizes = [_size(model.reader), *([_size(missing.like)] * missing.count if missing else [])]
    base, *added = parts
    kept = sum(part.parameters for part in added) + base.trainable
    largest = max(tensor.numel() for tensor in model.reader.parameters())
    wide = 4 * sum(part.parameters for part in parts) - sum(sizes) if model.attached.stack.merged else 0
    return Weights(sum(sizes), 4 * largest, sum(part.trainable for part in parts), 4 * kept, max(0, wide))


def _size(module: nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers()))


def rehearsals(
    stage: Pretrain | Finetune, blueprint: Blueprint, resolved: Resolved, budget: int, length: int | None = None
) -> Rehearsals:
    """Rehearse a micro-batch, and a batch of an evaluation, which is read as the numerics say.

    After a micro-batch the other one gets as many rows, and is counted in proportion: what was followed once is
    followed in a third of the time.

    Args:
        stage: its config.
        blueprint: its model.
        resolved: the numerics in force.
        budget: padded tokens of a micro-batch.
        length: tokens of a row; None: `max_seq_len`.
    """
    length = length or stage.max_seq_len
    reader, missing, device = blueprint.model.reader, blueprint.missing, resolved.device
    of_a_text = stage.long.rows if isinstance(stage, Finetune) else 1  # go through the model together
    rows = min(stage.optimisation.batch_size * of_a_text, max(of_a_text, rows_within(budget, length)))
    read = followed = max(of_a_text, rows_within(reading_budget(device, resolved.precision), length))
    guessed = stage.masking.rate if isinstance(stage, Pretrain) else 1.0
    training = None
    if stage.layers().trains_body():
        followed, run = rows, _batch(reader.train(), rows, length, resolved, guessed)
        training = rehearse(reader, missing, device, run, backward=True)
        if resolved.data_parallel:  # each half has a gradient of its own, beside that of the step
            training = replace(training, peak_bytes=training.peak_bytes + HALVES * COPY * blueprint.weights.trainable)
    run = _batch(reader.eval(), followed, length, resolved)
    ready = partial(ready_to_read, reader.body, resolved, device)
    reading = rehearse(reader, missing, device, run, backward=False, ready=ready).of_more_rows(read / followed)
    reading = replace(reading, peak_bytes=reading.peak_bytes + _copied(blueprint, resolved))
    return Rehearsals(training, rows * length, reading, read * length)


def _copied(blueprint: Blueprint, resolved: Resolved) -> int:
    """Bytes of the weights that the whole model holds twice while it is read."""
    missing = blueprint.missing
    of_missing = missing.count * copied_bytes(missing.like, resolved) if missing else 0
    return copied_bytes(blueprint.model.reader, resolved) + of_missing


def _batch(
    module: Classifier | LanguageModel, rows: int, length: int, resolved: Resolved, guessed: float = EVALUATED.rate
) -> Run:
    """A batch and its loss, as a function of what reads for the body, if anything does.

    Args:
        module: that is rehearsed.
        rows: of the batch.
        length: tokens of each.
        resolved: the numerics in force.
        guessed: the share of tokens that an encoder guesses.
    """

    def loss(body: Any = None) -> Tensor:
        with torch.device(resolved.device):
            ids, ones = torch.ones(rows, length, dtype=torch.int64), torch.ones(rows)
            if isinstance(module, Classifier):
                labels = blank_labels(module.loss, rows, module.head.linear.out_features)
            else:  # a decoder predicts every token
                share = guessed if module.language.apart == "rows" else 1.0
                places = torch.zeros(rows * max(1, round(share * length)), dtype=torch.int64)
        with computing(resolved.device, resolved.precision):
            if isinstance(module, Classifier):
                logits = module.head(module.pooled(ids, torch.ones_like(ids), body))
                return weighted_loss(module.loss, logits, labels, ones)
            return module.forward(ids, torch.ones_like(ids), places, places)

    return loss
