"""Examples without training texts that repeat a held-out text of the same task, or hold too much of one."""

from pathlib import Path

import numpy as np
import polars as pl

from chartune.notes.clean import copy_key
from chartune.sources.splits import HELD_OUT
from chartune.tasks.containment.held_out import HeldOutTexts, holding
from chartune.tasks.containment.settings import NearCopies
from chartune.tasks.frames import BLOCK


def without_copies(examples: pl.DataFrame) -> pl.DataFrame:
    """The examples (split · text) without training texts that a held-out one repeats but for case, blanks and masks."""
    key = copy_key(pl.col("text"))
    held = examples.filter(pl.col("split").is_in(HELD_OUT)).select(key).to_series().unique()
    return examples.filter((pl.col("split") != "train") | ~key.is_in(held.implode()))


def without_near_copies(examples: pl.DataFrame, near: NearCopies, pile: Path) -> pl.DataFrame:
    """The examples without training texts that hold that share of a held-out text.

    Args:
        examples: subject_id · split · text.
        near: from which share on.
        pile: a new file for the runs of the held-out texts; it is removed.
    """
    train = pl.col("split") == "train"
    learnt = examples.filter(train)
    with HeldOutTexts(pile, "dropped", near.boilerplate) as held:
        for block in examples.filter(pl.col("split").is_in(HELD_OUT)).iter_slices(BLOCK):
            held.add(block)
        if not len(held) or learnt.is_empty():
            return examples
        holds = holding(held, lambda: learnt.iter_slices(BLOCK), near.containment, "looking for held-out texts")
    out = np.zeros(examples.height, dtype=np.bool_)
    out[examples.select(train).to_series().to_numpy()] = holds
    return examples.filter(pl.Series(~out))
