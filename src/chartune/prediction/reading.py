"""Reading: a model in evaluation, in the run's numerics, in the way in which one reads that nothing learns in.

as-trained: body with its layers      merged: layers inside the matrices      fused: that, and in fewer operations
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from chartune.adapters import merged
from chartune.adapters.injected import tuner_layers
from chartune.models import fused_encoder
from chartune.models.fused_encoder import FusedEncoder, of_known_parts
from chartune.models.numerics import Resolved
from chartune.models.precision import computing
from chartune.models.readers import Classifier, LanguageModel


@contextmanager
def reading(model: Classifier | LanguageModel, numerics: Resolved) -> Iterator[Any]:
    """Meanwhile the model is read and not trained; afterwards mode and weights are what they were, bit for bit.

    Yields:
        The body to read with: [B, T] tokens ─▶ last hidden states [B, T, D].
    """
    was_training, device = model.training, next(model.parameters()).device.type
    model.eval()
    try:
        with (
            ready_to_read(model.body, numerics, device) as body,
            torch.inference_mode(),
            computing(device, numerics.precision),
        ):
            yield body
    finally:
        model.train(was_training)


@contextmanager
def ready_to_read(body: nn.Module, numerics: Resolved, device: str) -> Iterator[Any]:
    """Meanwhile a body that is on a device is as the numerics say that it is read. Yields what reads like it."""
    with nullcontext() if numerics.reading == "as-trained" else merged.merged(body):
        fused = numerics.reading == "fused" and device == "cpu" and _holds_no_other_layer(body)
        with torch.no_grad():
            reader = FusedEncoder(body) if fused else body
        yield reader


def copied_bytes(module: nn.Module, numerics: Resolved) -> int:
    """Bytes of the weights of a model, or of one of its blocks, that are held twice while it is read."""
    if numerics.reading == "as-trained":
        return 0
    return merged.copied_bytes(module) + (fused_encoder.copied_bytes(module) if numerics.reading == "fused" else 0)


def _holds_no_other_layer(body: nn.Module) -> bool:
    """Whether nothing is left in a body beside its own parts, once the layers beside matrices are merged."""
    inside = {id(weight) for layer in tuner_layers(body) for weight in layer.parameters()}
    return of_known_parts(name for name, weight in body.named_parameters() if id(weight) not in inside)
