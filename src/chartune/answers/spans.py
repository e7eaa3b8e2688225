"""Spans: where in a text something is said, and of which type. Prepared, audited and exported; no stage trains it yet.

Its scores are in `chartune.metrics.spans`; they take spans, which no head gives yet.
"""

from typing import NoReturn

from chartune.answers.answer import Answer
from chartune.answers.score import Rows, Score
from chartune.errors import DataError


def _unmeasured(rows: Rows) -> NoReturn:
    raise DataError("spans are not learnt yet, so that there is nothing to score; such tasks can be prepared only.")


class Spans(Answer):
    """Annotated spans of a document."""

    kind = "spans"
    loss = ""
    learnable = False
    category = "token-classification"
    measures = (Score("f1", "Span F1", _unmeasured, counts="pairs", meaning="95 % interval"),)
