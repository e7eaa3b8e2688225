"""The form of an answer (yes or no, one of several, any of many, spans), and what is learnt, scored and shown of it."""

from chartune.answers.answer import AUROC, ENOUGH_CASES, MASKED_PERPLEXITY, PERPLEXITY, Answer
from chartune.answers.catalog import (
    ANSWERS,
    ANY_OF,
    AUTO,
    BINARY,
    ONE_OF,
    ONE_OF_BY_F1,
    RELATION,
    SPANS,
    AnswerKind,
    ChosenAnswer,
    answer_of,
    fitting,
)
from chartune.answers.score import Metric, Rows, Score

__all__ = [
    "ANSWERS",
    "ANY_OF",
    "AUROC",
    "AUTO",
    "BINARY",
    "ENOUGH_CASES",
    "MASKED_PERPLEXITY",
    "ONE_OF",
    "ONE_OF_BY_F1",
    "PERPLEXITY",
    "RELATION",
    "SPANS",
    "Answer",
    "AnswerKind",
    "ChosenAnswer",
    "Metric",
    "Rows",
    "Score",
    "answer_of",
    "fitting",
]
