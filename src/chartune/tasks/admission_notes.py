"""Admission notes: what discharge summaries tell of the patient on arrival, as van Aken et al. (2021, CORe) defined it.

Written after the outcome, cut back to eight sections. Every task that reads them shares these filters, so that tasks
differ in what they ask and in nothing else.
"""

from typing import Final

import polars as pl

from chartune.notes.sections import admission_sections, admission_text, tells_death, without_death_asides
from chartune.sources.splits import SPLITS
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.task import EXAMPLES, NOTES_READ

CATEGORY: Final = "Discharge summary"
_KEY: Final = ["subject_id", "hadm_id"]


def studied(cohort: Cohort, attrition: Attrition, min_age: int) -> Cohort:
    """The admissions that an outcome can be asked of: of a split, with plausible times, neither newborn nor a minor."""
    attrition.record("all admissions", "what the source holds", cohort)
    cohort = attrition.record(
        "note of an admission", "notes of clinics and other units have no admission", cohort.of(cohort.admissions)
    )
    cohort = attrition.record(
        "patient in a split", "train, validation, calibration or test", cohort.whose(pl.col("split").is_in(SPLITS))
    )
    cohort = attrition.record(
        "ends after it begins",
        "a stay without an end, or with one before its beginning, is a typing error",
        cohort.whose(pl.col("dischtime") >= pl.col("admittime")),
    )
    cohort = attrition.record(
        "not a newborn",
        "newborns have charts of their own kind (van Aken et al., 2021)",
        cohort.whose(pl.col("admission_type").str.to_uppercase().ne_missing("NEWBORN")),
    )
    why = f"age at admission {min_age} or more; admission types alone let older children in"
    return attrition.record("of age", why, cohort.whose(pl.col("age") >= min_age))


def summaries(cohort: Cohort, attrition: Attrition) -> Cohort:
    """The discharge summaries of these admissions that count; admissions without one leave."""
    cohort = attrition.record(
        "discharge summary", "the only note that tells the whole story", cohort.reading(pl.col("category") == CATEGORY)
    )
    cohort = attrition.record("not withdrawn", "its author marked it as an error", cohort.reading(~pl.col("is_error")))
    cohort = attrition.record("has text", "a note without words", cohort.reading(pl.col("words") > 0))
    latest = Cohort(cohort.admissions, cohort.notes.sort("chartdate", "note_seq", nulls_last=False))
    cohort = attrition.record(
        "no copy", "of identical texts the latest counts", latest.reading(pl.col("text_key").is_last_distinct())
    )
    report = pl.col("description").str.to_lowercase().ne_missing("addendum").any().over("hadm_id")
    return attrition.record("has a report", "an addendum alone tells half a story", cohort.reading(report))


def examples_on_arrival(
    admissions: pl.DataFrame, notes: pl.DataFrame, attrition: Attrition, *, death_told: bool
) -> pl.DataFrame:
    """Examples of a shard whose prediction is made on admission, sorted by hadm_id; arguments as `read_on_arrival`."""
    texts = read_on_arrival(notes, attrition, death_told=death_told)
    timed = admissions.with_columns(prediction_time=pl.col("admittime"))
    return timed.join(texts, on=["subject_id", "hadm_id"]).select(*EXAMPLES, NOTES_READ).sort("hadm_id")


def read_on_arrival(notes: pl.DataFrame, attrition: Attrition, *, death_told: bool) -> pl.DataFrame:
    """The admission text of each admission of a shard.

    Several summaries of an admission are read by date and order of writing; a section's first words count. They are
    not glued together: the last section of a report would run on into its addendum, which may tell the end.

    Args:
        notes: discharge summaries with `text`.
        attrition: is told what was left out.
        death_told: whether texts that tell the death are kept.

    Returns:
        subject_id · hadm_id · text · notes_read, sorted by hadm_id.
    """
    ordered = notes.sort("hadm_id", "chartdate", "note_seq", nulls_last=False)
    texts = ordered.group_by(_KEY, maintain_order=True).agg("text", pl.len().alias(NOTES_READ))
    read = texts.with_columns(text=pl.Series([_on_arrival(one) for one in texts["text"]], dtype=pl.String))
    read = _record(read.filter(pl.col("text") != ""), attrition, "tells why the patient came", _NO_STORY)
    if death_told:
        return read
    told = pl.Series([tells_death(text) for text in read["text"]], dtype=pl.Boolean)
    return _record(read.filter(~told), attrition, "does not tell the death", _DEATH)


_NO_STORY: Final = "neither chief complaint nor present illness nor medical history"
# Deaths told in the chief complaint give the answer away; the note is dropped, not trimmed (van Aken et al., 2021).
_DEATH: Final = "wordings such as 'patient expired' give the answer away"


def _on_arrival(texts: pl.Series) -> str:
    found: dict[str, str] = {}
    for text in texts:
        found = admission_sections(text) | found
    return admission_text(without_death_asides(found))


def _record(read: pl.DataFrame, attrition: Attrition, step: str, why: str) -> pl.DataFrame:
    attrition.add(step, why, read["subject_id"].n_unique(), read.height, int(read[NOTES_READ].sum()))
    return read
