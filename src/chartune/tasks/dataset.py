"""Dataset: what prepared data are, as `dataset.json` tells it.

Dataset ─┬─ source   whence, under which licence, which raw files, what it warns of
├─ splits   by which rule, and how many of each
├─ tasks    name → card, labels, filters, counts
├─ corpus   filters and counts; None: there is none
├─ inputs   what else determined it
└─ config   its Preparation as plain data
"""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import Field

from chartune.answers import Answer, AnswerKind, answer_of
from chartune.record import Record, read_record
from chartune.runs.record import NamedSource
from chartune.sources.coverage import Coverage
from chartune.store import Artefact
from chartune.tasks.labels import LabelSpace

DATASET: Final = "dataset.json"
Counts = dict[str, dict[str, int]]
"""Split → what is counted → how many: subjects, admissions, positives, labels_assigned, documents, words, …"""


class RawFile(Record):
    """A raw file as it was found."""

    file: str
    bytes: int
    sha256: str
    rows: int | None = None
    """Data rows; None: not counted."""


class Finding(Record):
    """Something that the reader of an annotated corpus left out or noted."""

    what: str
    reason: str
    count: int
    documents: int
    ids: tuple[str, ...] = ()
    left_out: bool = True


class SourceEntry(Record):
    """Where the data come from."""

    kind: str
    """Its reader, such as `mimic3`."""
    version: str
    title: str
    licence: str
    tables: dict[str, RawFile] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """What `strict` refuses."""
    notices: tuple[str, ...] = ()
    """What is as asked for and should be known."""
    coverage: dict[str, tuple[Coverage, ...]] = Field(default_factory=dict)
    """Table → what rules reached that can miss without a word; `notes`: in the texts."""
    findings: tuple[Finding, ...] = ()
    """Of annotated corpora."""


class SplitsEntry(Record):
    """Who is learnt from and who is asked about."""

    rule: dict[str, Any] = Field(default_factory=dict)
    """All that determines it."""
    counts: Counts = Field(default_factory=dict)


class StepEntry(Record):
    """What a filter left, and removed. None: not counted."""

    step: str
    why: str
    subjects: int | None = None
    admissions: int | None = None
    notes: int | None = None
    removed_subjects: int | None = None
    removed_admissions: int | None = None
    removed_notes: int | None = None


class Characteristic(Record):
    """What is known of the rows of a task in one respect: of each level how many, or quartiles of a number.

    Groups are splits, and classes over all splits.
    """

    name: str
    unit: str = ""
    """Of a number."""
    levels: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Level → group → rows, the most frequent level first; empty: it is a number."""
    quartiles: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    """Group → lower quartile, median, upper quartile; a group of which nothing is known is missing."""
    missing: dict[str, int] = Field(default_factory=dict)
    """Group → rows of which it is not known."""


class LeftOut(Record):
    """Why something of an annotated corpus is no example, and how often."""

    why: str
    count: int


class Part(Record):
    """What a task and the corpus have in common."""

    title: str
    attrition: tuple[StepEntry, ...] = ()
    counts: Counts = Field(default_factory=dict)


class TaskEntry(Part):
    """A task: its card (`chartune.tasks.task.Card`), its labels, who is left of whom."""

    who: str = ""
    when: str = ""
    seen: str = ""
    asked: str = ""
    scored: str = ""
    citation: str = ""
    kind: str = ""
    """`retrospective-text`, `prospective` or `as-given`."""
    answer_told: bool = False
    """Whether what is read tells the answer."""
    answer: AnswerKind
    labels: tuple[str, ...]
    titles: tuple[str, ...] = ()
    positive: str | None = None
    """The class that a yes-or-no task asks about."""
    positive_by: str | None = None
    """Who says so."""
    config: dict[str, Any] | None = None
    """Its choices as plain data; None: it has none."""
    left_out: tuple[LeftOut, ...] = ()
    """Of annotated corpora."""
    candidates: dict[str, Any] | None = None
    """Of relations: which pairs of entities are asked about (`tasks.annotated.relations.Candidates`)."""
    sections: dict[str, int] = Field(default_factory=dict)
    """In how many texts each section of an admission note was found, of `texts`; empty: another input is read."""
    coverage: tuple[Coverage, ...] = ()
    """What filters and parsers reached that can miss without a word, the sections apart."""
    groups: Counts = Field(default_factory=dict)
    """Group of `characteristics` → its subjects and admissions."""
    characteristics: tuple[Characteristic, ...] = ()
    """Who the patients are; empty: prepared by a version that did not look, or from an annotated corpus."""
    headings: dict[str, int] = Field(default_factory=dict)
    """The most frequent headings that no rule knows → patients whose texts hold them; none of fewer than ten."""

    @property
    def form(self) -> Answer:
        """The form of its answer."""
        return answer_of(self.answer)

    def space(self) -> LabelSpace:
        """Its labels in the order of their numbers; of a task that asks for spans there is none to learn."""
        return LabelSpace.from_json(self.to_json())


class CorpusEntry(Part):
    """The text that a language model is adapted on."""

    left_out: dict[str, int] | None = None
    """The size of what was left out because other data ask about it."""
    holding: dict[str, int] | None = None
    """The size of the documents that hold such a text."""
    near_copies: dict[str, dict[str, int]] | None = None
    """`left_out` and `holding` once more, because these data ask about it; None: nobody looked."""


class InputEntry(Record):
    """A file or dataset that determined the data, beside the source's tables."""

    file: str
    sha256: str
    licence: str


class Dataset(Record):
    """What prepared data are."""

    source: SourceEntry
    splits: SplitsEntry = SplitsEntry()
    tasks: dict[str, TaskEntry]
    corpus: CorpusEntry | None = None
    inputs: tuple[InputEntry, ...] = ()
    config: dict[str, Any] = Field(default_factory=dict)
    """Its Preparation as plain data: one of another version need not parse."""
    chartune: str = "unknown"
    """The version that made it."""

    @property
    def as_coded(self) -> bool:
        """Whether they follow the code of Gema et al. (2023), so that scores as coded stand beside ours."""
        return self.config.get("preset") == "paper-code"

    def parts(self) -> dict[str, Part]:
        """Every task by its name, then the corpus as `corpus`, if there is one."""
        return {**self.tasks, **({"corpus": self.corpus} if self.corpus else {})}

    def only(self, names: Iterable[str]) -> "Dataset":
        """The same of some tasks, and without the corpus."""
        return self.but(tasks={name: self.tasks[name] for name in self.tasks if name in set(names)}, corpus=None)


def gone(source: NamedSource | None) -> Dataset:
    """What is known of data that are gone: their source, as far as a run names it, and no task."""
    known = source or NamedSource()
    return Dataset(source=SourceEntry(**known.model_dump(), licence=""), tasks={})


def read_dataset(artefact: Artefact) -> Dataset:
    """What prepared data are.

    Raises:
        StoreError: their `dataset.json` is damaged, or of a version that this one cannot read.
    """
    return read_record(artefact, DATASET, Dataset)
