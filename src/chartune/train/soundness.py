"""What must hold of a training: there are examples, numbers stay finite, and gradients reach what learns."""

import math

from torch import nn

from chartune.errors import Diverged, RunError
from chartune.models.precision import Computed
from chartune.train.optimizer import Optimisation


def must_end_together(most_seconds: float | None, processes: int) -> None:
    """Refuse a limit of time where several processes, each by its own clock, would end at different steps.

    Args:
        most_seconds: the limit; None: there is none.
        processes: that train together.

    Raises:
        RunError: there is a limit, and several processes.
    """
    if most_seconds is not None and processes > 1:
        raise RunError(
            f"`optimisation.most_seconds` must be asked of one process, but {processes} train together and would end "
            f"at different steps; leave it out, or start one process."
        )


def must_be_alone(processes: int) -> None:
    """Refuse smaller micro-batches after memory ran out in one of several processes: the others do not know.

    Raises:
        RunError: there are several.
    """
    if processes > 1:
        raise RunError(
            f"memory must suffice for a micro-batch in each of {processes} processes, but it ran out in this one; "
            f"choose fewer tokens with --set optimisation.micro_batch_tokens=N, or fewer processes."
        )


def must_have_examples(count: int) -> None:
    """Refuse a training on nothing. Raises RunError: the count is 0."""
    if not count:
        raise RunError(
            "training needs at least one example, but there is none; see the attrition of the prepared data."
        )


def must_be_finite(loss: float, norm: float, step: int, choice: Optimisation, precision: Computed) -> None:
    """Refuse a step that would spoil the weights.

    Args:
        loss: mean of the step.
        norm: of its gradient, before it is clipped.
        step: counted from 1.
        choice: whose learning rate is named.
        precision: in force; fp16 has numbers up to 65,504 only.

    Raises:
        Diverged: one of both is no finite number.
    """
    if not (math.isfinite(loss) and math.isfinite(norm)):
        other = " or choose numerics.precision=fp32, for fp16 may be too narrow," if precision == "fp16" else ""
        if step == 1 and not math.isfinite(loss):  # no rate has moved anything
            raise Diverged(
                f"the loss must be a finite number, but at step 1, before anything has learnt, it is {loss}: the base "
                f"model, or an adapter of the stack, computes numbers beyond its precision ({precision}); choose "
                f"numerics.precision=fp32 if it is another, or take another base or adapter."
            )
        raise Diverged(
            f"loss and gradient must stay finite, but at step {step} they are {loss} and {norm}; "
            f"lower optimisation.learning_rate (now {choice.learning_rate:g}){other} and run again."
        )


def must_get_gradients(module: nn.Module) -> None:
    """Refuse a training in which nothing but a head learns although more should.

    Args:
        module: after the first backward pass.

    Raises:
        RunError: no weight outside the head has a gradient.
    """
    learning = [p for name, p in module.named_parameters() if p.requires_grad and not name.startswith("head.")]
    if learning and all(p.grad is None for p in learning):
        raise RunError(
            f"what is to learn must get a gradient, but after the first step none of {len(learning)} tensors has one: "
            f"the layers are not in the forward pass. Nothing has been learnt; take another --method or --base."
        )


def halved(budget: int, longest: int) -> int:
    """The micro-batch after memory has run out.

    Args:
        budget: padded tokens of a micro-batch so far.
        longest: tokens of the longest example of the step.

    Raises:
        RunError: a micro-batch was one example already.
    """
    if budget <= 1:
        raise RunError(
            f"one example ({longest} tokens) must fit into memory, but it does not; shorten max_seq_len or take a "
            f"smaller base model."
        ) from None
    return budget // 2
