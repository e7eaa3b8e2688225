"""External: labels that somebody else has made, asked of a chart: a CSV of hadm_id and label, an ACES cohort, BEEP's.

labels.csv ─answers─▶ subject_id · hadm_id | time · label ─match─▶ admissions ─ stays ─ reads ─▶ examples

No code is needed: the file says what is asked, `stays` and `reads` say of whom and what the model sees, as for every
task of a chart.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from chartune.answers import AUTO, ChosenAnswer
from chartune.config import Unhashed
from chartune.errors import LeakageError
from chartune.log import say
from chartune.names import MaybeTitle
from chartune.sources.catalog import AnyLabels
from chartune.sources.external_labels import TableLabels
from chartune.sources.source import Records
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.any_input import AnyInput
from chartune.tasks.attrition import KEY, Attrition, Cohort
from chartune.tasks.bedside_notes import ANCHOR, KNOWN_AT, BedsideNotes
from chartune.tasks.chart_task import and_unanswered, answered
from chartune.tasks.inputs import timed
from chartune.tasks.labelled import Labelled, deciding, labels_of
from chartune.tasks.labels import ASKED, LabelSpace
from chartune.tasks.matching import LABELLED_AT, Matched, match, moved, refuse_two_splits
from chartune.tasks.stays import Stays
from chartune.tasks.task import Card, Task

RESERVED: Final = ("corpus", "dataset", "manifest", "splits")
"""Names of other files of prepared data."""


class External(Task):
    """The labels of a file, asked of the admissions that they tell of."""

    kind: Literal["external"] = "external"
    name: str
    """What its runs and its file in the prepared data are called: lower-case letters, digits and `_`."""
    labels: AnyLabels
    """The file of labels, and how it is read."""
    stays: Stays = Stays()
    """Which admissions are asked about, among those with a label."""
    reads: AnyInput = AdmissionNote()
    """What the model reads. Nothing said, and each label has a time: the notes that were stored until then."""
    allow_retrospective: bool = False
    """Whether text that was written after the time of a label may be read all the same; the card says so."""
    which: Literal["first", "last"] = "first"
    """Of several times in one admission the one that is asked about."""
    split: Literal["source", "labels"] = "source"
    """Whose splits count; `labels`: those of the file, whose patients may then stand elsewhere than in the corpus."""
    death_told: Literal["left-out", "kept"] = "left-out"
    """Texts that tell the patient's death, which gives many an answer away."""
    answer: ChosenAnswer = AUTO
    """As in the task `labels`: `auto` goes by the labels that there are."""
    positive: str | None = None
    """Of two labels the one that is asked about; none: as in the task `labels` (`1`, `true`, `yes`, `died`)."""
    least_cases: int = Field(1, ge=1)
    """Training patients that a label needs to be learnt."""
    title: Annotated[MaybeTitle, Unhashed()] = ""
    """What to call the task in reports; empty: its name."""
    citation: Annotated[str, Unhashed()] = "whoever made the labels"
    """Who defined it."""

    @model_validator(mode="before")
    @classmethod
    def _reads_what_was_known(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "reads" in data or data.get("allow_retrospective"):
            return data
        return {**data, "reads": BedsideNotes()} if _timed(data.get("labels")) else data

    @field_validator("name")
    @classmethod
    def _is_a_file_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or name in RESERVED:
            raise ValueError(
                f"a task's name must be lower-case letters, digits and _, and none of {', '.join(RESERVED)}"
            )
        return name

    @model_validator(mode="after")
    def _nothing_is_seen_too_early(self) -> Self:
        if self.labels.timed and self.reads.seen().kind == "retrospective-text" and not self.allow_retrospective:
            raise ValueError(
                f"labels with a time must be asked of what was known by then, but {self.reads.kind} was written after "
                f"it; leave `reads` out (bedside-notes), or say allow_retrospective=true and the card will tell"
            )
        return self

    @property
    def answers(self) -> int | None:
        """Two where that is said; else the file of labels tells."""
        return labels_of(self.answer)

    def card(self) -> Card:
        """The task in words."""
        seen = self.reads.seen()
        when, what = (seen.when, seen.what)
        if self.labels.timed:
            when = f"at the {self.which} time that the labels name of an admission"
        if isinstance(self.reads, BedsideNotes) and self.labels.timed:
            since = "" if self.reads.since == "admission" else f", from {self.reads.hours:g} hours before"
            what = f"notes of the admission stored until then{since} ({', '.join(self.reads.types).lower()})"
        written_later = self.labels.timed and seen.kind == "retrospective-text"
        written = " (written after it)" if written_later else ""
        return Card(
            title=self.title or self.name, who=f"{self.stays.who()}, with a label and a text", when=when,
            seen=what + written, asked="what the file of labels says of the admission", scored=deciding(self.answer),
            citation=self.citation, kind=seen.kind, answer_told=written_later,
        )  # fmt: skip

    def asked(self, records: Records) -> pl.DataFrame:
        """The label of each admission that the file tells of. Says aloud that a column of splits is not followed.

        Raises:
            SchemaError: the file is missing or breaks its contract.
            DataError: the labels are of another source.
            LeakageError: notes are to be read up to a time, and the source does not know when they were written.
        """
        if self.split == "source" and isinstance(self.labels, TableLabels) and self.labels.has_splits():
            say(
                f"{self.name}: the column {self.labels.split} of the labels is not read, because the splits are the "
                f"source's; to follow it, say `split: labels` in this task"
            )
        return self._matched(records.admissions).frame.select(*ASKED)

    def warnings(self, records: Records, splits: pl.DataFrame) -> tuple[str, ...]:
        """Which labels fit no admission, and whose splits are not those of the source; counts only.

        Args:
            records: of the source.
            splits: subject_id · split, as the source is split.
        """
        matched = self._matched(records.admissions)
        own = moved(self.name, matched, splits) if self.split == "labels" else ()
        written = self.labels.written().of("labels", self.labels.file) if isinstance(self.labels, TableLabels) else None
        how = (*written.notices, *written.warnings) if written else ()
        return (*(f"{self.name}: {line}" for line in how), *matched.unmatched(self.name), *own)

    def select(self, cohort: Cohort, attrition: Attrition, *, labelled: bool = True) -> Cohort:
        """The labelled admissions among the stays, in the splits that count, and the notes that are read.

        Where labels say when to predict, or in which split, an admission without one has neither and is not read.

        Raises:
            SchemaError, DataError: as `asked`.
            LeakageError: the labels put a patient into two splits, or no note has a time.
        """
        self._refuse_timeless(cohort.notes)
        matched = self._matched(cohort.admissions)
        refuse_two_splits(matched)
        placed = Cohort(self._placed(cohort.admissions, matched), cohort.notes)
        known = ("labelled", "the file of labels tells of it")
        chosen = answered(self.stays, placed, known, self.reads, attrition if labelled else Attrition())
        if not labelled:
            chosen = and_unanswered(chosen, self.stays, placed, self.reads, attrition)
        return timed(chosen, pl.coalesce(LABELLED_AT, "prediction_time"))

    def examples(self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per admission of which something is read, at the time that its label names, if it names one."""
        return self.reads.examples(admissions, read, attrition, keep_stated_deaths=self.death_told == "kept")

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The labels of the training admissions. Raises LabelError as `chartune.tasks.labelled.Labelled`."""
        space = Labelled(answer=self.answer, positive=self.positive, least_cases=self.least_cases)
        return space.label_space(examples, records)

    def _matched(self, admissions: pl.DataFrame) -> Matched:
        return match(self.labels.answers(with_split=self.split == "labels"), admissions, self.which)

    def _placed(self, admissions: pl.DataFrame, matched: Matched) -> pl.DataFrame:
        """All admissions with the time of their label and the split that counts."""
        more = matched.frame.select("subject_id", "hadm_id", LABELLED_AT, "listed")
        full = admissions.join(more, on=KEY, how="left", maintain_order="left")
        if self.split == "labels":
            full = full.with_columns(split=pl.col("listed"))
        if isinstance(self.reads, BedsideNotes) and self.labels.timed:
            before = pl.duration(minutes=round(self.reads.hours * 60))  # it counts its hours from the anchor
            full = full.with_columns((pl.col(LABELLED_AT) - before).alias(ANCHOR))
        return full.drop("listed")

    def _refuse_timeless(self, notes: pl.DataFrame) -> None:
        if not self.labels.timed or self.reads.seen().kind != "prospective":
            return
        categories = self.reads.categories()
        read = notes.filter(pl.col("category").is_in(categories))
        if not read.filter(KNOWN_AT.is_not_null()).height:
            raise LeakageError(
                f"labels with a time must be asked of notes that were written before, but of {read.height} notes of "
                f"these categories ({', '.join(categories)}) none says when it was written; choose other "
                f"`types`, or read the discharge summary with reads.kind=admission-note and allow_retrospective=true."
            )


def _timed(labels: Any) -> bool:
    """Whether labels, given as a config or as plain data, have a time of prediction each."""
    if isinstance(labels, Mapping):
        return labels.get("kind") == "meds" or bool(labels.get("time"))
    return bool(getattr(labels, "timed", False))
