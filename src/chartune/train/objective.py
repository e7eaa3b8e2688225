"""What a training minimises, over which examples, and by what it is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Objective:
    """What is optimised, and over which examples."""

    model: nn.Module
    """`model(**batch)` returns the summed weighted loss of a micro-batch."""
    batch: Callable[[NDArray[np.int64], int], dict[str, Tensor]]
    """Indices, and the optimizer steps already made → the model's arguments. What is drawn anew is drawn from both."""
    lengths: NDArray[np.int64]
    """Tokens per example, [n]."""
    weights: NDArray[np.floating[Any]] | NDArray[np.int64]
    """What each example weighs in the loss, [n]; a step's gradient is divided by their sum."""


@dataclass(frozen=True)
class Evaluation:
    """The result of one evaluation on the validation split."""

    score: float
    """Higher is better: what early stopping goes by."""
    values: Mapping[str, float]
    """Numbers for the event log, by name."""
