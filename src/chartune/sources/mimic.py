"""A hospital in a layout of MIMIC: what its generations share on the way from raw tables to the canonical frames.

    patients · admissions · codes · ICU stays   read at once
    notes                                       streamed
    bedside events                              read when ventilation is asked for

A generation says its tables, what its notes are under canonical names, how old patients are, and their episodes.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

import polars as pl

from chartune.config import Unhashed
from chartune.names import MaybeTitle
from chartune.sources.codes import read_codes
from chartune.sources.icu_stays import read_stays, strays
from chartune.sources.links import own_notes, own_table
from chartune.sources.marker import disowned
from chartune.sources.reading import batches, keyed
from chartune.sources.releases import Layout
from chartune.sources.source import RawPath, Records, Source, orphans
from chartune.sources.tables import Table, Tally, locate
from chartune.sources.ventilation import OxygenJoin
from chartune.sources.ventilation.chart_rows import refuse_without
from chartune.sources.ventilation.episodes import once

Files: TypeAlias = Mapping[str, Path]
"""Table → raw file."""
Tallies: TypeAlias = Mapping[str, Tally]
"""Table → what has been counted in it so far."""


class Mimic(Source):
    """Base of MIMIC-III and MIMIC-IV."""

    layout: ClassVar[Layout]
    patients: ClassVar[Table]
    admissions: ClassVar[Table]
    coded: ClassVar[tuple[Table, ...]]
    """Of diagnoses, of procedures, and of the titles of both."""
    icu_stays: ClassVar[Table]
    note_tables: ClassVar[tuple[Table, ...]]
    event_tables: ClassVar[tuple[Table, ...]]
    """Of bedside events: most of the bytes, read only when they are asked for."""
    folder_tables: ClassVar[tuple[Table, ...]]
    """All that are looked for in `folder`, those of bedside events apart."""
    birth: ClassVar[tuple[str, ...]]
    """Columns of `patients` that say when somebody was born."""
    age: ClassVar[pl.Expr]
    """Age in years, f64, by `birth` and the columns of an admission."""

    kind: str
    folder: RawPath
    """Where the tables are."""
    title: Annotated[MaybeTitle, Unhashed()] = ""
    """What to call it in reports; empty: what its row counts tell."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms its text may be used; empty: those of the release that it is."""

    def files(self, events: bool = False) -> dict[str, Path]:
        """Table → raw file; the bedside events only where they are wanted.

        Raises:
            SchemaError: a required table is missing, or two files could be one.
        """
        files = locate(self.folder, (*self.folder_tables, *(self.event_tables if events else ())))
        if events:
            refuse_without(self.chart, files, self.folder)
        return files

    def load(self, events: bool = False) -> Records:
        """The canonical frames.

        Raises:
            SchemaError: a table is missing, damaged or breaks its contract, or a key occurs twice.
        """
        files, tallies = self.files(events), {table.name: Tally() for table in self.tables}
        patients = self._keyed(self.patients, "subject_id", files, tallies)
        admissions = self._keyed(self.admissions, "hadm_id", files, tallies)
        codes = read_codes([self._bounded(table) for table in self.coded], files, tallies)
        codes = codes.linked(self.coded, admissions, tallies)
        stays, stay_warnings = self._stays(files, tallies, admissions)
        counted = {name: tallies[name].rows for name in self.layout.patient_tables if name in files}
        release = self.layout.release(self.folder, files.values(), counted)
        return Records(
            about=self.layout.about(self.folder, files.values(), release, self.title, self.licence),
            subjects=self._subjects(patients),
            admissions=self._aged(admissions, patients),
            notes=lambda: self._note_batches(files, tallies, admissions),
            diagnoses=codes.diagnoses,
            procedures=codes.procedures,
            diagnosis_titles=codes.diagnosis_titles,
            procedure_titles=codes.procedure_titles,
            stays=stays,
            ventilation=once(lambda: self._episodes(files, tallies, stays)) if events and stays is not None else None,
            tallies={name: tally for name, tally in tallies.items() if name in files},
            expected_rows=release.accepted() if release else {},
            warnings=(
                *disowned(self.folder, files.values()),
                *self._without_notes(files),
                *orphans(self.admissions.name, admissions, patients),
                *stay_warnings,
                *codes.warnings,
                *(self._without_events(files, stays) if events and stays is not None else ()),
            ),
        )

    @abstractmethod
    def _canonical(self, raw: pl.DataFrame, table: Table, tally: Tally) -> pl.DataFrame:
        """A batch of notes as `chartune.notes.note.SCHEMA`; their categories are counted."""

    @abstractmethod
    def _episodes(self, files: Files, tallies: Tallies, stays: pl.DataFrame) -> Mapping[OxygenJoin, pl.DataFrame]:
        """Episodes of ventilation by both joins, from the bedside chart."""

    def _subjects(self, patients: pl.DataFrame) -> pl.DataFrame:
        return patients.select("subject_id", "gender", "dod")

    def _without_notes(self, files: Files) -> tuple[str, ...]:
        """The warning that tables of notes are missing, where they may be."""
        return ()

    def _without_events(self, files: Files, stays: pl.DataFrame) -> tuple[str, ...]:
        """The warning that tables of bedside events are missing, where they may be."""
        return ()

    def _bounded(self, table: Table) -> Table:
        return table.bounded(self.longest_row, self.longest_cell)

    def _keyed(self, table: Table, key: str, files: Files, tallies: Tallies) -> pl.DataFrame:
        return keyed(files[table.name], self._bounded(table), tallies[table.name], key)

    def _stays(self, files: Files, tallies: Tallies, admissions: pl.DataFrame) -> tuple[pl.DataFrame | None, list[str]]:
        """Stays in intensive care, and what is wrong with them."""
        name = self.icu_stays.name
        stays, strange = own_table(name, read_stays(self._bounded(self.icu_stays), files, tallies), admissions)
        return stays, [*strays(name, stays, admissions), *strange]

    def _aged(self, admissions: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
        """The admissions with the age at each."""
        born = patients.select("subject_id", *self.birth)
        aged = admissions.join(born, on="subject_id", how="left", maintain_order="left")
        return aged.with_columns(age=self.age).drop(*self.birth)

    def _note_batches(self, files: Files, tallies: Tallies, admissions: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """One pass over all notes, table by table."""
        for table in (table for table in self.note_tables if table.name in files):
            tally = tallies[table.name]
            tally.restart()
            for raw in batches(files[table.name], self._bounded(table), tally):
                yield own_notes(self._canonical(raw, table, tally), admissions, tally)
