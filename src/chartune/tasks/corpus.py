"""The corpus: unlabelled text of training patients, on which a language model is adapted to the language of charts.

Text that a held-out chart repeats does not count as new to the model, so it is kept out of training: whole documents
that stand, but for case, blanks, punctuation and de-identified spans, in the chart of a held-out patient are dropped.
"""

from typing import Final, Literal

import polars as pl

from chartune.config import Config
from chartune.notes.clean import adaptation_text
from chartune.sources.splits import CORPUS_ONLY, HELD_OUT
from chartune.tasks.attrition import Attrition

DOCUMENTS: Final[dict[str, pl.DataType]] = {
    "note_id": pl.String(),
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "split": pl.String(),
    "text": pl.String(),
}
"""Columns of a corpus; sorted by subject and order of writing within each shard of patients."""
CORPUS_SPLITS: Final = ("train", "validation", "test")


class Corpus(Config):
    """Which notes a language model is adapted on."""

    kind: Literal["notes"] = "notes"
    categories: tuple[str, ...] = ("Discharge summary", "Radiology")
    """Categories of notes, trailing blanks stripped; those that MIMIC-III and MIMIC-IV-Note share."""

    def title(self) -> str:
        """What a person calls it."""
        return " and ".join(f"{category.lower()} notes" for category in self.categories)

    def select(self, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """The documents to keep, with the split that they count for.

        Args:
            notes: the index of all notes (`chartune.tasks.staging.INDEX`) with `split`, null where a patient has none.
            attrition: is told what was left out.
        """
        attrition.record_notes("all notes", "what the source holds", notes)
        wanted = notes.filter(pl.col("category").is_in(self.categories))
        attrition.record_notes("wanted category", ", ".join(self.categories), wanted)
        sound = attrition.record_notes(
            "not withdrawn", "its author marked it as an error", wanted.filter(~pl.col("is_error"))
        )
        worded = attrition.record_notes("has text", "a note without words", sound.filter(pl.col("words") > 0))
        placed = worded.filter(pl.col("split").is_not_null())
        attrition.record_notes("patient in a split", "of nobody else is known whether they are held out", placed)
        fresh = placed.filter(~_repeats_held_out(notes))
        attrition.record_notes("not in a held-out chart", "training text that a held-out chart repeats", fresh)
        used = fresh.filter(pl.col("split") != "calibration").with_columns(
            pl.col("split").replace(CORPUS_ONLY, "train")
        )
        attrition.record_notes("not set aside", "calibration patients adapt nothing and measure no perplexity", used)
        first = used.sort("subject_id", "note_seq").filter(pl.struct("split", "copy_key").is_last_distinct())
        return attrition.record_notes("no copy", "of copies within a split the last counts", first)

    def documents(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The documents (`DOCUMENTS`) of a shard from selected notes with their text."""
        cleaned = notes.with_columns(text=adaptation_text(pl.col("text")))
        return cleaned.sort("subject_id", "note_seq").select(*DOCUMENTS)


def _repeats_held_out(notes: pl.DataFrame) -> pl.Expr:
    held = notes.filter(pl.col("split").is_in(HELD_OUT))["copy_key"].unique()
    return pl.col("split").is_in(["train", CORPUS_ONLY]) & pl.col("copy_key").is_in(held.implode())
