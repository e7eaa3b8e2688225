"""The admission note: what discharge summaries tell of the patient on arrival, as van Aken et al. (2021, CORe) put it.

Written after the outcome, cut back to eight sections: the input of all five tasks of Gema et al. (2023).
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal

import polars as pl

from chartune.notes.core_rules import core_sections, core_tells_death, core_text, core_without_asides
from chartune.notes.deaths import tells_death
from chartune.notes.headings import Known
from chartune.notes.sections import (
    admission_sections,
    admission_text,
    without_death_asides,
    words_death_as_core,
)
from chartune.sources.coverage import Rule
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.inputs import SUMMARY, TELLS_DEATH, Input, Seen, counted, dated, joined, texts_of, timed

_SUMMARIES: Final = Rule(
    "a discharge summary", "admissions", 0.5,
    "Do notes name their admission (hadm_id), and is a summary's category that of the release?",
)  # fmt: skip
_NO_STORY: Final = "neither chief complaint nor present illness nor medical history"
# A stated death gives the answer away; the note is dropped, not trimmed (van Aken et al., 2021).
_DEATH: Final = "'passed away', 'autopsy' and the like reveal the label"


class SummaryInput(Input):
    """Base of the inputs that read discharge summaries."""

    withdrawn: Literal["left-out", "kept"] = "left-out"
    """Notes that their author marked as an error (ISERROR); CORe and published work keep them."""
    copies: Literal["among-eligible", "among-all-notes"] = "among-eligible"
    """Among whose summaries one counts of identical texts: those of the stays with an answer, or of all admissions
    (newborns apart), as in CORe's code. There a text whose latest copy belongs to a patient in no split, or to an
    admission without an answer, is asked about nowhere."""

    blanks: Literal["stripped", "as-written"] = "stripped"
    """Blanks at the ends of CATEGORY and DESCRIPTION. CORe's code compares both as they are written: a category with a
    blank behind it is none of a summary, and nothing but `Report` is a report."""

    @property
    def chosen_first(self) -> bool:
        """Whether copies are looked for among all notes."""
        return self.copies == "among-all-notes"

    def categories(self) -> tuple[str, ...]:
        """Discharge summaries only."""
        return (SUMMARY,)

    def summaries(self, cohort: Cohort, attrition: Attrition, at: str) -> Cohort:
        """The discharge summaries of these admissions that count; admissions without one leave.

        Args:
            cohort: any.
            attrition: records each filter.
            at: column of admissions with the time of the prediction.
        """
        why = "the only note that tells the whole story"
        cohort = attrition.record("discharge summary", why, cohort.reading(pl.col("category") == SUMMARY), _SUMMARIES)
        if self.blanks == "as-written":
            why = "its CATEGORY has blanks around it, with which CORe's code does not know it"
            cohort = attrition.record("category as written", why, cohort.reading(~pl.col("category_padded")))
        if self.withdrawn == "left-out":
            why = "its author marked it as an error"
            cohort = attrition.record("not withdrawn", why, cohort.reading(~pl.col("is_error")))
        cohort = attrition.record("has text", "a note without words", cohort.reading(pl.col("words") > 0))
        latest = Cohort(cohort.admissions, dated(cohort.notes))
        cohort = attrition.record(
            "no duplicate",
            "of identical texts the latest counts",
            latest.reading(pl.col("text_key").is_last_distinct()),
        )
        reported = cohort.reading(self._report().any().over("hadm_id"))
        return timed(attrition.record("has a report", "an addendum alone tells half a story", reported), pl.col(at))

    def _report(self) -> pl.Expr:
        """Whether a note is a report."""
        if self.blanks == "as-written":
            return pl.col("description").eq_missing("Report")
        return pl.col("description").str.strip_chars().str.to_lowercase().ne_missing("addendum")


class AdmissionNote(SummaryInput):
    """Eight sections of the discharge summary, read as if on arrival."""

    kind: Literal["admission-note"] = "admission-note"
    sections: Literal["chartune", "core", "core-stripped"] = "chartune"
    """By whose rules sections are found and put together: `chartune.notes.sections` or `chartune.notes.core_rules`;
    `core-stripped`: the latter, when blanks at the ends of lines are gone. MIMIC-IV has one in every empty line, where
    CORe's patterns, written for MIMIC-III, find no end of a section and so no section at all."""
    headings: Literal["variants", "core"] = "variants"
    """Which headings of the eight sections are known: as other authors write them, too ("HPI", "Home Medications";
    `chartune.notes.headings`), or CORe's own. CORe's `sections` know none but these."""
    told_deaths: Literal["by-context", "core-wordings"] = "by-context"
    """How a stated death is detected, where death is asked: by its words and what stands around them
    (`chartune.notes.deaths`), or by CORe's few wordings. CORe's `sections` bring CORe's own."""

    def seen(self) -> Seen:
        """What the model reads, in words."""
        return Seen(
            when="on admission (admittime)",
            what="eight sections of the discharge summary that describe the patient on arrival",
            kind="retrospective-text",
        )

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """The discharge summaries that count; admissions without one leave."""
        return self.summaries(cohort, attrition, "admittime")

    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The admission text of each admission of a portion; empty where it does not say why the patient came."""
        if self.sections == "chartune":
            by_core = self.told_deaths == "core-wordings"
            return texts_of(
                dated(notes), partial(_on_arrival, self.headings), words_death_as_core if by_core else tells_death
            )
        if self.sections == "core-stripped":
            notes = notes.with_columns(pl.col("text").str.replace_all(r"[ \t]+(\r?\n)", "$1"))
        return texts_of(dated(notes), _on_arrival_core, _tells_death_core)

    def examples(
        self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition, *, keep_stated_deaths: bool
    ) -> pl.DataFrame:
        """Examples of a portion, sorted by hadm_id."""
        examples = joined(admissions, read).filter(pl.col("text") != "")
        examples = counted(examples, attrition, "states why the patient came", _NO_STORY)
        if not keep_stated_deaths:
            examples = counted(examples.filter(~pl.col(TELLS_DEATH)), attrition, "does not state the death", _DEATH)
            examples = self._without_asides(examples)
        return examples.drop(TELLS_DEATH)

    def _without_asides(self, read: pl.DataFrame) -> pl.DataFrame:
        """CORe cuts asides where death is asked only; by chartune's rules they are gone from every task."""
        if self.sections == "chartune":
            return read
        cut = [core_without_asides(text) for text in read["text"]]
        return read.with_columns(pl.Series("text", cut, dtype=pl.String))


def _on_arrival(known: Known, texts: Sequence[str]) -> str:
    # Not glued together: the last section of a report would run on into its addendum, which may tell the end.
    sections: dict[str, str] = {}
    for text in texts:
        sections = admission_sections(text, known) | sections
    return admission_text(without_death_asides(sections))


def _on_arrival_core(texts: Sequence[str]) -> str:
    return core_text(core_sections(texts))


def _tells_death_core(text: str) -> bool:
    return core_tells_death(core_without_asides(text))
