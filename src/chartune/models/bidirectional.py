"""Bidirectional attention of a decoder: its causal mask gives way to one that hides padding alone.

    causal      t1 ◀─ t2 ◀─ t3 ─ pad        what it was pretrained with
    both ways   t1 ◀▶ t2 ◀▶ t3 ─ pad        for texts that are read and not written (BehnamGhader et al., 2024)

No weight changes, so that what a model makes of texts until it is trained so is worth little. A window that limits
attention (Mistral, Gemma 3) limits nothing then.
"""

from typing import Any

import torch
from torch import Tensor

from chartune.errors import AdapterError
from chartune.models.foreign import reading


def full_attention(attention_mask: Tensor) -> dict[str, Tensor]:
    """What a decoder is given so that every token sees every token of its text.

    Args:
        attention_mask: [B, T], 0 on padding, which is on the right.

    Returns:
        `attention_mask`, to be added to scores, [B, 1, T, T]: 0 or the least number; and `position_ids`, [B, T].
    """
    rows, length = attention_mask.shape
    hidden = torch.where(attention_mask.bool(), 0.0, torch.finfo(torch.float32).min)
    positions = torch.arange(length, device=attention_mask.device).expand(rows, length)
    return {"attention_mask": hidden[:, None, None, :].expand(rows, 1, length, length), "position_ids": positions}


def must_heed_a_full_mask(body: Any, name: str) -> None:
    """Try on a few tokens whether a decoder heeds that mask, and padding changes nothing.

    Args:
        body: headless, without layers.
        name: of the base model, for messages.

    Raises:
        AdapterError: a token behind another one does not change its state, or padding does.
    """
    ids = torch.arange(3, 9, device=next(body.parameters()).device).unsqueeze(0)
    other, padded = ids.clone(), torch.cat([ids, ids], dim=1)
    other[0, -1] = 9
    mask = torch.ones_like(padded)
    mask[:, ids.shape[1] :] = 0
    with torch.no_grad(), reading("transformers", f"{name} must read a text both ways", "leave out `bidirectional`"):
        states, moved, alone = (
            body(input_ids=tokens, **full_attention(seen), use_cache=False).last_hidden_state[:, : ids.shape[1]].float()
            for tokens, seen in ((ids, mask[:, :6]), (other, mask[:, :6]), (padded, mask))
        )
    most = float(states.abs().max())
    if not (moved - states)[0, 0].abs().max() > 0 or (alone - states).abs().max() > 1e-2 * most:
        raise AdapterError(
            f"a decoder that reads both ways must heed the mask that it is given, but {name} does not; leave out "
            f"`bidirectional`, or choose another base model, such as LLaMA."
        )
