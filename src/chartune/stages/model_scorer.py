"""ModelScorer: a base model with its layers and a head, as something that scores texts, or pairs of texts.

texts ─tokenize─▶ body ─pool─▶ head ─▶ what its form of answer decides
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartune.batches.collate import Examples
from chartune.batches.long_texts import AnyLong, Windows
from chartune.batches.text_pairs import are_pairs, encode_texts, knows_types
from chartune.batches.tokenize import Encoded
from chartune.batches.words import WordExamples
from chartune.errors import DataError
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.models.tokenizer import padding_of
from chartune.notes.text_pair import Text, first_sides
from chartune.prediction.predictions import logits_of
from chartune.prediction.scorer import Reading, Scorer
from chartune.stages.facts import environment, numerics_of
from chartune.stages.marking import decided_of, words_in_rows, words_read


@dataclass(frozen=True)
class ModelScorer(Scorer):
    """A base model with its layers and a head, which reads texts."""

    model: Classifier
    """Base, stack and head, without gradients."""
    tokenizer: Any
    resolved: Resolved
    """Device, precision and attention."""
    max_seq_len: int
    """Tokens that are read of a text at once."""
    long: AnyLong
    """What is read of a text that has more."""
    of_pairs: bool
    """Whether it reads pairs of texts."""

    @property
    def numerics(self) -> dict[str, str]:
        """Device, precision, attention; how it reads and how its base is held, where not in the usual way."""
        return numerics_of(self.resolved)

    @property
    def environment(self) -> dict[str, Any]:
        """As a run records it."""
        return environment(self.resolved, {})

    def _read(self, texts: Sequence[Text]) -> Reading:
        """Tokens, pooled states, head."""
        examples = self.examples(texts)
        return self.reading_of(texts, examples, logits_of(self.model, examples, self.resolved))

    def examples(self, texts: Sequence[Text]) -> Examples:
        """Texts as the model reads them; where spans are asked for words in rows. Raises DataError."""
        self._must_be_asked(texts)
        if not self.form.whole_text:
            return self._in_rows(first_sides(texts))
        encoded = self._encoded(texts, self.max_seq_len)
        nothing, ones = np.zeros(len(texts), dtype=np.int64), np.ones(len(texts), dtype=np.float32)
        window = self.max_seq_len if isinstance(self.long, Windows) else None
        return Examples(encoded, nothing, ones, padding_of(self.tokenizer), window)

    def reading_of(self, texts: Sequence[Text], examples: Examples, logits: NDArray[np.float32]) -> Reading:
        """What logits say of texts; one that is cut is tokenised once more to know its length.

        Args:
            texts: [n].
            examples: they, from `examples`.
            logits: of the head on their vectors, [vectors, outputs].
        """
        decided = decided_of(self.form, examples, logits)
        if isinstance(examples, WordExamples):
            return words_read(examples, decided)
        return self._reading(texts, examples.encoded, decided)

    def _in_rows(self, texts: Sequence[str]) -> WordExamples:
        pad_id = padding_of(self.tokenizer)
        return words_in_rows(texts, None, self.tokenizer, pad_id, self.max_seq_len, self.long)

    def lengths(self, texts: Sequence[Text]) -> Reading:
        """How long the texts are in tokens; nothing is predicted."""
        self._must_be_asked(texts)
        if not self.form.whole_text:
            return words_read(self._in_rows(first_sides(texts)), np.zeros(0))
        return self._reading(texts, self._encoded(texts, self.max_seq_len), np.zeros(0))

    def _encoded(self, texts: Sequence[Text], max_seq_len: int | None) -> Encoded:
        return encode_texts(
            texts, self.tokenizer, max_seq_len, self.long, typed=self.of_pairs and knows_types(self.model.body.config)
        )

    def _must_be_asked(self, texts: Sequence[Text]) -> None:
        if len(texts) and are_pairs(texts) != self.of_pairs:
            asked, given = ("pairs of texts", "single ones") if self.of_pairs else ("single texts", "pairs")
            raise DataError(f"{self.origin.name} has learnt from {asked}, but is asked about {given}; give it such.")

    def _reading(self, texts: Sequence[Text], encoded: Encoded, decided: NDArray[np.float64]) -> Reading:
        tokens, cut = encoded.lengths.copy(), np.flatnonzero(encoded.truncated)
        if len(cut):
            tokens[cut] = self._encoded([texts[row] for row in cut.tolist()], None).lengths
        beginning = self.long.beginning and not self.of_pairs
        return Reading(decided, tokens, encoded.lengths, encoded.words_seen, encoded.truncated, beginning)
