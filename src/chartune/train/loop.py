"""The one loop. It knows an objective, an optimizer and a clock; what is learnt is the caller's business.

    index plan ─▶ micro-batches ─▶ Σ loss / weight of the step ─▶ clip ─▶ AdamW ─▶ [evaluate] ─▶ [checkpoint]

accelerate gives device placement and DDP; precision, order, seeds, schedule, checkpoints and stopping are ours,
so that a killed run ends with the same weights, bit for bit, as one that was left alone.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from chartune.errors import ChartuneError
from chartune.log import EventLog, Meter, progress, say
from chartune.models.memory import EXHAUSTED, out_of_memory
from chartune.train.checkpoint import load_checkpoint, restore, save_checkpoint, trainable
from chartune.train.ending import BrokenOff, Ending
from chartune.train.gradients import Gradients, halving
from chartune.train.invariants import Invariants
from chartune.train.objective import Evaluation
from chartune.train.optimizer import make_optimizer, rate_factor
from chartune.train.pace import Pace
from chartune.train.plan import Schedule, epoch_steps, schedule_of
from chartune.train.processes import Ended, agreed, begun, shared
from chartune.train.scaling import first_scale, loss_and_norm, scale_after_step
from chartune.train.soundness import halved, must_be_alone, must_be_finite, must_have_examples
from chartune.train.training import Fitted, Training


def fit(training: Training) -> Fitted:
    """Train to the end or until patience runs out, from the newest checkpoint if there is one.

    Raises:
        Diverged: the loss or the gradient is not finite; the last good checkpoint stays.
        RunError: there is nothing to learn from, or nothing that learns.
        StoreError: a checkpoint cannot be written; earlier ones stay.
    """
    choice, objective, attached = training.optimisation, training.objective, training.attached
    must_have_examples(len(objective.lengths))
    # Its own mixed precision is fixed once per process; ours belongs to the run.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    raw = objective.model
    raw.to(accelerator.device)
    called = begun(training.folder, training.budget)
    training.folder, training.budget = called.checkpoints, called.budget
    rules = (attached.undecayed(), attached.rate_ratios()) if attached else ()
    optimizer = make_optimizer(raw, choice, *rules)
    schedule = schedule_of(choice, training.stopping, len(objective.lengths))
    if attached is not None:
        training.regimes = attached.regimes(schedule.steps)
    training.invariants = Invariants(attached, training.probe)
    _resume(training, optimizer, schedule.steps)
    training.state = shared(training.state)  # or processes that have read alike in all but the last digit end apart
    model, prepared = accelerator.prepare(raw, optimizer)
    halves = halving(raw, accelerator, wanted=training.data_parallel)
    with progress(training.title, total=schedule.steps) as meter, halves as threads:
        gradients = Gradients(objective, model, accelerator, training.precision, threads)
        with _counted(training):
            stopped = _steps(training, gradients, prepared, schedule, meter)
    if training.best is not None:
        restore(raw, training.best, "the best weights")
    accelerator.free_memory()
    if not accelerator.is_main_process:
        raise Ended
    return Fitted(training.state, schedule.steps, stopped)


@contextmanager
def _counted(training: Training) -> Iterator[None]:
    """An error that ends a training says what that has spent."""
    try:
        yield
    except ChartuneError as error:
        error.tokens, error.seconds = training.state.tokens, training.state.seconds
        raise


def _resume(training: Training, optimizer: torch.optim.Optimizer, steps: int) -> None:
    training.state.micro_batch_tokens = training.budget
    training.state.loss_scale = first_scale(training.precision)
    checkpoint = load_checkpoint(training.folder, training.objective.model, optimizer)
    if checkpoint:
        training.state, training.best, memory = checkpoint
        training.regimes.recall(memory)
        training.state.resumed += 1
        training.state.earlier_seconds = training.state.seconds
        training.state.micro_batch_tokens = min(training.state.micro_batch_tokens, training.budget)
        say(f"{training.title}: goes on from a checkpoint, {training.state.step / steps:.0%} done")
    EventLog.rewind(training.events.path, training.state.step)


@dataclass
class _Loop:
    """What the steps of one attempt share."""

    training: Training
    gradients: Gradients
    optimizer: Any
    total: int
    meter: Meter
    ending: Ending
    pace: Pace
    saved: float = field(default_factory=time.monotonic)
    """When the last checkpoint was written, by the monotonic clock."""

    @property
    def accelerator(self) -> Any:
        """Of accelerate."""
        return self.gradients.accelerator

    @property
    def model(self) -> Any:
        """As accelerate has prepared it."""
        return self.gradients.model


def _steps(training: Training, gradients: Gradients, optimizer: Any, schedule: Schedule, meter: Meter) -> bool:
    """The loop proper. Returns whether patience or time ran out."""
    state, total = training.state, schedule.steps
    planned, plan = -1, list[NDArray[np.int64]]()
    meter.move_to(state.step)
    training.events.planned = total
    with training.events, Ending().noted() as ending:
        loop = _Loop(training, gradients, optimizer, total, meter, ending, Pace(training.in_tokens))
        if state.unevaluated:
            _after(loop, time.monotonic())
        over = _over(training, 0.0)
        while state.step < total and state.bad < training.stopping.patience and not over:
            started = time.monotonic()
            epoch, position = divmod(state.step, schedule.steps_per_epoch)
            if epoch != planned:
                plan = epoch_steps(training.objective.lengths, training.optimisation.batch_size, training.seed, epoch)
                planned = epoch
            _step(loop, plan[position], started)
            over = _over(training, time.monotonic() - started)
            state.unevaluated = state.step % schedule.interval == 0 or state.step == total or over
            _after(loop, started)
    return state.step < total


def _over(training: Training, further: float) -> bool:
    """Whether its time is up, `further` seconds after the last step that was counted."""
    most = training.optimisation.most_seconds
    return most is not None and training.state.seconds + further >= most


def _step(loop: _Loop, step: NDArray[np.int64], started: float) -> None:
    """One optimizer step, and what is said of it."""
    training, state, before = loop.training, loop.training.state, loop.training.state.tokens
    loss = _one_step(loop, step)
    taken = time.monotonic() - started
    state.train_seconds += taken
    loop.pace.stepped(state.tokens - before, taken)
    training.events.record(state.step, "loss", loss, tokens=state.tokens)
    loop.meter.show(loop.pace.remark(loss))
    loop.meter.advance()


def _after(loop: _Loop, started: float) -> None:
    """What follows a step that began then: evaluation and checkpoint where they are due, the end if a signal asks."""
    training, state, ending = loop.training, loop.training.state, loop.ending
    evaluated = state.unevaluated
    loop.pace.record(training.events, state.step, state.tokens, now=evaluated)
    if evaluated:
        _evaluate(loop)
    state.seconds += time.monotonic() - started
    if evaluated and not state.unevaluated and state.best_step == state.step:
        state.best_seconds, state.best_tokens = state.seconds, state.tokens
    asked = agreed(ending.asked, loop.accelerator.device)  # a signal that comes from here on waits for the next step
    if evaluated or asked is not None or time.monotonic() - loop.saved >= training.checkpoint_seconds:
        _save(loop)
    if asked is not None:
        ending.asked = asked
        ending.end()


def _save(loop: _Loop) -> None:
    training = loop.training
    if loop.accelerator.is_main_process:
        model, memory = training.objective.model, training.regimes.memory()
        save_checkpoint(training.folder, training.state, model, loop.optimizer.optimizer, training.best, memory)
    loop.saved = time.monotonic()


def _one_step(loop: _Loop, step: NDArray[np.int64]) -> float:
    """One optimizer step over `step`. Returns its mean loss. Raises Diverged, RunError: as `fit`."""
    training, state = loop.training, loop.training.state
    for group in loop.optimizer.param_groups:
        group["lr"] = group["peak"] * rate_factor(training.optimisation, state.step, loop.total)
    clip = partial(loop.accelerator.clip_grad_norm_, max_norm=training.optimisation.max_grad_norm)
    loss, norm = loss_and_norm(state, loop.model, lambda: _loss_in_memory(loop, step), clip, loop.optimizer.zero_grad)
    must_be_finite(loss, norm, state.step + 1, training.optimisation, training.precision)
    training.invariants.stepping(training.objective.model, state.step)
    loop.optimizer.step()
    training.regimes.stepped(state.step)
    scale_after_step(state, training.precision)
    loop.optimizer.zero_grad()
    state.step += 1
    state.tokens += int(training.objective.lengths[step].sum())
    return loss


def _loss_in_memory(loop: _Loop, step: NDArray[np.int64]) -> float:
    """As `_gradients`; the micro-batch is halved, the gradient unchanged, when memory runs out."""
    training = loop.training
    while True:
        try:
            return _gradients(loop, step)
        except EXHAUSTED as error:
            if not out_of_memory(error):
                raise
            must_be_alone(loop.accelerator.num_processes)
            loop.optimizer.zero_grad()
            longest = int(training.objective.lengths[step].max())
            training.state.micro_batch_tokens = halved(training.state.micro_batch_tokens, longest)


def _gradients(loop: _Loop, step: NDArray[np.int64]) -> float:
    """Accumulate the gradient of Σ loss / Σ weight over the step. Returns that mean loss."""
    training, state = loop.training, loop.training.state
    # Dropout is a function of the step: a resumed run draws what an undisturbed one would have drawn.
    drawn = np.random.SeedSequence([training.seed, state.step, loop.accelerator.process_index])
    torch.manual_seed(int(drawn.generate_state(1)[0]))
    loop.model.train()
    return loop.gradients.of(step, state.step, state.micro_batch_tokens, state.loss_scale, training.regimes.penalty)


def _shown(loop: _Loop) -> Evaluation | None:
    """What the weights score on the validation split; None: a signal has broken it off."""
    try:
        with loop.ending.breakable():
            return loop.training.evaluate()
    except BrokenOff:
        return None


def _evaluate(loop: _Loop) -> None:
    """Score the validation split, and keep the weights if they are the best; broken off, it was never begun."""
    training, state = loop.training, loop.training.state
    shown = shared(_shown(loop) if loop.accelerator.is_main_process else None)
    if shown is None:
        return
    state.unevaluated = False
    training.invariants.evaluated(state.step, training.events, state.tokens)
    for name, value in shown.values.items():
        training.events.record(state.step, name, value, split="validation", tokens=state.tokens)
    if not training.regimes.may_be_best(state.step):
        return
    if state.best_score is None or shown.score > state.best_score:
        state.best_score, state.best_step, state.bad = shown.score, state.step, 0
        training.best = trainable(training.objective.model)
    else:
        state.bad += 1
