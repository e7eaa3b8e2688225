"""Contributions: by how much each layer of a stack changes the logits of a few training texts.

logits ─┬─ as they are ────────┐
        └─ without the layer ──┴─▶ mean of |difference|      of the same eight texts, as the layers were trained
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.batches.budgets import reading_budget
from chartune.batches.collate import Examples, length_groups
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.prediction.reading import reading
from chartune.stages.assembly import Model
from chartune.train.invariants import Probe
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.plan import schedule_of

TEXTS: Final = 8
"""Training texts that are read, evenly spaced."""
MOST: Final = 0.02
"""Share of the training's computation that the probe may take, by counts of passes."""
BACKWARD: Final = 3
"""Forward passes that a text costs in training, its backward pass included."""


def contributions(assembled: Model, train: Examples, numerics: Resolved) -> list[float | None]:
    """Of each layer of the stack the mean absolute change of the logits where it is switched off.

    Args:
        assembled: the model, with a task head.
        train: its training examples.
        numerics: the numerics in force.

    Returns:
        For each layer; None of one that is merged, inactive, or cannot be taken out. None at all where every weight
        learns.
    """
    attached = assembled.attached
    changes: list[float | None] = [None] * len(attached.methods)
    whole = _logits(assembled, train, numerics) if any(attached.placed()) else np.zeros(0)
    for index, _, _ in attached.placed():
        if (off := attached.without(index)) is not None:
            with off:
                changes[index] = float(np.abs(_logits(assembled, train, numerics) - whole).mean())
    return changes


def probe_of(
    optimisation: Optimisation, stopping: Stopping, assembled: Model, train: Examples, numerics: Resolved
) -> Probe | None:
    """The probe of a training, so seldom that it costs little; None: only a head learns."""
    layers = len(list(assembled.attached.placed()))
    if not assembled.attached.trainable() or not layers:
        return None
    interval = schedule_of(optimisation, stopping, len(train.encoded)).interval
    trained = BACKWARD * interval * min(optimisation.batch_size, len(train.encoded))
    every = math.ceil(min(TEXTS, len(train.encoded)) * (layers + 1) / (MOST * trained))

    def measure() -> Mapping[str, float]:
        changes = contributions(assembled, train, numerics)
        return {f"contribution of layer {n}": change for n, change in enumerate(changes, 1) if change is not None}

    return Probe(every * interval, measure)


def _logits(assembled: Model, train: Examples, numerics: Resolved) -> NDArray[np.float32]:
    """[8, L], in the numerics of the training."""
    model = assembled.reader
    if not isinstance(model, Classifier):
        raise AssertionError("contributions are measured on the logits of a task")
    rows = np.unique(np.linspace(0, len(train.encoded) - 1, TEXTS).astype(np.int64))
    device, parts = next(model.parameters()).device, []
    with reading(model, replace(numerics, reading="as-trained")) as body:
        for group in length_groups(train.encoded.lengths[rows], reading_budget(device.type, numerics.precision)):
            batch = {name: tensor.to(device) for name, tensor in train.tokens(rows[group]).items()}
            states = model.pooled(**batch, body=body)
            parts.append(np.asarray(model.head(states).float().cpu().numpy(), dtype=np.float32))
    return np.concatenate(parts)
