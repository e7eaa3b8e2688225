"""Parts: a large request as several, so that others are read between them; answered once all of them are."""

from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

import numpy as np

from chartune.prediction.scorer import Reading
from chartune.serving.waiting import Answer, Asked


def parts_of(asked: Asked, tokens: int, most: int) -> list[tuple[Asked, int]]:
    """Texts in parts of about so many tokens each, in their order, and the tokens of each.

    Args:
        asked: the texts of each task.
        tokens: of all of them; texts are taken for equally long.
        most: of a part; a text is in one.
    """
    texts = sum(map(len, asked.values()))
    count = max(1, min(-(-tokens // most), max(map(len, asked.values()))))
    parts = [
        {task: own[len(own) * part // count : len(own) * (part + 1) // count] for task, own in asked.items()}
        for part in range(count)
    ]
    ends = [tokens * sum(len(own[: len(own) * end // count]) for own in asked.values()) // max(1, texts)
            for end in range(count + 1)]  # fmt: skip
    return [(part, end - start) for part, start, end in zip(parts, ends, ends[1:], strict=False)]


def as_one(parts: Sequence["Future[Answer]"]) -> "Future[Answer]":
    """An answer that is there once all parts are; where one fails or the whole is given up, none is read any more."""
    if len(parts) == 1:
        return parts[0]
    whole: Future[Answer] = Future()

    def settle(part: "Future[Answer]") -> None:
        with suppress(InvalidStateError):  # it was given up
            if part.cancelled():
                whole.cancel()
            elif error := part.exception():
                whole.set_exception(error)
            elif all(each.done() for each in parts):
                whole.set_result(_joined([each.result() for each in parts]))

    for part in parts:
        part.add_done_callback(settle)
    whole.add_done_callback(lambda _: [part.cancel() for part in parts])
    return whole


def _joined(answers: Sequence[Answer]) -> Answer:
    return {task: _one_reading([answer[task] for answer in answers]) for task in answers[0]}


def _one_reading(parts: Sequence[Reading]) -> Reading:
    """Readings one after the other."""
    return Reading(
        np.concatenate([part.decided for part in parts]), np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.tokens_read for part in parts]), np.concatenate([part.words_read for part in parts]),
        np.concatenate([part.truncated for part in parts]), parts[0].beginning,
    )  # fmt: skip
