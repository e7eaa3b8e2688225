"""Budgets: how many padded tokens go through a model at once, by rule and never by a timing.

    a step's examples ─length_groups─▶ micro-batches of at most so many padded tokens ─▶ the gradient of all of them

On a processor the intermediate results of a larger batch leave the caches; on a GPU those of a smaller one leave it
idle. What a budget changes are speed and last digits: the loss of a step is a sum over its micro-batches.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator


def _tokens_or_auto(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError(f"must be `auto` or a whole number of tokens above 0, but got {ascii(value)[:40]}")
    return value


TokenBudget = Annotated[Literal["auto"] | int, BeforeValidator(_tokens_or_auto)]
"""Padded tokens of a micro-batch as chosen in a config, or `auto`: by the rule."""

ENCODER: Final = {"fp32": 1024, "bf16": 1536, "fp16": 1536}
"""Of an encoder on a processor, by precision; measured with MiniLM and log-normal lengths, but for fp16, as wide as
bf16."""
DECODER: Final = 1024
"""Of a decoder on a processor; fewer rows cost a LLaMA of 25 million parameters 5 to 12 % in bf16."""
ON_GPU: Final = 4096
"""On a GPU; not measured."""
READ: Final = {"fp32": 1536, "bf16": 768, "fp16": 768}
"""Without gradients on a processor, by precision."""
READ_ON_GPU: Final = 8192
"""Without gradients on a GPU; not measured."""


def budget_of(choice: TokenBudget, device: str, precision: str, *, decoder: bool) -> int:
    """Padded tokens of a micro-batch in training.

    Args:
        choice: in the config.
        device: `cpu` or `cuda`.
        precision: in force.
        decoder: whether the base reads left to right.
    """
    if choice != "auto":
        return choice
    return ON_GPU if device == "cuda" else DECODER if decoder else ENCODER[precision]


def rows_within(budget: int, length: int) -> int:
    """How many rows of so many tokens a budget of padded tokens takes: one at least."""
    return max(1, budget // length)


def reading_budget(device: str, precision: str) -> int:
    """Padded tokens of a batch that is read without gradients.

    Args:
        device: `cpu` or `cuda`.
        precision: in force.
    """
    return READ_ON_GPU if device == "cuda" else READ[precision]
