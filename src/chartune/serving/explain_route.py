"""Explain route: `POST /v1/explain`, a note's sentences left out in turn, for one task and label.

    request ─limits─▶ occlusion ─lots of 4,096 tokens, one after the other─▶ queue ─▶ change by sentence, offsets alone

Scoring goes first: of an explanation one lot waits at a time, so that others' requests are read in between.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, cast

import numpy as np
import polars as pl
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from chartune.notes.line_breaks import Breaks, traced
from chartune.prediction.rows import Choices, provenance
from chartune.serving.asked import Characters, Limits, Note, chosen_tasks, estimated, texts_of
from chartune.serving.audited import remember
from chartune.serving.bank import Bank, Task
from chartune.serving.explain import MOST, Occlusion, label_number, log_odds, occlusion, probability_of
from chartune.serving.gate import holder_of
from chartune.serving.refusals import RefusedError
from chartune.serving.waiting import Answer, Asked
from chartune.stages.chosen import Chosen

LOT: Final = 4096
"""Estimated tokens of an explanation that are read at once, at most, unless one text alone has more."""
Answered = Callable[[Asked, int, Request], Awaitable[Answer]]
"""What a queue makes of texts of so many estimated tokens."""


class ExplainRequest(BaseModel):
    """A note, and what is to be explained of it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: Characters = Field(description="The note.")
    task: Characters
    label: Characters | None = Field(None, description="None: the outcome, or the label of the highest probability.")
    most: int = Field(MOST, ge=0, le=MOST, description="Parts that are left out in turn; 0: only where it is read.")


class Place(BaseModel):
    """Characters (code points) of the text as it was sent, the end exclusive."""

    start: int
    end: int


class Sentences(Place):
    """Neighbouring sentences."""

    sentences: int


class Part(Sentences):
    """What is left out together, and what the task would say without it."""

    read: Literal["whole", "part"]
    probability_change: float | None = Field(description="With it, less without it; None: nothing else is read.")
    log_odds_change: float | None


class Explanation(BaseModel):
    """What each sentence of a note does to the probability of a label."""

    request: str
    task: str
    model: str
    adapter: str | None
    recalibration: str
    label: str | None = Field(description="Whose probability is explained; None: nothing was left out.")
    title: str | None
    probability: float | None
    log_odds: float | None
    sentences: int
    grouped: bool = Field(description="Whether neighbouring sentences were left out together.")
    parts: list[Part]
    read: list[Place] = Field(description="Where the task reads the note.")
    not_read: list[Sentences]


def add_explanations(app: FastAPI, bank: Bank, limits: Limits, answered: Answered) -> None:
    """The route. answered: gives a request to the queue and waits for it."""

    @app.post("/v1/explain")
    async def explain(asked: ExplainRequest, request: Request) -> Explanation:
        with bank.held(lambda: chosen_tasks(bank, [asked.task], holder_of(request))) as (task,):
            return await explanation(asked, request, task)

    async def explanation(asked: ExplainRequest, request: Request, task: Task) -> Explanation:
        remember(request, [task], 1)
        _must_be_explained(task, asked)
        most = _affordable(task, asked, limits)
        made = await asyncio.to_thread(_occlusion, bank, task, asked.text, most)
        read = [text for text in made.texts if text] if made.pieces else []
        lots = [await answered({task.handle: lot}, estimated(task, lot), request) for lot in _lots(task, read)]
        every = [lot[task.handle].decided for lot in lots]
        decided = np.concatenate(every) if every else None
        return _explanation(task, made, asked, decided, request.state.request)


def _must_be_explained(task: Task, asked: ExplainRequest) -> None:
    """Raises RefusedError: the task is on pairs or spans, there is no such label, or there are no words."""
    scorer = task.scorer
    if scorer.of_pairs or not scorer.form.whole_text:
        kind = "pairs of texts" if scorer.of_pairs else "spans"
        raise RefusedError(422, f"a task that is explained must label single texts, but {task.name} is on {kind}")
    if asked.label is not None and asked.label not in scorer.labels:
        raise RefusedError(422, f"label must be one that {task.name} has; GET /v1/tasks/{task.name} names them")
    texts_of(task, [Note(text=asked.text)])


def _affordable(task: Task, asked: ExplainRequest, limits: Limits) -> int:
    """Parts that fit into the tokens of a request. Raises RefusedError: not even two do."""
    if not asked.most:
        return 0
    tokens = estimated(task, [asked.text])
    room = limits.tokens // tokens - 1
    if room < 2:
        raise RefusedError(
            422, f"to explain a note its {tokens} tokens must be read three times within {limits.tokens}; shorten it"
        )
    return min(asked.most, room)


def _occlusion(bank: Bank, task: Task, text: str, most: int) -> Occlusion:
    given = traced(text, cast(Breaks, Chosen(task.scorer.run).breaks))
    return occlusion(given, bank.places_read(task.handle, given.text), most)


def _lots(task: Task, texts: Sequence[str]) -> list[list[str]]:
    """Texts in lots of some tokens each, in order."""
    lots, room = list[list[str]](), 0
    for text in texts:
        tokens = estimated(task, [text])
        if not lots or tokens > room:
            lots.append([])
            room = LOT
        lots[-1].append(text)
        room -= tokens
    return lots


def _explanation(
    task: Task, made: Occlusion, asked: ExplainRequest, decided: NDArray[np.float64] | None, request: str
) -> Explanation:  # fmt: skip
    """The answer. decided: of the texts that are not empty, in order; None: nothing was read."""
    scorer = task.scorer
    label = None if decided is None else label_number(scorer, asked.label, decided[:1])
    known: dict[str, Any] = dict.fromkeys(("label", "title", "probability", "log_odds"))
    changes: list[tuple[float | None, float | None]] = []
    if decided is not None and label is not None:
        odds, chance = log_odds(scorer, decided, label), probability_of(scorer, decided, label)
        known = {"label": scorer.labels[label], "title": scorer.titles[label], "probability": float(chance[0]),
                 "log_odds": float(odds[0])}  # fmt: skip
        each = iter(zip(chance[0] - chance[1:], odds[0] - odds[1:], strict=True))
        changes = [next(each) if text else (None, None) for text in made.texts[1:]]
    parts = [
        Part(**made.sent(piece.span)._asdict(), sentences=piece.sentences, read="whole" if piece.whole else "part",
             probability_change=change, log_odds_change=shift)
        for piece, (change, shift) in zip(made.pieces, changes, strict=True)
    ]  # fmt: skip
    origin = pl.select(*provenance(scorer, Choices())).row(0, named=True)
    return Explanation(
        request=request, task=task.name, **origin, **known, parts=parts, sentences=made.sentences,
        grouped=any(piece.sentences > 1 for piece in made.pieces),
        read=[Place(**made.sent(span)._asdict()) for span in made.read],
        not_read=[Sentences(**made.sent(span)._asdict(), sentences=count) for span, count in made.unread],
    )  # fmt: skip
