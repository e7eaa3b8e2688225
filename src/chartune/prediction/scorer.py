"""Scorer: a finished run, or an export of one, as something that scores texts, whatever it was fitted with.

texts [n] ─read─▶ Reading: what is scored of each, tokens, cut? ─▶ probabilities, recalibrated unless asked for raw

A fine-tuned model and TF-IDF have the same face (`chartune.stages.loading`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chartune.notes.text_pair import Text
from chartune.prediction.outputs import Outputs


@dataclass(frozen=True)
class Reading:
    """What was made of n texts, in their order."""

    decided: NDArray[np.float64]
    """What is scored: log-odds [n] of one outcome, else logits [n, outputs]."""
    tokens: NDArray[np.int64]
    """Tokens of each text, special ones included; of TF-IDF words: [n]."""
    tokens_read: NDArray[np.int64]
    """How many of them were read: [n]."""
    words_read: NDArray[np.int32]
    """How many whole words of each text were read: [n]."""
    truncated: NDArray[np.bool_]
    """Whether a text was cut: [n]."""
    beginning: bool = True
    """Whether what was read is the beginning of each text."""

    def rows(self, start: int, stop: int) -> "Reading":
        """Some of the texts, in their order."""
        own = slice(start, stop)
        return Reading(
            self.decided[own], self.tokens[own], self.tokens_read[own], self.words_read[own], self.truncated[own],
            self.beginning,
        )  # fmt: skip

    def words_of(self, split: str) -> dict[str, NDArray[np.int32]]:
        """By split, how many words from its beginning were read of each text; empty: it was not its beginning."""
        return {split: self.words_read} if self.beginning else {}


@dataclass(frozen=True)
class Scorer(Outputs, ABC):
    """Something that has learnt and scores texts."""

    counts: ClassVar[str] = "tokens"
    """What `Reading.tokens` counts."""

    @abstractmethod
    def _read(self, texts: Sequence[Text]) -> Reading:
        """As `read`, of one text or more."""

    def read(self, texts: Sequence[Text]) -> Reading:
        """Read texts.

        Those of a split, given in the order of `predictions.parquet`, give its numbers bit for bit on the same
        processor, number of threads and versions: how texts are batched together moves the last digits.
        """
        if texts:
            return self._read(texts)
        decided = self.form.decide(np.zeros((0, self.form.outputs(len(self.labels)))))
        none = np.zeros(0, dtype=np.int64)
        return Reading(decided, none, none, none.astype(np.int32), none > 0)

    @abstractmethod
    def lengths(self, texts: Sequence[Text]) -> Reading:
        """How long texts are and how much of them would be read; nothing is decided, [0]."""

    @property
    @abstractmethod
    def numerics(self) -> dict[str, str]:
        """What the last digits depend on: device, precision, attention, way of reading; empty: nothing."""

    @property
    def environment(self) -> dict[str, Any]:
        """What two processes must share for the same last digits: numerics, threads, processor, versions."""
        return {**self.numerics}

    def decided(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """What is scored of each text, in order: log-odds [n] of one outcome, else logits [n, outputs]."""
        return self.read(texts).decided

    def probabilities(self, texts: Sequence[Text], *, recalibrated: bool | None = None) -> NDArray[np.float64]:
        """Probability of each label, [n, labels]; of one outcome that of its presence, [n].

        Args:
            texts: [n].
            recalibrated: False: raw, as the model gives them; None: recalibrated where something was fitted.

        Raises:
            RunError: it must be recalibrated, and nothing was fitted.
        """
        return self.probability(self.decided(texts), recalibrated=recalibrated)

    def predict_proba(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """Probability of each of `classes_`, [n, labels], in scikit-learn's manner: of classes a row sums to 1.

        Where several labels may apply each has a probability of its own.
        """
        made = self.probabilities(texts)
        return np.stack([1 - made, made], axis=1) if made.ndim == 1 else made
