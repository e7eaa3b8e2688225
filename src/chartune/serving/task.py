"""Task: a run that answers in a bank, and what several in mixed batches make of their texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chartune.adapters.low_rank import LowRank
from chartune.models.readers import FeatureReader
from chartune.notes.text_pair import Text
from chartune.prediction.predictions import head_logits
from chartune.prediction.scorer import Reading
from chartune.serving.bodies import Key
from chartune.serving.mixing import Asked, MixedBody
from chartune.stages.loading import Loaded


@dataclass(frozen=True)
class Task:
    """A run that answers."""

    name: str
    scorer: Loaded
    """How it reads texts; of one in mixed batches its body is that of all of them."""
    mixed: MixedBody | None
    """Which batches its rows are in; None: those of its own."""
    apart: str
    """Why its rows are in batches of their own; empty: they are not."""
    nbytes: int
    """Of what it has beside the base."""
    base: str
    """Content hash of its base model."""
    key: Key
    """Which body it stands on."""
    handle: str
    """Of this version: a task that is replaced by another run keeps its name, and gets another handle."""


class Admitted(NamedTuple):
    """A run that has passed all checks, and nobody sees yet."""

    task: Task
    changes: Mapping[str, LowRank]
    """What it adds to matrices in mixed batches, by their names."""


def read_mixed(
    mixed: MixedBody, tasks: Sequence[Task], asked: Mapping[str, Sequence[Text]]
) -> dict[str, Reading]:  # fmt: skip
    """What tasks in mixed batches make of their texts; both by handle."""
    examples = [task.scorer.examples(asked[task.handle]) for task in tasks]
    vectors = mixed.vectors([
        Asked(task.handle, task.scorer.model, each) for task, each in zip(tasks, examples, strict=True)
    ])  # fmt: skip
    return {
        task.handle: task.scorer.reading_of(
            asked[task.handle], each, head_logits(FeatureReader(task.scorer.model.head), pooled)
        )
        for task, each, pooled in zip(tasks, examples, vectors, strict=True)
    }
