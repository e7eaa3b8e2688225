"""Blueprint: the bytes of a stage's model, and a rehearsal of its batches, on the meta device.

model without memory ─▶ bytes in memory and on disk ─▶ what a micro-batch and an evaluation would cost
"""

from collections.abc import Callable

import torch
from torch import Tensor

from chartune.models.load import Resolved
from chartune.models.losses import blank_labels
from chartune.models.readers import Classifier, LanguageModel
from chartune.planning.depth import like_blocks
from chartune.planning.rehearsal import Rehearsals, rehearse
from chartune.planning.requirements import Weights
from chartune.prediction.predictions import BUDGETS
from chartune.stages.assembly import Model
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain


def weights_of(model: Model) -> Weights:
    """What a model takes in memory, and what a run keeps of it."""
    tensors = [*model.reader.parameters(), *model.reader.buffers()]
    base, *added = model.parts()
    kept = sum(part.parameters for part in added) + base.trainable
    return Weights(
        4 * sum(t.numel() for t in tensors),
        sum(t.numel() * t.element_size() for t in tensors),
        model.learning,
        4 * kept,
    )


def rehearsals(stage: Pretrain | Finetune, model: Model, resolved: Resolved) -> Rehearsals:
    """Rehearse a micro-batch of full length, and a batch of an evaluation."""
    length, choice = stage.max_seq_len, stage.optimisation
    rows = min(choice.batch_size, max(1, choice.micro_batch_tokens // length))
    read = max(1, BUDGETS[resolved.device] // length)
    training, blocks = None, like_blocks(model.reader)
    if stage.layers().trains_body():
        run = _batch(model.reader.train(), rows, length, resolved)
        training = rehearse(model.reader, blocks, resolved.device, run, backward=True)
    run = _batch(model.reader.eval(), read, length, resolved)
    reading = rehearse(model.reader, blocks, resolved.device, run, backward=False)
    return Rehearsals(training, rows * length, reading, read * length)


def _batch(module: Classifier | LanguageModel, rows: int, length: int, resolved: Resolved) -> Callable[[], Tensor]:
    """A batch of full length and its loss, as a function."""

    def loss() -> Tensor:
        with torch.device(resolved.device):
            ids, ones = torch.ones(rows, length, dtype=torch.int64), torch.ones(rows)
            if isinstance(module, Classifier):
                labels = blank_labels(module.loss, rows, module.head.linear.out_features)
            places = torch.zeros(rows * length, dtype=torch.int64)  # every token is predicted
        with torch.autocast(resolved.device, torch.bfloat16, enabled=resolved.precision == "bf16"):
            if isinstance(module, Classifier):
                return module.forward(ids, torch.ones_like(ids), labels, ones)
            return module.forward(ids, torch.ones_like(ids), places)

    return loss
