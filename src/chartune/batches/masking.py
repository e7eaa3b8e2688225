"""Masking: which tokens an encoder must guess, and what stands in their place (Devlin et al. 2019, §3.1).

    [CLS] pain in the chest [SEP] ─15 % of the text─▶ [CLS] pain in the [MASK] [SEP]     predicts: chest
                                                       80 % [MASK] · 10 % another token · 10 % as it is

In training the masks are drawn anew at each step, from the seed, the step and the row, so that a resumed run draws what
an undisturbed one would have drawn. What is evaluated has one mask for all runs, drawn from the tokens of the row, and
shows no token that it asks for: whatever is tuned, and whatever is masked in training, perplexities compare.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from chartune.batches.pack import Blocks
from chartune.config import Config
from chartune.errors import AdapterError

TRAINING, EVALUATION = 1, 2
"""What sets the draws of masks apart from each other and from all others of a seed."""


class Masking(Config):
    """Which tokens an encoder must guess in pretraining; of a decoder none are masked."""

    rate: float = Field(0.15, gt=0, le=1)
    """Share of the tokens of a row that are guessed, special tokens not counted; at least one."""
    mask_token: float = Field(0.8, ge=0, le=1)
    """Share of these that the mask token stands for."""
    random_token: float = Field(0.1, ge=0, le=1)
    """Share of these that another token stands for, never a special one; the rest stay as they are."""

    @model_validator(mode="after")
    def _must_be_shares(self) -> Self:
        if self.mask_token + self.random_token > 1:
            raise ValueError(
                f"`mask_token` and `random_token` are shares of the guessed tokens and must not exceed 1 together, got "
                f"{self.mask_token:g} and {self.random_token:g}; lower one of them"
            )
        return self

    def guessed(self, rows: Blocks) -> NDArray[np.int64]:
        """How many tokens of each row are guessed: [n], at least 1."""
        counts: NDArray[np.int64] = np.maximum(1, np.rint(self.rate * rows.predicted_tokens)).astype(np.int64)
        return counts


EVALUATED: Final = Masking(mask_token=1.0, random_token=0.0)
"""Of what is evaluated, whatever is masked in training."""


@dataclass(frozen=True)
class Masker:
    """Draws which tokens of rows are guessed, and what stands in their place."""

    masking: Masking
    """The shares in training."""
    mask: int
    """Id of the mask token."""
    others: NDArray[np.int64]
    """Ids of all tokens that are not special, ascending: [V']."""

    @classmethod
    def of(cls, tokenizer: Any, masking: Masking, name: str) -> Self:
        """By the tokenizer of the base model of that name. Raises AdapterError: it has no mask token."""
        if tokenizer.mask_token_id is None:
            raise AdapterError(
                f"an encoder is pretrained by guessing what its mask token stands for, but the tokenizer of {name} has "
                f"none; copy the tokenizer files that came with the base, or name its token as mask_token in "
                f"tokenizer_config.json."
            )
        special = set(tokenizer.all_special_ids)
        others = sorted(number for number in tokenizer.get_vocab().values() if number not in special)
        return cls(masking, int(tokenizer.mask_token_id), np.asarray(others, dtype=np.int64))

    def trained(self, rows: Blocks, seed: int, which: NDArray[np.int64], step: int) -> dict[str, Tensor]:
        """The model's arguments for some rows in a step of training: a function of these alone.

        Args:
            rows: of the training split.
            seed: of the run.
            which: their numbers.
            step: counted from 0.
        """
        draws = [np.random.default_rng([TRAINING, seed, step, row]) for row in which.tolist()]
        return self._masked(rows.chosen(which), self.masking, draws).batch(np.arange(len(which)))

    def evaluated(self, rows: Blocks) -> Blocks:
        """Rows with the masks under which they are always evaluated: a function of their tokens."""
        tokens = (ids[:length].astype("<i4") for ids, length in zip(rows.ids, rows.lengths, strict=True))
        hashes = (np.frombuffer(hashlib.sha256(row.tobytes()).digest(), dtype="<u4").tolist() for row in tokens)
        return self._masked(rows, EVALUATED, [np.random.default_rng([EVALUATION, *digest]) for digest in hashes])

    def _masked(self, rows: Blocks, masking: Masking, draws: Sequence[np.random.Generator]) -> Blocks:
        """Rows with some of their tokens masked. draws: of each row."""
        predicts, shown = np.zeros_like(rows.predicts), rows.ids.copy()
        for row, (count, random) in enumerate(zip(masking.guessed(rows), draws, strict=True)):
            places = random.permutation(np.flatnonzero(rows.predicts[row]))[:count]
            share = random.random(count)
            masked, replaced = share < masking.mask_token, share >= 1 - masking.random_token
            predicts[row, places] = True
            shown[row, places[masked]] = self.mask
            shown[row, places[replaced]] = random.choice(self.others, int(replaced.sum()))
        return replace(rows, predicts=predicts, shown=shown)
