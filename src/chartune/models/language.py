"""What a language model does beside its body and its head: how it scales logits, how it keeps texts apart.

    hidden ─head─▶ raw ─(divided, multiplied, capped)─▶ logits        Granite divides, Gemma 2 caps, most do nothing
    <s> one </s> <s> two ─▶ does `two` see `one`?                     most say no by the positions; else a mask says it
    [CLS] one [SEP] - -                                               an encoder has one text in a row

Both are tried on the loaded model with a few tokens, because a wrong loss would train without an error.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal

import torch
from torch import Tensor

from chartune.errors import AdapterError
from chartune.models.foreign import reading

Apart = Literal["positions", "mask", "rows"]
"""What keeps two texts apart: positions that begin again in one row, a mask over that row, or a row for each."""
TOLERANCE: Final = 1e-3
"""Of the largest number: far above rounding, far below what another text does."""


@dataclass(frozen=True)
class Language:
    """How a family makes logits of tokens."""

    multiplier: float = 1.0
    """Of the head's result."""
    cap: float | None = None
    """c of c·tanh(x/c), Gemma 2's soft cap (Gemma Team 2024, arXiv:2408.00118, §2)."""
    apart: Apart = "positions"
    """What keeps texts apart; an encoder reads both ways, and has one in a row."""

    @classmethod
    def of(cls, config: Any, *, both_ways: bool) -> "Language":
        """From a transformers config of a decoder, or of an encoder, which reads both ways."""
        if both_ways:
            return cls(apart="rows")
        settings: dict[str, Any] = config.to_dict()
        multiplier = float(settings.get("logit_scale") or 1.0) / float(settings.get("logits_scaling") or 1.0)
        return cls(multiplier, settings.get("final_logit_softcapping"))

    def logits(self, raw: Tensor) -> Tensor:
        """raw: what the head gives, [.., V] in fp32; returns logits of the same shape."""
        scaled = raw if self.multiplier == 1.0 else raw * self.multiplier
        return scaled if self.cap is None else self.cap * torch.tanh(scaled / self.cap)

    def of_raw(self, errors: Tensor, logits: Tensor) -> Tensor:
        """The gradient by what the head gives. errors: that by the logits, [.., V]; logits: [.., V] in fp32."""
        scaled = errors if self.multiplier == 1.0 else errors * self.multiplier
        return scaled if self.cap is None else scaled * (1 - (logits / self.cap) ** 2)

    def beside(self, position_ids: Tensor) -> dict[str, Tensor | None]:
        """What a body is given beside the tokens. position_ids: [B, T], 0 where a piece or padding begins."""
        if self.apart == "rows":
            return {"attention_mask": first_pieces(position_ids)}
        return {
            "position_ids": position_ids,
            "attention_mask": pieces_mask(position_ids) if self.apart == "mask" else None,
        }


def language_of(model: Any, head: Any, name: str, *, both_ways: bool) -> Language:
    """How a loaded language model makes its logits.

    Args:
        model: causal, or masked; it computes in fp32.
        head: of its last hidden states.
        name: of the base model, for messages.
        both_ways: whether it is an encoder.

    Raises:
        AdapterError: it does something that is not known here, so that a loss would be wrong.
    """
    language = Language.of(model.config, both_ways=both_ways)
    ids = torch.arange(3, 9).unsqueeze(0)
    with torch.no_grad(), reading("transformers", f"{name} must read a text", "choose another base model"):
        hidden = model.base_model(input_ids=ids, **{} if both_ways else {"use_cache": False}).last_hidden_state
        if not _alike(model(input_ids=ids).logits, language.logits(head(hidden))):
            raise AdapterError(
                f"a language model's logits must be its head's result, scaled or capped, but those of {name} are not; "
                f"choose another base model for pretraining."
            )
    return language if both_ways else replace(language, apart=_apart(model.base_model, name))


def first_pieces(position_ids: Tensor) -> Tensor:
    """The tokens of the first piece of each row, 1, and padding or further pieces, 0: [B, T]. position_ids: [B, T]."""
    return (position_ids == torch.arange(position_ids.shape[1], device=position_ids.device)).long()


def pieces_mask(position_ids: Tensor) -> Tensor:
    """What may be attended to: tokens of the same piece, up to oneself.

    Args:
        position_ids: [B, T], 0 where a piece begins.

    Returns:
        To be added to scores, [B, 1, T, T]: 0 or the least number.
    """
    piece = (position_ids == 0).cumsum(1)
    seen = (piece.unsqueeze(2) == piece.unsqueeze(1)).tril()
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min).unsqueeze(1)


def _apart(body: Any, name: str) -> Apart:
    """What keeps two texts of one row apart: positions alone, else a mask; or the model is refused."""
    ids, positions = torch.arange(3, 9).unsqueeze(0), torch.tensor([[0, 1, 2, 0, 1, 2]])
    read = partial(body, use_cache=False)  # positions separate texts only without a cache
    with torch.no_grad(), reading("transformers", f"{name} must read packed texts", "choose another base model"):
        alone = read(input_ids=ids[:, 3:], position_ids=positions[:, 3:]).last_hidden_state
        for mask in (None, pieces_mask(positions)):
            packed = read(input_ids=ids, position_ids=positions, attention_mask=mask).last_hidden_state
            if _alike(packed[:, 3:], alone):
                return "positions" if mask is None else "mask"
    raise AdapterError(
        f"texts that share a row must not see each other, but in {name} they do, whatever mask it is given; choose "
        f"another base model for pretraining."
    )


def _alike(first: Tensor, second: Tensor) -> bool:
    return bool((first - second).abs().max() <= TOLERANCE * second.abs().max())
