"""Decontamination: documents of a corpus that hold what is asked about are left out.

Held-out texts of the same data, because an admission note is put together from sections of a summary, is pasted from
chart to chart, and a whole summary that quotes it is no copy of it. And held-out texts of other data: MIMIC-III and
MIMIC-IV hold the same admissions of 2008 to 2012 under unlinked ids, so that a model that is adapted on one has read
the test notes of the other. Only counts are kept: no file, message or frame that outlives the comparison links a
document to a patient of another chart.

    held-out texts ─▶ `chartune.tasks.containment` ─▶ documents that hold one ─▶ which documents to leave out

A control of the same size leaves out as many words that nobody asks about, so that a score that falls tells the loss of
the answers from the loss of text.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import Field

from chartune.sources.splits import HashSplit
from chartune.tasks.containment.held_out import HeldOutTexts, holding
from chartune.tasks.containment.settings import NearCopies
from chartune.tasks.containment.shingles import Masks
from chartune.tasks.leakage.blocks import Rows

MASKS: Final[Masks] = "unwrapped"
"""A corpus has lost the brackets of its masks, so those of the other side are dropped, too."""
_CONTROL: Final = HashSplit(salt="control")
"""Whose hash says in which order documents are drawn."""
_NOBODY: Final = pl.Series("note_id", [], dtype=pl.String)


class Quoting(NearCopies):
    """Which documents of a corpus hold too much of a held-out text."""

    control: bool = False
    """Leave out as many words of other documents of the same categories in their place: the control of the same
    size. The documents that hold a held-out text stay, and the audit says so."""


class Decontamination(Quoting):
    """Which other data must not be learnt from before they are asked about."""

    against: tuple[str, ...] = Field(min_length=1)
    """Fingerprints of prepared data in the same store: their held-out texts are looked for."""


def holders(
    asked: Quoting, texts: Iterable[pl.DataFrame], documents: Sequence[Rows], pile: Path, title: str
) -> pl.Series:
    """note_id of the documents that hold a held-out text, or the share of it that is asked for.

    Args:
        asked: from which share on.
        texts: held-out texts, subject_id · text, a block at a time.
        documents: note_id · text, read block by block, once per round.
        pile: a new file for the runs of the texts; it is removed.
        title: what is done, for the progress.
    """

    def blocks() -> Iterable[pl.DataFrame]:
        return (block for rows in documents for block in rows.blocks("text"))

    with HeldOutTexts(pile, MASKS, asked.boilerplate) as held:
        for block in texts:
            held.add(block)
        if not len(held):  # no document needs to be read
            return _NOBODY
        holds = holding(held, blocks, asked.containment, title)  # [documents], in their order
    ids = pl.concat([_NOBODY, *(rows.columns("note_id")["note_id"] for rows in documents)])
    return ids.filter(pl.Series(holds, dtype=pl.Boolean))


def left_out(documents: pl.DataFrame, held: pl.Series, control: bool) -> pl.DataFrame:
    """The documents to leave out.

    Args:
        documents: note_id · split · category · words, of the whole corpus.
        held: note_id of those that hold a held-out text.
        control: whether others that are learnt from are left out in their place, of each category so many that their
            words are those of its `held` or, by less than the last document, more. All of them, if they have fewer.
    """
    holds = pl.col("note_id").is_in(held.implode())
    holders = documents.filter(holds)
    if not control:
        return holders
    others = documents.filter(~holds, pl.col("split") == "train")
    return drawn(others, like=holders, groups=["category"])


def drawn(documents: pl.DataFrame, like: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    """Documents by lot, of each group so many that their words are those of `like` or, by less than the last, more.

    Args:
        documents: note_id · words and the columns of the groups; all of a group, if it has fewer words.
        like: words and the columns of the groups.
        groups: columns that tell a group.
    """
    words = pl.col("words").cast(pl.Int64)
    lot = pl.col("note_id").map_elements(_CONTROL.bits, return_dtype=pl.UInt64)
    wanted = like.group_by(groups).agg(wanted=words.sum())
    shuffled = documents.join(wanted, on=groups).sort(lot, "note_id")
    drawn_before = words.cum_sum().over(groups) - words
    return shuffled.filter(drawn_before < pl.col("wanted")).drop("wanted")
