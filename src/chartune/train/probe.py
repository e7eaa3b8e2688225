"""Probing: the head is fitted on the frozen body's vectors before the body itself is trained.

    texts ─body, read once─▶ vectors [n, D] ─L-BFGS─▶ head        then training goes on from there

A randomly initialised head passes noisy gradients to the adapters; one that begins at its optimum moves them only as
far as the task needs (linear probing, then fine-tuning: Kumar et al., 2022, arXiv:2202.10054). With few epochs, or
many rare labels, it also saves the steps in which the head would have learnt what a regression finds at once.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from chartune.batches.collate import Features
from chartune.models.readers import FeatureReader

PENALTIES: Final = (1e-3, 1e-2, 1e-1, 1.0)
"""Ridge penalties to choose from, on the head's matrix, where the loss is a mean over texts."""
ITERATIONS: Final = 60


def probe(reader: FeatureReader, features: Features, score: Callable[[], float]) -> float:
    """Fit the head, in place, with the penalty that scores best.

    Args:
        reader: the head.
        features: training vectors, labels and weights.
        score: how good the head is as it stands, on the validation split; higher is better.

    Returns:
        The chosen penalty.
    """
    begin = {name: tensor.clone() for name, tensor in reader.state_dict().items()}
    tried: list[tuple[float, float, dict[str, Tensor]]] = []
    for penalty in PENALTIES:
        reader.load_state_dict(begin)
        _fit(reader, features, penalty)
        fitted = {name: tensor.clone() for name, tensor in reader.state_dict().items()}
        tried.append((score(), penalty, fitted))
    _, chosen, best = max(tried, key=lambda trial: (trial[0], trial[1]))
    reader.load_state_dict(best)
    return chosen


def _fit(reader: FeatureReader, features: Features, penalty: float) -> None:
    """Minimise mean loss + penalty/2·‖W‖² by L-BFGS over all texts; of many labels each is a regression of its own."""
    weight = reader.head.linear.weight
    batch = {k: v.to(weight.device) for k, v in features.batch(np.arange(len(features.labels))).items()}
    # The loss is a mean over labels; times their number it is the sum of as many penalised regressions.
    scale = features.labels.size / len(features.labels) / float(features.weights.sum())
    optimizer = torch.optim.LBFGS(
        list(reader.head.parameters()), max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = reader(**batch) * scale + penalty / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
