"""What may be asked of a service, and what of that a task reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chartune.notes.text_pair import Text, TextPair
from chartune.prediction.texts import as_read
from chartune.serving.bank import Bank, Task
from chartune.serving.keys import Holder
from chartune.serving.refusals import RefusedError
from chartune.stages.chosen import Chosen

BYTES_A_TOKEN: Final = 3
"""By which the tokens of a text are estimated, before it is tokenised; English notes have about four."""


@dataclass(frozen=True)
class Limits:
    """What a request may be, and how much may wait."""

    body: int = 2 << 20
    """Bytes of a request."""
    notes: int = 256
    """Notes of a request."""
    tokens: int = 65536
    """Estimated tokens of a request, over all of its tasks."""
    queue: int = 262144
    """Estimated tokens of all requests that wait."""
    deadline: float = 300.0
    """Seconds until a request must be answered, unless it asks for fewer."""


def _of_whole_characters(text: str) -> str:
    """Raises ValueError: half of a surrogate pair is among them, which JSON can say and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text must be of whole characters, but one is half of a surrogate pair") from None
    return text


Characters = Annotated[str, AfterValidator(_of_whole_characters)]
"""A text that UTF-8 can say."""


class Note(BaseModel):
    """A text to be scored."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: Characters | int | None = Field(None, description="Comes back with its scores.")
    text: Characters = Field(description="The note.")
    text_pair: Characters | None = Field(None, description="The second text, of tasks on pairs.")


class ScoreRequest(BaseModel):
    """Notes, and what is asked of them."""

    model_config = ConfigDict(extra="forbid", strict=True)
    notes: list[Note] = Field(min_length=1)
    tasks: list[Characters] | Literal["all"] = "all"
    deadline: float | None = Field(None, gt=0, allow_inf_nan=False, description="Seconds; fewer than the service has.")


class Scores(BaseModel):
    """A row for each note and task, the notes in their order within each task."""

    request: str
    rows: list[dict[str, Any]]


def chosen_tasks(bank: Bank, tasks: Sequence[str] | Literal["all"], holder: Holder) -> list[Task]:
    """Tasks by name. Raises RefusedError: one is not loaded, its holder may not ask it, or it is named twice."""
    every = {task.name: task for task in bank.tasks if holder.asks(task.name)}
    names = list(every) if tasks == "all" else tasks
    if not names or len(set(names)) < len(names):
        raise RefusedError(422, "tasks must be named, each once, or be all")
    if any(name not in every for name in names):
        raise RefusedError(404, f"every task must be loaded, but one is not; loaded are {', '.join(every) or 'none'}")
    return [every[name] for name in names]


def texts_of(task: Task, notes: list[Note]) -> list[Text]:
    """Of each note what a task reads, as `predict` reads it. Raises RefusedError: one has no words, or is no pair."""
    pairs = task.scorer.of_pairs
    if any((note.text_pair is not None) != pairs for note in notes):
        kind = "a text and a text_pair" if pairs else "a text alone"
        raise RefusedError(422, f"every note must be {kind} for the task {task.name}")
    breaks = Chosen(task.scorer.run).breaks
    sides = [[note.text for note in notes], *([[note.text_pair or "" for note in notes]] if pairs else [])]
    read = [as_read(pl.Series(side, dtype=pl.String), breaks).to_list() for side in sides]
    if any(text is None for side in read for text in side):
        raise RefusedError(422, "every note must have words, but one has none")
    return [TextPair(*both) for both in zip(*read, strict=True)] if pairs else read[0]


def estimated(task: Task, texts: Sequence[Text]) -> int:
    """Tokens that a task will read of texts, estimated from their bytes; at most so many as it reads of each."""
    scorer = task.scorer
    rows = getattr(scorer.long, "most", 1) if scorer.form.whole_text else None
    most = None if rows is None else rows * scorer.max_seq_len
    sizes = [sum(len(side.encode("utf-8", "replace")) for side in ((text,) if isinstance(text, str) else text))
             for text in texts]  # fmt: skip
    return sum(min(size // BYTES_A_TOKEN + 2, most or size + 2) for size in sizes)
