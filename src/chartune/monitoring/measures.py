"""Measures: what is watched of each row, as a number.

a text ─▶ share of its words that no training text has      what was decided ─▶ probability, labels or spans
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chartune.monitoring.vocabulary import Vocabulary
from chartune.notes.text_pair import Text, joined
from chartune.prediction.outputs import Outputs
from chartune.stages.drift import words_of

Array = NDArray[np.float64]


def score_name(outputs: Outputs) -> str:
    """What `scores` of a run are."""
    if not outputs.form.whole_text:
        return "spans of a text"
    if outputs.form.one_outcome:
        return f"probability of {outputs.labels[1]}"
    return "labels that are expected of a text" if outputs.form.several else "probability of the likeliest class"


def scores(outputs: Outputs, made: NDArray[np.float64]) -> Array:
    """One number for each row.

    Args:
        outputs: what the numbers mean.
        made: probabilities, of one outcome [n], else [n, labels]; of spans how many each row has, [n].
    """
    if made.ndim == 1:
        return made.astype(np.float64)
    return np.asarray(made.sum(axis=1) if outputs.form.several else made.max(axis=1), dtype=np.float64)


def made_of(outputs: Outputs, decided: NDArray[np.generic], *, recalibrated: bool | None = None) -> Array:
    """What `scores` takes, of what was decided: [n] or [n, labels]."""
    if not outputs.form.whole_text:
        return np.asarray([len(one.spans) for one in decided], dtype=np.float64)
    return outputs.probability(decided.astype(np.float64), recalibrated=recalibrated)


def unknown_shares(texts: Sequence[Text], vocabulary: Vocabulary) -> Array:
    """Of each text the share of its words that are not in a vocabulary; NaN: it has no word. Returns [n]."""
    every = [words_of(text) for text in joined(texts)]
    return np.asarray([
        vocabulary.unknown(words) / len(words) if words else np.nan for words in every
    ])  # fmt: skip
