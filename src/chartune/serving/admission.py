"""Admission: what is proved of a run before it may answer under its task's name.

files as signed · base by its hash · names, shapes, every tensor (`stages.loading`)
─▶ every layer changes something, and not by rounding alone ─▶ the head is finite and depends on the text
─▶ of rows in mixed batches: as by `predict`, and rows beside them as if they were alone
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from chartune.adapters.adapter import Adapter
from chartune.adapters.stack import Attached
from chartune.errors import AdapterError
from chartune.models.bidirectional import full_attention
from chartune.models.heads import LinearHead
from chartune.models.readers import of_the_text
from chartune.models.values import is_finite
from chartune.serving.mixing import MixedBody

LEAST: Final = 1e-6
"""By how much a layer must change hidden states, of their largest number: less is rounding in fp32."""
MOST: Final = 1e-4
"""By how much states of a mixed batch may differ from those with the layers as the run has them, of the same."""
LENGTH: Final = 16
"""Tokens of a probe."""
NOT: Final = "it is not loaded, and its task is not answered by anything else"


def probe_of(body: nn.Module) -> Tensor:
    """Token ids that an adapter is tried on, [2, 16]: the same for a vocabulary in every process."""
    vocabulary = int(body.config.vocab_size)  # type: ignore[union-attr,arg-type]
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (2, LENGTH), generator=generator)
    return ids.to(next(body.parameters()).device)


def states_of(body: nn.Module, ids: Tensor, *, bidirectional: bool) -> Tensor:
    """Hidden states [B, T, D] of token ids [B, T], layers as they are active now."""
    mask = torch.ones_like(ids)
    seen = full_attention(mask) if bidirectional else {"attention_mask": mask}
    with torch.inference_mode():
        made: Tensor = body(input_ids=ids, **seen).last_hidden_state
    return of_the_text(made, ids)


def must_change_something(adapters: Sequence[Adapter], name: str) -> None:
    """Refuse layers that hold nothing that was learnt. Raises AdapterError."""
    if idle := [adapter for adapter in adapters if adapter.idle]:
        raise AdapterError(
            f"every layer of {name!r} must change what its base reads, but in {idle[0].folder} "
            f"{idle[0].method.idle}; {NOT}; train it again."
        )


def must_contribute(attached: Attached, ids: Tensor, name: str, *, bidirectional: bool) -> Tensor:
    """Refuse a run of whose layers one is without effect on a probe.

    Args:
        attached: its body, with layers.
        ids: from `probe_of`.
        name: of the run.
        bidirectional: as it reads.

    Returns:
        The hidden states with all layers, [B, T, D].

    Raises:
        AdapterError: a layer changes nothing, or states are no numbers.
    """
    whole = states_of(attached.module, ids, bidirectional=bidirectional)
    if not is_finite(whole):
        raise AdapterError(f"hidden states must be finite numbers, but on a probe those of {name!r} are not; {NOT}.")
    for index, method, _ in attached.placed():
        off = attached.without(index)
        if off is None:
            continue
        with off:
            gap = _gap(whole, states_of(attached.module, ids, bidirectional=bidirectional))
        if not gap > LEAST:
            raise AdapterError(
                f"every layer of {name!r} must change what its base reads by more than {LEAST:g} of it, but on a probe "
                f"layer {index} ({method.title()}) changes {gap:.1e}; {NOT}; train it again."
            )
    return whole


def must_depend_on_the_text(head: LinearHead, name: str) -> None:
    """Refuse a head that is not finite, or says the same of every text. Raises AdapterError."""
    tensors = dict(head.named_parameters())
    if broken := [key for key, tensor in tensors.items() if not is_finite(tensor)]:
        raise AdapterError(f"a head must hold finite numbers, but {broken[0]} of {name!r} does not; {NOT}.")
    if not bool(head.linear.weight.any()):
        raise AdapterError(f"a head must depend on the text, but every weight of that of {name!r} is 0; {NOT}.")


def must_mix(mixed: MixedBody, task: str, ids: Tensor, whole: Tensor) -> str:
    """Try a task's LoRA in mixed batches, once in the first row and once in the last.

    Args:
        mixed: holds it.
        task: the task.
        ids: from `probe_of`.
        whole: states of both with the layers as the run has them.

    Returns:
        Why its rows cannot share a batch with others; empty: they can.
    """
    tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    try:
        bare = mixed.states(tokens, [])
        for row, other in ((0, 1), (1, 0)):
            made = mixed.states(tokens, [(task, slice(row, row + 1))])
            if _gap(whole[row], made[row]) > MOST or _gap(bare[other], made[other]) > MOST:
                return "in a mixed batch its states differ from its own by more than rounding"
    except AdapterError as error:
        return str(error)
    return ""


def _gap(expected: Tensor, given: Tensor) -> float:
    """The largest difference, as a share of the largest number expected."""
    return float((expected - given).abs().max() / expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny))
