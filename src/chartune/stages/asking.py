"""Asking: a causal model with a prompt, as texts → logits of labels; and how the examples of a prompt are drawn.

texts ─prompt─▶ log p of each label's tokens ─(per token)─▶ scores [n, K] ─(less those without content)─▶ logits [n, K]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.batches.prompting import Asked, Prompter, Wording, cut_to
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.notes.text_pair import Text, TextPair
from chartune.prediction.likelihood import log_likelihoods
from chartune.stages.table import TaskTable

CONTENT_FREE: Final = ("N/A", "[MASK]", "")
"""Texts without content, as Zhao et al. (2021, §5) take them."""


@dataclass(frozen=True)
class Questioner:
    """A model with a prompt."""

    prompter: Prompter
    model: LanguageModel
    resolved: Resolved
    normalised: bool
    """Whether log-likelihoods are means over the tokens of a label."""
    free: NDArray[np.float64] | None = None
    """Log-probabilities of the labels of texts without content, [K]; None: labels are not weighed by them."""

    def asked(self, texts: Sequence[Text]) -> list[Asked]:
        """Texts within their prompts."""
        return [self.prompter.asked(text) for text in texts]

    def logits(self, asked: Sequence[Asked]) -> NDArray[np.float64]:
        """Of each text a logit for each label, [n, K]."""
        labels = self.prompter.labels
        scores = log_likelihoods(self.model, [one.context for one in asked], labels, self.resolved)
        if self.normalised:
            scores = scores / np.asarray([len(ids) for ids in labels])
        return scores if self.free is None else log_shares(scores) - self.free


def calibrated(plain: Questioner, *, of_pairs: bool) -> Questioner:
    """With contextual calibration: p of a label is divided by the mean of what texts without content get.

    The quotients are scaled to a sum of 1: W = diag(p_cf)⁻¹ and b = 0 of Zhao et al. (2021), without their second
    softmax, which keeps the order of the labels.
    """
    texts = [TextPair(text, text) if of_pairs else text for text in CONTENT_FREE]
    shares = np.exp(log_shares(plain.logits(plain.asked(texts))))
    return replace(plain, free=np.log(shares.mean(axis=0)))


def log_shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities among the labels: exponentials of each row sum to 1. scores: [n, K]."""
    shares: NDArray[np.float64] = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return shares


def drawn(labels: NDArray[Any], classes: int, count: int, seed: int) -> NDArray[np.int64]:
    """Places of examples among training labels, in the order of the prompt: [count], or as many as there are.

    Each class is shuffled by the seed; the classes give one in turn, in an order drawn anew for each turn. So the first
    of more examples are those of fewer.
    """
    rng = np.random.default_rng([seed, classes])
    piles = [rng.permutation(np.flatnonzero(labels == k)).tolist() for k in range(classes)]
    turns: list[int] = []
    while len(turns) < count and any(piles):
        turns += [piles[k].pop() for k in rng.permutation(classes).tolist() if piles[k]]
    return np.asarray(turns[:count], dtype=np.int64)


def with_examples(wording: Wording, table: TaskTable, count: int, seed: int, tokens: int, tokenizer: Any) -> Wording:
    """A wording with examples from the training split.

    Args:
        wording: without any.
        table: the task.
        count: how many.
        seed: they are drawn by.
        tokens: of each example's text (of a pair: of each side) at most.
        tokenizer: of the model.
    """
    if count == 0:
        return wording
    texts, labels, rows = table.texts, table.labels("train"), table.rows("train")
    places = drawn(labels, len(table.space.labels), count, seed).tolist()
    shown = tuple((cut_to(texts[rows[at]], tokens, tokenizer), int(labels[at])) for at in places)
    return replace(wording, examples=shown)
