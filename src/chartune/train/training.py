"""Training: what the loop moves, what it starts from, and how it went."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from torch import Tensor

from chartune.adapters.regime import Regimes
from chartune.adapters.stack import Attached
from chartune.log import EventLog
from chartune.models.precision import Computed
from chartune.train.checkpoint import State, trainable
from chartune.train.invariants import Invariants, Probe
from chartune.train.objective import Evaluation, Objective
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.plan import schedule_of

CHECKPOINT_SECONDS: Final = 30.0


@dataclass
class Fitted:
    """How training went. The model holds the best weights."""

    state: State
    """Where it ended."""
    total_steps: int
    """What was planned."""
    stopped_early: bool
    """Whether patience or time ran out."""


@dataclass
class Training:
    """One attempt at a training: the pieces that the loop moves."""

    objective: Objective
    optimisation: Optimisation
    stopping: Stopping
    seed: int
    precision: Computed
    folder: Path
    """Where checkpoints are kept between attempts."""
    events: EventLog
    evaluate: Callable[[], Evaluation]
    title: str = "train"
    attached: Attached | None = None
    """The layers among what learns, where there are any."""
    in_tokens: bool = True
    """Whether the lengths of its examples count tokens; False: vectors that a frozen body has left."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    budget: int = field(kw_only=True)
    """Padded tokens of a micro-batch (`chartune.batches.budgets`)."""
    data_parallel: bool = False
    """Whether two threads take half of a micro-batch each, where they can."""
    state: State = field(default_factory=State)
    best: dict[str, Tensor] | None = None
    regimes: Regimes = field(default_factory=Regimes)
    """What the layers ask of the loop; known once it is known how many steps there are."""
    probe: Probe | None = None
    """What is measured of the layers beside the score; None: nothing."""
    invariants: Invariants = field(default_factory=Invariants)
    """What must hold of the layers."""


def begin(training: Training, shown: Evaluation) -> None:
    """The current weights count as the best so far: training that never improves on them leaves them.

    Their evaluation is the first of the run, at step 0.
    """
    EventLog.rewind(training.events.path, -1)  # an attempt that left no checkpoint is forgotten
    lengths = training.objective.lengths
    training.events.planned = schedule_of(training.optimisation, training.stopping, len(lengths)).steps
    with training.events as log:
        for name, value in shown.values.items():
            log.record(0, name, value, split="validation")
    training.state.best_score, training.state.best_step = shown.score, 0
    training.best = trainable(training.objective.model)
