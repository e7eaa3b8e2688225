"""Examples: a task's texts, read once, block by block; what is looked for in them becomes counts.

<task>.parquet ─block─▶ marks: split · label · words · a boolean per thing looked for ─▶ Examples, in shares

Texts leave memory with their block; marks are some bytes per example.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from chartune.log import progress
from chartune.notes.clean import word_count
from chartune.sources.splits import SPLITS
from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.codes import Codes, asks_for_codes, codes, named
from chartune.tasks.leakage.lengths import Lengths, lengths
from chartune.tasks.leakage.phrases import Learning, Phrases, learns_phrases, phrases
from chartune.tasks.leakage.times import Times, compared, time_columns, times
from chartune.tasks.leakage.wording import Later, Wording, headed, later_sections, tells_outcomes, worded, wordings

WORDS: Final = "words"
TokenCount = Callable[[Sequence[str]], Sequence[int]]
"""How many tokens each of some texts has for a base model."""


@dataclass(frozen=True)
class Prepared:
    """A prepared task."""

    name: str
    kind: str
    """Of its card."""
    space: LabelSpace
    file: Path
    answer_told: bool = False
    """Whether its texts were let in although they tell the answer."""

    def rows(self, *splits: str) -> Rows:
        """Its examples, of these splits; none said: of all."""
        return Rows(self.file, splits)


@dataclass(frozen=True)
class Examples:
    """What the texts of a task give away."""

    task: str
    answer: str
    """Kind of its form."""
    wordings: tuple[Wording, ...] | None
    """Outcome wordings that occur; None: not measured, because the task asks for no outcome."""
    codes: tuple[Codes, ...] | None
    """Codes named in texts; None: not measured, because its labels are no codes."""
    later: tuple[Later, ...]
    """Sections written after the outcome that occur."""
    lengths: tuple[Lengths, ...]
    """In words, then in tokens of each base model that was asked for."""
    times: Times
    answer_told: bool = False
    """Whether its texts were let in although they tell the answer."""
    phrases: Phrases | None = None
    """Phrases of training texts that go along with the outcome; None: not measured, because it is no yes or no."""


def look_at(
    task: Prepared, limits: Sequence[int], tokens: Mapping[str, TokenCount], how: Learning | None = None
) -> Examples:
    """Read the texts of a task and count what they give away.

    Args:
        task: which.
        limits: tokens beyond which a text is cut off.
        tokens: base model → how its tokens are counted.
        how: when a phrase goes along with the outcome.
    """
    marks, columns = _marks(task, tokens)
    coded = asks_for_codes(task.space)
    units = [(WORDS, WORDS, ()), *((_tokens(name), name, tuple(limits)) for name in tokens)]
    return Examples(
        task.name, task.space.answer,
        wordings=wordings(marks, task.space) if tells_outcomes(task.space) else None,
        codes=codes(marks) if coded else None,
        later=later_sections(marks),
        lengths=tuple(row for column, unit, most in units for row in lengths(marks, column, unit, most)),
        times=times(task.kind, columns, marks),
        answer_told=task.answer_told,
        phrases=phrases(task.rows("train"), task.space, how or Learning()) if learns_phrases(task.space) else None,
    )  # fmt: skip


def _marks(task: Prepared, tokens: Mapping[str, TokenCount]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """One row per example by split, without its text; and its columns of times."""
    parts, columns = [], time_columns(task.rows().schema())
    with progress(f"reading {task.name}") as meter:
        for block in task.rows().blocks():
            parts.append(_marked(block, task.space, tokens))
            meter.advance(block.height)
    marks = pl.concat(parts) if parts else _marked(_no_examples(task.space), task.space, tokens)
    return marks.sort(pl.col("split").cast(pl.Enum(SPLITS)), maintain_order=True), columns


def _marked(block: pl.DataFrame, space: LabelSpace, tokens: Mapping[str, TokenCount]) -> pl.DataFrame:
    text, counts = block["text"], tokens.items()
    parts = [
        block.select("split", word_count(pl.col("text")).alias(WORDS)),
        compared(block),
        headed(text),
        pl.DataFrame([pl.Series(_tokens(name), count(text.to_list()), dtype=pl.Int64) for name, count in counts]),
    ]
    if tells_outcomes(space):
        parts += [block.select("label"), worded(text)]
    if asks_for_codes(space):
        parts.append(named(block, space))
    return pl.concat([part for part in parts if part.width], how="horizontal")


def _no_examples(space: LabelSpace) -> pl.DataFrame:
    return pl.DataFrame(schema={"split": pl.String, "text": pl.String, "label": space.form.label_dtype})


def _tokens(base: str) -> str:
    return f"tokens of {base}"
