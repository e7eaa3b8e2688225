"""What ways beside stock transformers' Trainer share: its arguments, and the weights that all begin with."""

import tempfile
from typing import Any

import numpy as np
import torch

from chartune.models.precision import multiplies_bf16


def trainer_of(model: Any, rate: float, *, bf16: bool = False, **further: Any) -> Any:
    """A Trainer for one pass, with the optimizer's numbers that chartune has; all else is its default.

    Args:
        model: what it trains.
        rate: the learning rate.
        bf16: whether it may use bf16, which it then does where the processor multiplies it fast.
        further: `data_collator` and `train_dataset` of Trainer, and arguments of TrainingArguments.
    """
    from transformers import Trainer, TrainingArguments

    own = {name: further.pop(name) for name in ("data_collator", "train_dataset") if name in further}
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, num_train_epochs=1, learning_rate=rate, adam_beta2=0.98,
        weight_decay=0.01, bf16=bf16 and multiplies_bf16("cpu"), save_strategy="no", report_to="none",
        logging_strategy="no", disable_tqdm=True, remove_unused_columns=False, **further,
    )  # fmt: skip
    return Trainer(model, arguments, **own)


def alike(model: Any) -> Any:
    """Give what learns of a way the numbers that all ways begin with; their order is that of the body."""
    random = np.random.default_rng(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                drawn = random.normal(0, 0.02, weight.shape) * (not name.endswith("bias"))
                weight.copy_(torch.from_numpy(drawn))
    return model
