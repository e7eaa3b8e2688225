"""A source: a dataset at a version, and the canonical frames that it becomes.

Column names are those of MIMIC-IV in lower case, whatever the source calls them, so that a task is written once:

    subjects    subject_id i64 · gender str? · dod date? (day of death; null: not known)
                · of MIMIC-IV also anchor_year_group str? · anchor_year i64?
    admissions  subject_id i64 · hadm_id i64 · admittime, dischtime?, deathtime? datetime · admission_type str?
                · admission_location, discharge_location str? · insurance, language, race str?
                · hospital_expire_flag i64? · age f64? (years at admission; 91.4: somewhere above 89)
    stays       subject_id i64 · hadm_id i64 · stay_id i64 · dbsource str? (of MIMIC-III: carevue, metavision, both)
                · first_careunit str? · intime, outtime? datetime
    ventilation `chartune.sources.ventilation.EPISODES`, derived from the bedside chart when it is asked for
    notes       `chartune.notes.note.SCHEMA`, streamed
    diagnoses, procedures              subject_id i64 · hadm_id i64? · seq_num i64? · icd_code str? · icd_version i64
    diagnosis_titles, procedure_titles icd_code str · icd_version i64 · long_title str?
    labels      subject_id i64 · hadm_id i64 · label str? (what a table itself says of its notes)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias

import polars as pl
from pydantic import AfterValidator

from chartune.config import Unhashed
from chartune.sources.dialect import Bounds
from chartune.sources.facts import TableFacts, file_facts
from chartune.sources.marker import marker_facts
from chartune.sources.tables import Table, Tally, has_tables
from chartune.sources.ventilation import Ventilation
from chartune.store import Store

if TYPE_CHECKING:
    from chartune.sources.releases import Layout

ANCIENT: Final[float] = 91.4
"""The age of everybody above 89: the median of those whose true age the releases hide (MIMIC-III documentation)."""


def absolute(path: Path) -> Path:
    """The path from the root, `~` resolved: a config that is kept must lead to the same place from anywhere."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # pydantic tells ValueErrors with the path of the field
        raise ValueError("the home folder of `~` must be known; write the whole path") from None


RawPath: TypeAlias = Annotated[Path, Unhashed(), AfterValidator(absolute)]
"""Where raw data are. The path stays out of the fingerprint; the bytes that it leads to are in it."""


@dataclass(frozen=True)
class About:
    """What the data card says of a source."""

    kind: str
    """Its reader, such as `mimic3`."""
    version: str
    """The release, as far as its row counts tell."""
    title: str
    """What a person calls it."""
    licence: str
    """Under which terms the text may be used."""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Records:
    """The canonical frames of a source. Notes are streamed, everything else fits into memory at any hospital."""

    about: About
    subjects: pl.DataFrame
    admissions: pl.DataFrame
    notes: Callable[[], Iterator[pl.DataFrame]]
    """One pass over all notes, in batches; may be asked again."""
    diagnoses: pl.DataFrame | None = None
    procedures: pl.DataFrame | None = None
    diagnosis_titles: pl.DataFrame | None = None
    procedure_titles: pl.DataFrame | None = None
    labels: pl.DataFrame | None = None
    """subject_id i64 · hadm_id i64 · label str?, of a source that brings its own labels; None: it brings none. A null
    label: not labelled. One row per document, or, where its labels stand in one cell (`Tabular.separator`), one row
    per document and label, each label once."""
    stays: pl.DataFrame | None = None
    """Stays in intensive care; None: the source has no table of them."""
    ventilation: Ventilation | None = None
    """Episodes of ventilation, from one pass over the largest table, made when first asked for; None: the source was
    loaded without its bedside events."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    """Per table what was counted so far; that of the notes is complete when a pass has ended."""
    expected_rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Per table the rows of the release that this seems to be, more than one where its publisher's pages disagree;
    empty: no known release."""
    warnings: tuple[str, ...] = ()
    """What a reader of the data card should know; counts, no cells."""
    notices: tuple[str, ...] = ()
    """How the files were read, where a rule decided; no reason for a warning."""


def orphans(table: str, admissions: pl.DataFrame, patients: pl.DataFrame) -> tuple[str, ...]:
    """The warning that admissions belong to nobody, if some do."""
    count = admissions.join(patients, on="subject_id", how="anti").height
    return (f"{table}: {count} admissions of subjects that the table of patients lacks.",) if count else ()


class Source(Bounds, ABC):
    """Base of all sources: a value with a `kind`, listed in `sources.kinds`.

    `events`: whether the tables of bedside events, by far the largest, are wanted. Without, they are not even looked
    for.
    """

    layout: ClassVar["Layout | None"] = None
    """How its tables are laid out, and what has been published so; None: it has none that others share."""
    tables: ClassVar[tuple[Table, ...]] = ()
    """All tables of that layout that are read."""
    chart: ClassVar[tuple[Table, ...]] = ()
    """Those without which nobody is ventilated; empty: it has no bedside chart."""

    place: ClassVar[str] = "folder"
    """The field that says where it is."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Fields that say where more of it is."""
    icd_versions: ClassVar[tuple[Literal[9, 10], ...]] = (9,)
    """In which its diagnoses and procedures may be coded."""

    if TYPE_CHECKING:  # a field in some members and a property in others: pydantic would take it for a default

        @property
        def kind(self) -> str:
            """What it goes by in configs and on the command line."""

        @property
        def folder(self) -> Path:
            """Where its tables are."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a path looks like this source; a kind that never does must be named (`--source`)."""
        return False

    def has_events(self) -> bool:
        """Whether the tables are there of which ventilation is derived. Reads nothing and refuses nothing."""
        return bool(self.chart) and has_tables(self.folder, self.chart)

    @abstractmethod
    def files(self, events: bool = False) -> dict[str, Path]:
        """Table → raw file, for all tables that are read. Raises SchemaError: a required one is missing."""

    def facts(self, store: Store, events: bool = False) -> dict[str, TableFacts]:
        """Table → size and hash of its file; quick when the store has seen the file before.

        Raises:
            SchemaError: bytes are not those that `SHA256SUMS.txt` lists.
        """
        tables = {table: file_facts(file, store) for table, file in self.files(events).items()}
        return tables | marker_facts(self.folder, store)

    @abstractmethod
    def load(self, events: bool = False) -> Records:
        """The canonical frames. Raises SchemaError: a table breaks its contract."""

    def own_ids(self) -> pl.DataFrame | None:
        """What its owner calls each row and its patient; None: they have numbers there, too.

        Returns:
            hadm_id i64 · id · subject_id; of these each is i64 where all are whole numbers, else str.

        Raises:
            SchemaError: the table is missing or damaged.
        """
        return None
