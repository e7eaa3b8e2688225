"""Labelled: what a table of one's own asks: a text, a patient, a label. There is no chart, so no clinical filter."""

from typing import Final, Literal

import polars as pl
from pydantic import Field

from chartune.answers import AUTO, BINARY, ENOUGH_CASES, Answer, ChosenAnswer, answer_of, fitting
from chartune.errors import LabelError
from chartune.notes.note import PLAIN
from chartune.sources.source import Records
from chartune.sources.splits import SPLITS
from chartune.tasks.attrition import Attrition, Cohort
from chartune.tasks.inputs import Input, Seen, texts_of, timed, unread
from chartune.tasks.labels import ASKED, LabelSpace, training_labels
from chartune.tasks.positive import positive_of
from chartune.tasks.task import Card, Task

MOST_CLASSES: Final = 100
"""More distinct single answers than this are numbers or free text, not classes."""
MOST_LABELS: Final = 5000
"""More labels than this are free text: the largest published label space has some 1,300."""
FEW_CLASSES: Final = 10
"""Among so many classes a rare one may stand; where there are more, rare ones are numbers or free text."""
SHARED: Final = 2
"""Training patients that any class has: what one patient alone has may be somebody's words about that patient."""
LONGEST: Final = 100
"""Characters of a label; longer ones are sentences."""


