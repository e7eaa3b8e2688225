"""Token lists → one padded batch: never longer than its longest text, right-padded, masked."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.batches.tokenize import Encoded

CELLS: Final = 4
"""Times the tokens that are read, where padding is not: as many cells may their hidden states be laid out in."""


@dataclass(frozen=True)
class Examples:
    """Texts as tokens, with what is asked of them."""

    encoded: Encoded
    """n texts."""
    labels: NDArray[np.int64] | NDArray[np.float32]
    """Class numbers [n], or which labels apply, [n, L]."""
    weights: NDArray[np.float32]
    """[n], weight of each example in the loss."""
    pad_id: int
    """Fills the right of short rows; masked, so its value never matters."""
    window: int | None = None
    """Tokens of a row where a text is several (`chartune.batches.long_texts`); None: each is one."""

    @property
    def vectors(self) -> int:
        """How many vectors a head reads of them all."""
        return len(self.encoded)

    def into(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the vectors of some of them."""
        return rows

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether something of a text is not read, [n]."""
        return self.encoded.truncated

    @property
    def marks(self) -> dict[str, NDArray[Any]]:
        """What determines their vectors beside tokens and pooling, by name."""
        return {} if self.encoded.types is None else {"types": self.encoded.types}

    def features(self, vectors: NDArray[np.float32]) -> "Features":
        """The same with vectors that a body has left, [vectors, D]."""
        return Features(vectors, self.labels, self.weights)

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """The model's arguments for some examples.

        Returns:
            input_ids and attention_mask [B, T], labels [B] or [B, L], weights [B]. Of texts in windows [R, T], and
            `owners` [R]: the text of each row, 0 to B - 1, ascending. Of pairs, where the body knows them,
            `token_type_ids` [B, T].
        """
        tokens = self.tokens(indices)
        return {
            **tokens,
            "labels": torch.from_numpy(self.labels[indices]),
            "weights": torch.from_numpy(self.weights[indices]),
        }

    def tokens(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Of `batch` the arguments that say what is read."""
        texts = [self.encoded[i] for i in indices]
        if self.encoded.types is not None:
            types = pad([self.encoded.types_of(i) for i in indices], 0)["input_ids"]
            return {**pad(texts, self.pad_id), "token_type_ids": types}
        if self.window is None:
            return pad(texts, self.pad_id)
        rows = [text[start : start + self.window] for text in texts for start in range(0, len(text), self.window)]
        counts = [-(-len(text) // self.window) for text in texts]
        return {**pad(rows, self.pad_id), "owners": torch.from_numpy(np.repeat(np.arange(len(texts)), counts))}


@dataclass(frozen=True)
class Features:
    """Pooled vectors of texts that a frozen body has read once, with what is asked of them."""

    vectors: NDArray[np.float32]
    """[n, D]."""
    labels: NDArray[np.int64] | NDArray[np.float32]
    """[n], or [n, L]."""
    weights: NDArray[np.float32]
    """[n]."""
    starts: NDArray[np.int64] | None = None
    """Where the vectors of each row begin, and where the last end, [rows + 1]; None: each is a row."""

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Vectors [B, D], labels [B] or [B, L], weights [B], of some rows."""
        starts = self.starts
        if starts is not None:
            indices = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in indices])
        return {
            "vectors": torch.from_numpy(self.vectors[indices]),
            "labels": torch.from_numpy(self.labels[indices]),
            "weights": torch.from_numpy(self.weights[indices]),
        }


def pad(rows: list[NDArray[np.int32]], pad_id: int) -> dict[str, Tensor]:
    """Right-pad token lists to the longest. Returns input_ids and attention_mask, [B, T] int64."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def length_groups(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Indices sorted by length and cut so that rows × longest stays within a token budget (at least one row each).

    Args:
        lengths: tokens per text, [n].
        budget: padded tokens of one batch.
    """
    groups: list[list[int]] = []
    for index in np.argsort(lengths, kind="stable")[::-1]:  # longest first: a batch that does not fit shows at once
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= budget:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return [np.asarray(group, dtype=np.int64) for group in groups]


def token_groups(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """The same for what reads no padding: the tokens of a group stay within a budget, and its cells within some.

    Args:
        lengths: tokens per text, [n].
        budget: tokens of one batch; rows × longest are at most `CELLS` times as many.
    """
    groups: list[list[int]] = []
    filled = 0
    for index in np.argsort(lengths, kind="stable")[::-1]:
        filled += int(lengths[index])
        if groups and filled <= budget and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= CELLS * budget:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
            filled = int(lengths[index])
    return [np.asarray(group, dtype=np.int64) for group in groups]
