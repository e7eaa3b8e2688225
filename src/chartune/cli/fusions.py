"""`--fusion`: how a trained adapter and what is trained on the task come together, as the layers of a stack.

clinical adapter, method ─▶ [frozen, fresh] · [merged, fresh] · [trainable] · [frozen] · one fresh layer of both ranks
"""

from collections.abc import Callable
from typing import Any, Final

from chartune.cli.methods import HEAD_ONLY, fresh
from chartune.errors import ConfigError

Layers = list[dict[str, Any]]

FUSIONS: Final[dict[str, str]] = {
    "sum": "both in the forward pass",
    "merge-then-fresh": "the clinical adapter a part of the base's weights, a fresh layer on top",
    "continue": "the clinical adapter alone, trained further",
    "head-only": "the clinical adapter as it is, the head alone learns",
    "equal-rank": "a control: one fresh LoRA of both ranks, without the clinical adapter",
    "shuffled": "a control: as sum, the blocks of the clinical adapter in other places",
    "paper-code": "as P1's public code: the fresh layer is never in the forward pass",
}
"""Name → what it means."""
ALONE: Final = ("continue", HEAD_ONLY)
"""In which no fresh layer takes part."""


def fused(
    fusion: str, clinical: str | None, state: str | None, method: str | None, equal_rank: Callable[[str], Layers]
) -> Layers:
    """The layers of a stack, as plain data.

    Args:
        fusion: one of `FUSIONS`.
        clinical: the run, or adapter folder, that it stands on.
        state: of the clinical layer, where the fusion leaves it open.
        method: what is trained on the task; None: the default.
        equal_rank: the fresh layer that has the rank of a clinical adapter and of the task's own together.

    Raises:
        ConfigError: a clinical adapter is missing, or another flag does not apply.
    """
    _must_apply(fusion, clinical, state, method)
    if clinical is None:
        return []
    if fusion == "equal-rank":
        return equal_rank(clinical)
    kinds: dict[str, dict[str, Any]] = {
        "continue": {"kind": "trainable"}, "merge-then-fresh": {"kind": "merged"},
        "shuffled": {"kind": "frozen", "shuffled": 0},
    }  # fmt: skip
    below = {**kinds.get(fusion, {"kind": state or "frozen"}), "adapter": clinical}
    inactive = {"active": False} if fusion == "paper-code" else {}
    return [below] if fusion in ALONE else [below, *({**layer, **inactive} for layer in fresh(method))]


def _must_apply(fusion: str, clinical: str | None, state: str | None, method: str | None) -> None:
    if clinical is None and fusion != HEAD_ONLY:
        raise ConfigError(f"--fusion {fusion} must have a clinical adapter, but --clinical is missing; name its run.")
    if state is not None and fusion != "sum":
        raise ConfigError(f"--fusion {fusion} states how the clinical adapter stays; leave out --clinical-state.")
    if method is not None and (fusion in ALONE or method == HEAD_ONLY) and method != fusion:
        raise ConfigError(f"--fusion {fusion} and --method {method} must not contradict; leave one of them out.")
