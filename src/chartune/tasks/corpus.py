"""The corpus: unlabelled text of training patients, on which a language model is adapted to the language of charts.

Text that a held-out chart repeats does not count as new to the model, so it is kept out of training: whole documents
that stand, but for case, blanks, punctuation and de-identified spans, in the chart of a held-out patient are dropped,
and documents that hold too much of a held-out text of a task or of the corpus (`chartune.tasks.decontamination`).
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import polars as pl
from pydantic import field_validator, model_validator

from chartune.config import Config
from chartune.errors import DataError
from chartune.notes.clean import adaptation_text
from chartune.notes.note import PLAIN
from chartune.sources.splits import CORPUS_ONLY, HELD_OUT, OUT_OF_YEARS, STRAYS, HashSplit
from chartune.sources.years import written
from chartune.tasks.attrition import Attrition
from chartune.tasks.containment.settings import near_copies_kept
from chartune.tasks.decontamination import Decontamination, Quoting, drawn

DOCUMENTS: Final[dict[str, pl.DataType]] = {
    "note_id": pl.String(),
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "split": pl.String(),
    "text": pl.String(),
}
"""Columns of a corpus; sorted by subject and order of writing within each shard of patients."""
ASKED_OF: Final = ("note_id", "note_seq", "subject_id", "hadm_id", "category", "chartdate", "is_error", "words",
                   "copy_key", "notes")  # fmt: skip
"""Columns of the index (`chartune.tasks.staging.INDEX`) that decide which notes are chosen."""
CORPUS_SPLITS: Final = ("train", "validation", "test")
_TITLES: Final = {"Discharge summary": "discharge summaries", "Radiology": "radiology reports",
                  PLAIN: "texts of the table"}  # fmt: skip
"""What the notes of a category are called; of any other, `nursing notes`."""
_BY_NOTE: Final = HashSplit(train=0.89, validation=0.01, test=0.1)
"""Places notes by their id as it does patients; the published code watches none while learning."""


class Corpus(Config):
    """Which notes a language model is adapted on."""

    kind: Literal["notes"] = "notes"
    categories: tuple[str, ...] = ("Discharge summary", "Radiology")
    """Categories of notes, trailing blanks stripped; those that MIMIC-III and MIMIC-IV-Note share."""

    split: Literal["patient", "note"] = "patient"
    """`note`: of ten notes one is tested on, whoever's it is, as published: a patient stands on both sides."""
    repeats: Literal["left-out", "kept"] = "left-out"
    """Training text that a held-out chart repeats, and copies within a split."""
    near_copies: Quoting | None = Quoting()
    """From which share of a held-out text of these data on a training document that holds it is left out; null: it is
    kept, as always where `repeats` are kept or the split is by note."""
    withdrawn: Literal["left-out", "kept"] = "left-out"
    """Notes that their author marked as an error."""
    anchor_year_groups: tuple[str, ...] = ()
    """Patients of these groups only, such as `2014 - 2016`; empty: of all. Whoever came to MIMIC-IV after 2012 cannot
    stand in MIMIC-III."""
    anchor_year_control: bool = False
    """Patients of all years instead, and as many words as those of these groups have: the control of the same size."""
    without: Decontamination | None = None
    """Other data whose held-out texts must not be learnt from."""

    @field_validator("anchor_year_groups")
    @classmethod
    def _as_mimic_writes_it(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(written(group) for group in groups)

    @model_validator(mode="after")
    def _control_of_something(self) -> Self:
        if self.anchor_year_control and not self.anchor_year_groups:
            raise ValueError(
                "a control must be of as many words as some years have, but no `anchor_year_groups` are named; name "
                "them, or leave `anchor_year_control` out"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _near_copies_are_kept_where_copies_are(cls, data: Any) -> Any:
        kept = isinstance(data, Mapping) and (data.get("repeats") == "kept" or data.get("split") == "note")
        return near_copies_kept(data, "`repeats: left-out` and `split: patient`") if kept else data

    @property
    def compares_copies(self) -> bool:
        """Whether notes are held against each other."""
        return self.split == "patient" and self.repeats == "left-out"

    def title(self) -> str:
        """What a person calls it."""
        titles = [_TITLES.get(category, f"{category.lower()} notes") for category in self.categories]
        return f"Adaptation text: {' and '.join(titles)}"

    def select(self, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """The documents to keep, with the split that they count for.

        Args:
            notes: what is known of all notes (`ASKED_OF`), with `split`, null where a patient has none, and
                `anchor_year_group`.
            attrition: records what was left out.

        Raises:
            DataError: `anchor_year_groups` are asked for, and the source does not tell them.
        """
        if self.anchor_year_groups and self.anchor_year_control:
            return self._as_large(notes, attrition)
        held = _held_out_keys(notes) if self.compares_copies else None
        attrition.record_notes("all notes", "what the source holds", notes)
        # Each frame takes the name of the one before, which is gone then: there may be millions of notes.
        notes = notes.filter(pl.col("category").is_in(self.categories))
        attrition.record_notes("wanted category", f"other than {' and '.join(self.categories)}", notes)
        if self.withdrawn == "left-out":
            notes = notes.filter(~pl.col("is_error"))
            attrition.record_notes("not withdrawn", "its author marked it as an error", notes)
        notes = attrition.record_notes("has text", "a note without words", notes.filter(pl.col("words") > 0))
        notes = notes.filter(pl.col("split").is_not_null())
        attrition.record_notes("patient in a split", "of nobody else is known whether they are held out", notes)
        if OUT_OF_YEARS in notes["split"]:
            notes = notes.filter(pl.col("split") != OUT_OF_YEARS)
            attrition.record_notes("in the years of its split", STRAYS, notes)
        if self.anchor_year_groups:
            _must_know_years(notes)
            notes = notes.filter(pl.col("anchor_year_group").is_in(self.anchor_year_groups))
            why = f"others may stand in the other dataset; kept are {', '.join(self.anchor_year_groups)}"
            attrition.record_notes("patient of these years", why, notes)
        if self.split == "note":
            return notes.with_columns(split=pl.col("note_id").map_elements(_BY_NOTE.drawn, return_dtype=pl.String))
        return self._apart(notes, held, attrition)

    def _as_large(self, notes: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """Documents of all years, of each split and category as many words as those of some years have."""
        some = self.model_copy(update={"anchor_year_control": False}).select(notes, Attrition())
        every = self.model_copy(update={"anchor_year_groups": ()}).select(notes, attrition)
        why = f"drawn from all years, as many words as of {', '.join(self.anchor_year_groups)}"
        return attrition.record_notes("control of the same size", why, drawn(every, some, ["split", "category"]))

    def _apart(self, notes: pl.DataFrame, held: pl.Series | None, attrition: Attrition) -> pl.DataFrame:
        """The documents by patient, without those that stand on both sides; held: the `copy_key` of held-out notes."""
        if held is not None:
            learnt = pl.col("split").is_in(["train", CORPUS_ONLY])
            notes = notes.filter(~(learnt & pl.col("copy_key").is_in(held.implode())))
            attrition.record_notes("not in a held-out chart", "training text that a held-out chart repeats", notes)
        notes = notes.filter(pl.col("split") != "calibration").with_columns(
            pl.col("split").replace(CORPUS_ONLY, "train")
        )
        attrition.record_notes("not set aside", "calibration patients adapt nothing and measure no perplexity", notes)
        if held is None:
            return notes
        notes = notes.sort("subject_id", "note_seq").filter(pl.struct("split", "copy_key").is_last_distinct())
        return attrition.record_notes("no duplicate", "of duplicates within a split the last counts", notes)

    def documents(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The documents (`DOCUMENTS`) of a portion from selected notes with their text."""
        cleaned = notes.with_columns(text=adaptation_text(pl.col("text")))
        return cleaned.sort("subject_id", "note_seq").select(*DOCUMENTS)


def _must_know_years(notes: pl.DataFrame) -> None:
    if "anchor_year_group" not in notes.columns:
        raise DataError(
            "`anchor_year_groups` needs a source that tells them, as MIMIC-IV does; this one does not, so leave it out."
        )


def _held_out_keys(notes: pl.DataFrame) -> pl.Series:
    return notes.filter(pl.col("split").is_in(HELD_OUT))["copy_key"].unique()
