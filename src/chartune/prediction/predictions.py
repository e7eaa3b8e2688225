"""Reading without gradients: length-sorted inside, dataset order outside, so that no score meets the wrong patient."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from chartune.batches.budgets import reading_budget, rows_within
from chartune.batches.collate import Examples, length_groups
from chartune.batches.pack import Blocks
from chartune.errors import RunError
from chartune.log import progress
from chartune.models.memory import EXHAUSTED, out_of_memory
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier, FeatureReader, LanguageModel
from chartune.prediction.reading import reading

T = TypeVar("T")
Groups = Callable[[NDArray[np.int64], int], list[NDArray[np.int64]]]


def pooled_vectors(model: Classifier, examples: Examples, numerics: Resolved) -> NDArray[np.float32]:
    """The pooled vector of each text, or those of its words. Returns [vectors, D], in the order of the examples."""
    device = next(model.parameters()).device
    budget = reading_budget(device.type, numerics.precision)
    with reading(model, numerics) as body:
        return in_batches(
            examples.encoded.lengths, budget, lambda rows: _pooled(model, body, examples, rows, device),
            examples.into, examples.vectors,
        )  # fmt: skip


def in_batches(
    lengths: NDArray[np.int64], budget: int, read: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    into: Callable[[NDArray[np.int64]], NDArray[np.int64]], count: int, groups: Groups = length_groups,
) -> NDArray[np.float32]:  # fmt: skip
    """Read rows of like length together, as many as a budget takes, in halves where memory runs out.

    Args:
        lengths: tokens of each row, [n].
        budget: tokens of a batch, padded ones unless `groups` knows none.
        read: numbers of some rows ─▶ their vectors, [vectors of these rows, D].
        into: numbers of some rows ─▶ the numbers of their vectors, in the same order.
        count: how many vectors there are in all.
        groups: lengths and budget ─▶ the numbers of the rows that are read together, the longest first.

    Returns:
        [count, D].

    Raises:
        RunError: one row alone does not fit.
    """
    out: NDArray[np.float32] | None = None
    with progress("read", total=len(lengths)) as meter:
        for group in groups(lengths, budget):
            for part, vectors in _in_parts(group, read):
                out = np.empty((count, vectors.shape[1]), dtype=np.float32) if out is None else out
                out[into(part)] = vectors
            meter.advance(len(group))
    return np.empty((0, 0), dtype=np.float32) if out is None else out


def logits_of(model: Classifier, examples: Examples, numerics: Resolved) -> NDArray[np.float32]:
    """The logits of each text in fp32. Returns [n, L], in the order of the examples."""
    return head_logits(FeatureReader(model.head), pooled_vectors(model, examples, numerics))


def head_logits(reader: FeatureReader, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The head's logits. vectors: [n, D]; returns [n, L].

    Raises:
        RunError: one is not finite; the message counts the texts.
    """
    device = reader.head.linear.weight.device
    with torch.inference_mode():
        logits: NDArray[np.float32] = (
            reader.head(torch.from_numpy(np.ascontiguousarray(vectors)).to(device)).cpu().numpy()
        )
    if broken := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise RunError(
            f"every score must be a finite number, but those of {broken:,} of {len(logits):,} texts are not: the "
            f"weights have diverged, or a precision of two bytes is too narrow; lower optimisation.learning_rate, or "
            f"choose numerics.precision=fp32, and train again."
        )
    return logits


def total_nll(model: LanguageModel, blocks: Blocks, numerics: Resolved) -> tuple[float, int]:
    """Summed negative log-likelihood in nats, and the number of predicted tokens: perplexity = exp(nats / tokens)."""
    nats = token_nll(model, blocks, numerics)
    return float(nats.sum()), len(nats)


def token_nll(model: LanguageModel, blocks: Blocks, numerics: Resolved) -> NDArray[np.float64]:
    """Negative log-likelihood in nats of each predicted token, in the order of `Blocks.targets`: [N]."""
    device = next(model.parameters()).device
    rows = rows_within(reading_budget(device.type, numerics.precision), blocks.ids.shape[1])
    parts = [np.zeros(0)]
    with reading(model, numerics), progress("perplexity", total=len(blocks)) as meter:
        for start in range(0, len(blocks), rows):
            indices = np.arange(start, min(start + rows, len(blocks)))
            parts += [nats for _, nats in _in_parts(indices, lambda rows: _nats(model, blocks, rows, device))]
            meter.advance(len(indices))
    return np.concatenate(parts)


def _pooled(
    model: Classifier, body: Any, examples: Examples, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    batch = {name: tensor.to(device) for name, tensor in examples.tokens(rows).items()}
    vectors = model.pooled(**batch, body=body)
    return np.asarray(vectors.float().cpu().numpy(), dtype=np.float32)


def _nats(model: LanguageModel, blocks: Blocks, rows: NDArray[np.int64], device: torch.device) -> NDArray[np.float64]:
    batch = {name: tensor.to(device) for name, tensor in blocks.batch(rows).items()}
    return np.asarray(model.nll(**batch).double().cpu().numpy())


def _in_parts(rows: NDArray[np.int64], read: Callable[[NDArray[np.int64]], T]) -> list[tuple[NDArray[np.int64], T]]:
    """`read(rows)`, in halves of halves where memory runs out; training and its micro-batch are left alone.

    Raises:
        RunError: one row alone does not fit.
    """
    try:
        return [(rows, read(rows))]
    except EXHAUSTED as error:
        if not out_of_memory(error):
            raise
    if len(rows) == 1:
        raise RunError(
            "one text must fit into memory to be read, but it does not; shorten texts with "
            "--set max_seq_len=N, or take a smaller --base."
        )
    middle = len(rows) // 2
    return _in_parts(rows[:middle], read) + _in_parts(rows[middle:], read)
