"""The head of a masked language model: all that transformers' own model does with the hidden states of an encoder.

    BertForMaskedLM = bert ─▶ cls ─▶ logits     the same with `bert` taken out: [.., D] ─▶ transform, decoder ─▶ [.., V]

Each family's head is called and put together otherwise (`cls` in BERT, `lm_head` in RoBERTa, three modules in
DistilBERT); the family's own forward pass knows how, so that no table is needed. Whether it gives the same logits is
tried when it is loaded (`chartune.models.language`).
"""

import copy
from operator import itemgetter
from typing import Any

from torch import Tensor, nn


class MaskedHead(nn.Module):
    """The parts of a masked language model above its body; they and their ties belong to the model that is given."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        above = copy.copy(whole)
        above._modules = dict(whole._modules)
        above._modules[whole.base_model_prefix] = _PassThrough()
        self.above = above

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden: last hidden states, [.., D]; returns logits [.., V]."""
        logits: Tensor = self.above(inputs_embeds=hidden.flatten(0, -2).unsqueeze(0)).logits
        return logits.view(*hidden.shape[:-1], -1)


class _PassThrough(nn.Module):
    """In place of a body: takes last hidden states, [1, N, D], as if they were embeddings, and returns them."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> "_States":
        return _States((inputs_embeds,))


class _States(tuple[Tensor]):
    """What a body returns: states, and nothing else that it might be asked for."""

    last_hidden_state = property(itemgetter(0))

    def __getattr__(self, name: str) -> None:
        return None
