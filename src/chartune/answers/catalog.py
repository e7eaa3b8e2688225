"""The forms of answer that there are. A new one is a file with an `Answer`, and a line here."""

from typing import Annotated, Final

from pydantic import AfterValidator

from chartune.answers.answer import Answer
from chartune.answers.binary import Binary
from chartune.answers.by_f1 import OneOfByF1
from chartune.answers.multiclass import OneOf
from chartune.answers.multilabel import AnyOf
from chartune.answers.relations import Related
from chartune.answers.spans import Spans
from chartune.errors import DataError

BINARY: Final = Binary()
ONE_OF: Final = OneOf()
ONE_OF_BY_F1: Final = OneOfByF1()
ANY_OF: Final = AnyOf()
RELATION: Final = Related()
SPANS: Final = Spans()
_EVERY: Final[tuple[Answer, ...]] = (BINARY, ONE_OF, ONE_OF_BY_F1, ANY_OF, RELATION, SPANS)
ANSWERS: Final[dict[str, Answer]] = {answer.kind: answer for answer in _EVERY}
"""Kind → form."""
AUTO: Final = "auto"
"""Where the labels decide."""


def answer_of(kind: str) -> Answer:
    """The form of answer of this kind.

    Raises:
        DataError: there is none; it was made by another version.
    """
    if kind not in ANSWERS:
        raise DataError(f"an answer must be of a known kind ({', '.join(ANSWERS)}), but got {kind!r}; update chartune.")
    return ANSWERS[kind]


def fitting(labels: int, several: bool) -> Answer:
    """The form for a table of so many labels; `several`: whether a row has more than one."""
    if several:
        return ANY_OF
    return BINARY if labels <= 2 else ONE_OF


def _known(kind: str) -> str:
    if kind not in ANSWERS:
        raise ValueError(f"must be one of {', '.join(ANSWERS)}")
    return kind


def _choosable(kind: str) -> str:
    known = [AUTO, *(name for name, form in ANSWERS.items() if form.whole_text and not isinstance(form, Related))]
    if kind not in known:
        raise ValueError(f"must be one of {', '.join(known)}")
    return kind


AnswerKind = Annotated[str, AfterValidator(_known)]
"""Of prepared data."""
ChosenAnswer = Annotated[str, AfterValidator(_choosable)]
"""Of a table of labels: `auto`, or a kind whose labels are of whole texts."""
