"""What is optimised: a body with a task head, or with its language-model head. `forward` returns a summed loss.

    Classifier      tokens ─body─pool─head─▶ logits [B, L] ─▶ Σ wᵢ·loss(logitsᵢ, labelᵢ), as the answer says;
                    of words: states at their first pieces instead of the pooled one, logits [P, L]
    FeatureReader   vectors ────────head─▶ the same, where the frozen body has read every text already
    LanguageModel   tokens ─body─▶ hidden where a label is ─lm head, in chunks─▶ Σ −log p(next, or masked, token)

Sums, not means: the loop divides by the weight of the whole optimizer step, so that neither accumulation nor the
number of processes changes the gradient.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from chartune.models.bidirectional import full_attention
from chartune.models.families import Pooling
from chartune.models.heads import LinearHead, pool
from chartune.models.language import Language
from chartune.models.losses import CROSS_ENTROPY, UNBALANCED, Balance, weighted_loss
from chartune.models.token_loss import frozen_matrix, nll_beside_its_gradient, rounded, token_nll

CHUNK: Final = 1024
"""Rows of logits computed at a time, at most."""
LOGITS: Final = {"cpu": 2**23, "cuda": 2**26}
"""Logits (rows × vocabulary) computed at a time: 32 MiB in fp32 on a processor, three times while their gradient is;
256 MiB on a GPU, where it was not measured."""
LEAST: Final = 64
"""Rows of logits computed at a time, at least: below, a product reads more of the head than it computes."""
RECOMPUTE_ABOVE: Final = 2**25
"""Logits (rows × vocabulary) of a head that learns above which they are recomputed in the backward pass, not kept."""


def of_the_text(hidden: Tensor, input_ids: Tensor) -> Tensor:
    """Hidden states [B, T, D] of the tokens [B, T], without those of n virtual tokens before them, [B, n + T, D]."""
    return hidden[:, hidden.shape[1] - input_ids.shape[1] :]


class Classifier(nn.Module):
    """A body and a head on its pooled hidden state."""

    def __init__(
        self, body: nn.Module, head: LinearHead, pooling: Pooling, loss: str = CROSS_ENTROPY,
        balance: Balance = UNBALANCED, *, bidirectional: bool = False,
    ) -> None:  # fmt: skip
        """bidirectional: a decoder's tokens see those behind them (`chartune.models.bidirectional`)."""
        super().__init__()
        self.body, self.head, self.pooling, self.loss, self.balance = body, head, pooling, loss, balance
        self.bidirectional = bidirectional

    @property
    def head_parameters(self) -> int:
        """Parameters of the task head."""
        return sum(p.numel() for p in self.head.parameters())

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, weights: Tensor, owners: Tensor | None = None,
        places: Tensor | None = None, token_type_ids: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Summed weighted loss. labels: [B] or [B, L]; weights: [B]; the others as of `pooled`."""
        pooled = self.pooled(input_ids, attention_mask, owners=owners, places=places, token_type_ids=token_type_ids)
        return weighted_loss(self.loss, self.head(pooled), labels, weights, self.balance)

    def pooled(
        self, input_ids: Tensor, attention_mask: Tensor, body: Any = None, owners: Tensor | None = None,
        places: Tensor | None = None, token_type_ids: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The vector that represents each text, [B, D]; or those of tokens, [P, D].

        Args:
            input_ids: [B, T]; of texts in windows [R, T].
            attention_mask: as many, 0 on padding.
            body: what computes the same hidden states as the body; None: the body itself.
            owners: the text of each row, ascending, [R]; None: each row is a text.
            places: tokens b·T + t whose vectors are asked for, [P]; None: a text has one.
            token_type_ids: 1 on tokens of the second text of a pair, [B, T]; None: the body knows no such types, or
                texts stand alone.
        """
        read = self.body if body is None else body
        seen = full_attention(attention_mask) if self.bidirectional else {"attention_mask": attention_mask}
        if token_type_ids is not None:
            seen = {**seen, "token_type_ids": token_type_ids}
        hidden = read(input_ids=input_ids, **seen).last_hidden_state
        hidden = of_the_text(hidden, input_ids)
        if places is not None:
            return hidden.flatten(0, 1)[places].float()
        vectors = pool(hidden, attention_mask, self.pooling)
        return vectors if owners is None else self.head.over_windows(vectors, owners)


class FeatureReader(nn.Module):
    """The head alone, on vectors that a frozen body has left."""

    def __init__(self, head: LinearHead, loss: str = CROSS_ENTROPY, balance: Balance = UNBALANCED) -> None:
        super().__init__()
        self.head, self.loss, self.balance = head, loss, balance

    def forward(self, vectors: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Summed weighted loss. vectors: [B, D]; labels: [B] or [B, L]; weights: [B]."""
        return weighted_loss(self.loss, self.head(vectors), labels, weights, self.balance)


class LanguageModel(nn.Module):
    """A body and its language-model head."""

    def __init__(self, body: nn.Module, lm_head: nn.Module, language: Language, vocabulary: int) -> None:
        super().__init__()
        self.body, self.lm_head, self.language, self.vocabulary = body, lm_head, language, vocabulary

    @property
    def head_parameters(self) -> int:
        """Parameters of a task head: none; the language-model head is a part of the base."""
        return 0

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, predicting: Tensor, targets: Tensor | None = None
    ) -> Tensor:
        """Summed negative log-likelihood of the predicted tokens; arguments as of `nll`."""
        return self.nll(input_ids, position_ids, predicting, targets).sum()

    def nll(self, input_ids: Tensor, position_ids: Tensor, predicting: Tensor, targets: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of each predicted token, in order: [N].

        Args:
            input_ids: [B, T].
            position_ids: [B, T], 0 where a piece or padding begins.
            predicting: places b·T + t of the states that predict, ascending, [N].
            targets: what they predict, [N]; None: the successor of each.
        """
        hidden = self.body(input_ids=input_ids, **self.language.beside(position_ids)).last_hidden_state
        hidden = of_the_text(hidden, input_ids).flatten(0, 1)
        targets = input_ids.flatten()[predicting + 1] if targets is None else targets
        return self.nll_of(hidden[predicting], targets)

    def nll_of(self, states: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of each token, [N]: of hidden states that predict, [N, D], and what they do, [N]."""
        rows, products = self._rows(states.device.type), _products_of(states)
        frozen, learning = frozen_matrix(self.lm_head), torch.is_grad_enabled()
        # in fp16 a gradient must carry the scaler's factor before it is rounded
        if frozen is not None and learning and products != torch.float16:
            return nll_beside_its_gradient(states, targets, rounded(frozen, products), self.language, rows)
        head = self.lm_head if frozen is None else partial(nn.functional.linear, **rounded(frozen, products)._asdict())
        chunks = zip(torch.split(states, rows), torch.split(targets, rows), strict=True)
        if learning and len(states) * self.vocabulary > RECOMPUTE_ABOVE:
            return torch.cat([checkpoint(self._chunk, head, h, t, use_reentrant=False) for h, t in chunks])
        return torch.cat([self._chunk(head, h, t) for h, t in chunks])

    def _rows(self, device: str) -> int:
        """How many rows of logits [rows, vocabulary] are held at a time."""
        return min(CHUNK, max(LEAST, LOGITS[device] // self.vocabulary))

    def _chunk(self, head: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor) -> Tensor:
        return token_nll(self.language.logits(head(hidden).float()), targets)


def _products_of(states: Tensor) -> torch.dtype:
    """The type in which a head multiplies states."""
    device = states.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
