"""Likelihood of labels: log p of the tokens of each label behind a context, by a causal language model.

context [T] ─body, once─▶ its last state, which predicts first tokens ─┐
                       └▶ keys and values ─▶ the further tokens of labels, beside each other ─▶ Σ log p  [K]
"""

import copy
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.log import progress
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.prediction.reading import reading

AT_ONCE: Final = 64
"""Labels whose further tokens are read beside each other: each has a copy of the context's keys and values."""


def log_likelihoods(
    model: LanguageModel, contexts: Sequence[NDArray[np.int64]], labels: Sequence[Sequence[int]], numerics: Resolved
) -> NDArray[np.float64]:
    """Log-likelihood in nats of all tokens of each label behind each context, [n, K].

    Args:
        model: body and language-model head.
        contexts: tokens of each, [T].
        labels: tokens of each label, one or more.
        numerics: precision and device.
    """
    device = next(model.parameters()).device
    rows = []
    with reading(model, numerics) as body, progress("label likelihood", total=len(contexts)) as meter:
        for context in contexts:
            rows.append(_of_one(model, body, torch.as_tensor(context, device=device).unsqueeze(0), labels))
            meter.advance(1)
    return np.stack(rows) if rows else np.zeros((0, len(labels)))


def _of_one(model: LanguageModel, body: Any, context: Tensor, labels: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Of one context [1, T]: [K]."""
    read = body(input_ids=context, use_cache=True)
    state = read.last_hidden_state[:, -1]  # [1, D]
    first = _nll(model, state.expand(len(labels), -1), [label[0] for label in labels])
    sums = -first.double().cpu().numpy()
    longer = [place for place, label in enumerate(labels) if len(label) > 1]
    for start in range(0, len(longer), AT_ONCE):
        places = longer[start : start + AT_ONCE]
        sums[places] += _further(model, body, context, read, [labels[place] for place in places])
    return sums


def _further(
    model: LanguageModel, body: Any, context: Tensor, read: Any, labels: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """What the tokens of labels behind their first ones add: [labels]."""
    width = max(map(len, labels)) - 1
    given = torch.tensor([[*label[:-1], *[0] * (width - len(label) + 1)] for label in labels], device=context.device)
    hidden = _behind(body, context, given, read)  # [labels, width, D]
    rows, columns = zip(*((row, at) for row, label in enumerate(labels) for at in range(len(label) - 1)), strict=True)
    targets = [token for label in labels for token in label[1:]]
    nats = _nll(model, hidden[list(rows), list(columns)], targets).double().cpu().numpy()
    return np.asarray(np.bincount(rows, weights=-nats, minlength=len(labels)))


def _behind(body: Any, context: Tensor, given: Tensor, read: Any) -> Tensor:
    """Last hidden states of further tokens [B, W] behind one context [1, T], [B, W, D].

    A body that keeps keys and values reads the further tokens alone; one that does not reads the context again.
    """
    kept: Any = copy.deepcopy(getattr(read, "past_key_values", None))
    if hasattr(kept, "batch_repeat_interleave"):
        kept.batch_repeat_interleave(len(given))
        hidden: Tensor = body(input_ids=given, past_key_values=kept, use_cache=True).last_hidden_state
        return hidden
    whole = torch.cat([context.expand(len(given), -1), given], dim=1)
    hidden = body(input_ids=whole, use_cache=False).last_hidden_state[:, context.shape[1] :]
    return hidden


def _nll(model: LanguageModel, states: Tensor, targets: Sequence[int]) -> Tensor:
    return model.nll_of(states, torch.tensor(targets, device=states.device))