class WholeText(Input):
    """A text of a table as it is, blanks at its ends apart."""

    kind: Literal["whole-text"] = "whole-text"

    def seen(self) -> Seen:
        """What the model reads, in words."""
        return Seen("as the table's owner says", "the whole text of the row", "as-given")

    def categories(self) -> tuple[str, ...]:
        """Every text of a table."""
        return (PLAIN,)

    def select(self, cohort: Cohort, attrition: Attrition) -> Cohort:
        """Rows with words."""
        worded = attrition.record("has text", "a row without words", cohort.reading(pl.col("words") > 0))
        return timed(worded, pl.col("admittime"))

    def read_notes(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The text of each row."""
        return texts_of(notes, lambda texts: texts[0].strip(), unread)


class Labelled(Task):
    """The labels of a table of one's own."""

    kind: Literal["labels"] = "labels"
    answer: ChosenAnswer = AUTO
    """Of which form (`chartune.answers`). `auto`: `multilabel` where a row has several labels, else by their number."""
    positive: str | None = None
    """Of two labels the one that is asked about; none: as is usual (`1` of `0` and `1`, `died` of `survived`; see
    `chartune.tasks.positive.CONVENTIONS`), else the later in sorting, with a warning."""
    least_cases: int = Field(1, ge=1)
    """Training patients who need to have a label for it to be learnt."""
    title: str = "Labels of the table"
    """What to call the task in reports."""

    @property
    def name(self) -> str:
        """`labels`."""
        return self.kind

    def card(self) -> Card:
        """The task in words."""
        seen = self.reads.seen()
        return Card(
            title=self.title, who="rows of the table that have a text and a label", when=seen.when, seen=seen.what,
            asked="the label of the row", scored=deciding(self.answer), citation="the table's owner", kind=seen.kind,
        )  # fmt: skip

    @property
    def answers(self) -> int | None:
        """Two where that is said; else the table tells."""
        return labels_of(self.answer)

    @property
    def reads(self) -> "WholeText":
        """The whole text of a row."""
        return WholeText()

    def asked(self, records: Records) -> pl.DataFrame:
        """The labels of each row; rows without one have no answer."""
        if records.labels is None:
            return pl.DataFrame(schema=ASKED)
        known = records.labels.drop_nulls("label").with_columns(pl.col("label").str.strip_chars())
        return known.group_by("subject_id", "hadm_id").agg(asked=pl.col("label").unique().sort())

    def select(self, cohort: Cohort, attrition: Attrition, *, labelled: bool = True) -> Cohort:
        """Rows of a split with a text, and with a label where that is asked for."""
        attrition.record("all rows", "what the table holds", cohort)
        cohort = attrition.record(
            "patient in a split",
            "stands in none of train, validation, calibration and test",
            cohort.whose(pl.col("split").is_in(SPLITS)),
        )
        if labelled:
            why = "what is not known cannot be learnt or scored"
            cohort = attrition.record("has a label", why, cohort.whose(pl.col("asked").is_not_null()))
        return self.reads.select(cohort, attrition)

    def examples(self, admissions: pl.DataFrame, read: pl.DataFrame, attrition: Attrition) -> pl.DataFrame:
        """One example per row."""
        return self.reads.examples(admissions, read, attrition, keep_stated_deaths=True)

    def label_space(self, examples: pl.DataFrame, records: Records) -> LabelSpace:
        """The labels of the training rows. Their names are shown to people, so each must be that of a class.

        Raises:
            LabelError: the labels are no classes but numbers or free text, or `positive` is none of two; the message
                counts them and names none.
        """
        labels = _patients(examples)
        patients = labels.filter(pl.col("patients") >= self.least_cases)
        several = int((examples["asked"].list.len() > 1).sum())
        form = self._form(patients.height, several > 0)
        if form.several:
            patients = patients.filter(pl.col("patients") >= ENOUGH_CASES)  # rarer: noise, or somebody's words
        elif several:
            raise LabelError(
                f"a {form.kind} task must have one label per row, but {several} rows have several; "
                f"leave `answer` at auto, or say multilabel."
            )
        _must_be_classes(
            patients,
            most=MOST_LABELS if form.several else MOST_CLASSES,
            least=SHARED if labels.height <= FEW_CLASSES else ENOUGH_CASES,
        )
        names = patients["asked"].sort().to_list()
        return self._one_outcome(names, form) if form.one_outcome else LabelSpace(form.kind, tuple(names), tuple(names))

    def _one_outcome(self, names: list[str], form: Answer) -> LabelSpace:
        """Two labels or fewer, that which is asked about at the end."""
        if len(names) > 2:
            raise LabelError(
                f"a {form.kind} task must have two labels, but the training rows have {len(names)}; "
                f"leave `answer` at auto."
            )
        if self.positive is not None and (self.positive not in names or len(names) != 2):
            raise LabelError(
                f"`positive` must be one of two labels, but the training rows have {len(names)} and "
                f"{self.positive!r} is {'one' if self.positive in names else 'none'} of them."
            )
        if len(names) < 2:
            return LabelSpace(form.kind, tuple(names), tuple(names))
        positive, by = positive_of(names, self.positive)
        ordered = tuple(sorted(names, key=lambda name: name == positive))
        return LabelSpace(form.kind, ordered, ordered, by)

    def _form(self, labels: int, several: bool) -> Answer:
        return fitting(labels, several) if self.answer == AUTO else answer_of(self.answer)


def deciding(answer: str) -> str:
    """The metric that decides, where the table says what form its answers have."""
    return BINARY.headline.metric if answer == AUTO else answer_of(answer).headline.metric


def labels_of(answer: str) -> int | None:
    """How many labels there are; None where only the data tell."""
    return 2 if answer != AUTO and answer_of(answer).one_outcome else None


def _patients(examples: pl.DataFrame) -> pl.DataFrame:
    """Columns asked and patients: how many training patients have each label."""
    return training_labels(examples).group_by("asked").agg(patients=pl.col("subject_id").n_unique())


def _must_be_classes(patients: pl.DataFrame, *, most: int, least: int) -> None:
    """Refuse numbers and free text.

    Args:
        patients: asked · patients, of the labels to learn.
        most: how many there may be.
        least: training patients who must share one.

    Raises:
        LabelError: there are more, one is long, or fewer share one.
    """
    distinct = patients.height
    rare = patients.filter(pl.col("patients") < least).height
    long = patients.filter(pl.col("asked").str.len_chars() > LONGEST).height
    remedy = "name the column of classes (`label`; null: there is none), or put what it says into classes"
    if distinct > most:
        what = f"{distinct} distinct ones stand in the training rows, more than {most}, as numbers and free text do"
    elif long:
        what = f"{long} of the {distinct} distinct ones have more than {LONGEST} characters, as sentences have"
    elif rare:
        shared = f"belong to fewer than {least} training patients each, as numbers and free text do"
        what = f"{rare} of the {distinct} distinct ones {shared}"
        remedy += f", prepare more patients, or say `least_cases: {least}` in the task, and rarer ones are left out"
    else:
        return
    raise LabelError(
        f"labels must be classes that patients share, because people are shown their names, but {what}; {remedy}."
    )
