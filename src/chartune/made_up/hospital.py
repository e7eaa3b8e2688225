"""The made-up hospital: patients drawn one by one, written in a raw layout, with the truth beside them.

    (seed, index) ─draw_patient─▶ Patient ─write_story─▶ Story ─▶ rows ──▶ OUT/TABLE.csv.gz
                                                                  └─────▶ OUT/made-up/ oracle, ventilation, manifest

Reproducible: the same layout, subjects, seed and events make the same bytes on every machine; a bigger hospital begins
with the same patients; both layouts have the same patients, who had, did and died of the same; without events all other
tables are the same bytes. Everything is invented. Memory does not grow with the number of patients; the folder appears
when it is complete.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa

from chartune.errors import ConfigError
from chartune.log import progress
from chartune.made_up import care, mimic3_layout, mimic3_rows, mimic4_layout, mimic4_rows
from chartune.made_up.chart import Chart
from chartune.made_up.dice import Dice
from chartune.made_up.oracle import FOLDER, ORACLE, ORACLE_SCHEMA
from chartune.made_up.outcome import MODEL, OutcomeModel
from chartune.made_up.patients import Patient, draw_patient
from chartune.made_up.table_file import Cell, TableFile
from chartune.made_up.truth_file import TruthFile
from chartune.outputs import new_folder
from chartune.store import MANIFEST, write_json

REVISION: Final = 4
"""Raised when the same layout, subjects, seed and events give other bytes than before."""
VENTILATION: Final = "ventilation.parquet"
"""True spells on a ventilator: hadm_id i64 · icu_stay_id i64 · start · end · invasive."""

_SPELLS: Final = pa.schema([
    ("hadm_id", pa.int64()), ("icu_stay_id", pa.int64()), ("start", pa.timestamp("us")), ("end", pa.timestamp("us")),
    ("invasive", pa.bool_()),
])  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How a release is written."""

    imitates: str
    columns: Mapping[str, Sequence[str]]
    events: frozenset[str]
    numbered: bool
    dictionaries: Callable[[], Iterator[tuple[str, tuple[Cell, ...]]]]
    write: Callable[[Dice, OutcomeModel, Patient, bool], Chart]
    standing: Mapping[str, int]
    """Oddities of the dictionaries, which are the same in every hospital."""


LAYOUTS: Final = {
    "mimic3": Layout(
        "MIMIC-III 1.4", mimic3_layout.COLUMNS, mimic3_layout.EVENTS, True, mimic3_rows.dictionaries,
        mimic3_rows.write_mimic3, {},
    ),
    "mimic4": Layout(
        "MIMIC-IV 2.2 with MIMIC-IV-Note 2.2", mimic4_layout.COLUMNS, mimic4_layout.EVENTS, False,
        mimic4_rows.dictionaries, mimic4_rows.write_mimic4,
        {"code_strings_in_both_versions": len(mimic4_rows.IN_BOTH_VERSIONS)},
    ),
}  # fmt: skip
"""Name → layout."""


def make_hospital(
    out: Path, *, layout: Literal["mimic3", "mimic4"] = "mimic3", subjects: int, seed: int = 0, events: bool = True
) -> dict[str, Any]:
    """Write a made-up hospital, the same bytes for the same arguments; a bigger one begins alike.

    Args:
        out: the folder, new or empty; if it holds this very hospital nothing is done.
        layout: `mimic3`: MIMIC-III v1.4; `mimic4`: MIMIC-IV 2.2 with MIMIC-IV-Note 2.2; as PhysioNet ships them.
        subjects: patients, newborns included, whom MIMIC-IV leaves out.
        seed: of all chance.
        events: whether the tables of bedside events, most of the bytes, are there; ICU stays are in any case.

    Returns:
        The manifest: layout, sizes, seed, revision, tables with rows and SHA-256, oddities, models of death and stay.

    Raises:
        ConfigError: a number is out of range, or `out` holds something else.
        StoreError: it cannot be written; nothing half-written stays behind.
    """
    out = Path(out)
    asked = {"layout": layout, "subjects": subjects, "seed": seed, "events": events, "revision": REVISION}
    _check(layout, subjects, seed)
    standing = _standing(out, asked)
    if standing is not None:
        return standing
    with new_folder(out) as folder:
        (folder / FOLDER).mkdir()
        manifest = {"title": "Made-up hospital", "licence": "CC0 1.0", "made_up": True, **asked}
        manifest |= {"imitates": LAYOUTS[layout].imitates} | _fill(folder, LAYOUTS[layout], subjects, seed, events)
        write_json(folder / FOLDER / MANIFEST, manifest)
    return manifest


def _check(layout: str, subjects: int, seed: int) -> None:
    if layout not in LAYOUTS:
        raise ConfigError(f"`layout` must be one of {', '.join(LAYOUTS)}, but got {layout!r}.")
    if subjects < 1 or seed < 0:
        raise ConfigError(f"`subjects >= 1` and `seed >= 0` must hold, but got subjects={subjects}, seed={seed}.")


def _standing(out: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the hospital that already stands there, if it is the one asked for."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / FOLDER / MANIFEST).is_file():
        raise ConfigError(
            f"a hospital goes into a new or empty folder, but {out} holds other things; choose another --out."
        )
    manifest, files = _manifest(out)
    stands = {name: manifest.get(name) for name in asked}
    if stands != asked:
        raise ConfigError(
            f"{out} must hold the hospital asked for, {_named(asked)}, but holds {_named(stands)}; "
            f"choose another --out, or remove the folder."
        )
    for path, size in files.items():
        if not path.is_file() or path.stat().st_size != size:
            raise ConfigError(
                f"{out} must be whole, but {path.name} is missing or cut off; remove the folder and try again."
            )
    return manifest


def _manifest(out: Path) -> tuple[dict[str, Any], dict[Path, int]]:
    """What a hospital that stands there says of itself, and its files with their bytes.

    Raises:
        ConfigError: its manifest is damaged.
    """
    try:
        manifest = json.loads((out / FOLDER / MANIFEST).read_text(encoding="utf-8"))
        listed = [*manifest["tables"].values(), manifest["oracle"], manifest["ventilation"]]
        return manifest, {out / entry["file"]: entry["bytes"] for entry in listed if entry is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(
            f"{out} must be whole, but {FOLDER}/{MANIFEST} is damaged; remove the folder and try again."
        ) from None


def _named(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _fill(folder: Path, layout: Layout, subjects: int, seed: int, events: bool) -> dict[str, Any]:
    """Write all files of a hospital but the manifest; returns what the manifest says about them."""
    tallied = _Tallied(Counter(layout.standing))
    with ExitStack() as opened:
        tables = {
            name: opened.enter_context(TableFile(folder, name, columns, numbered=layout.numbered))
            for name, columns in layout.columns.items()
            if events or name not in layout.events
        }
        oracle = opened.enter_context(TruthFile(folder / FOLDER / ORACLE, ORACLE_SCHEMA))
        truth = opened.enter_context(TruthFile(folder / FOLDER / VENTILATION, _SPELLS)) if events else None
        for table, cells in layout.dictionaries():
            tables[table].write(cells)
        for chart in _charts(layout, subjects, seed, events):
            _write(chart, tables, oracle, truth)
            tallied.add(chart)
    return {
        "counts": dict(sorted(tallied.counts.items())),
        "tables": {name: table.about() for name, table in tables.items()},
        "oracle": oracle.about(),
        "ventilation": None if truth is None else truth.about(),
        "oddities": dict(sorted(tallied.oddities.items())),
        "canary": tallied.canary,
        "outcome_model": MODEL.describe(),
        "length_of_stay": care.describe(),
    }


@dataclass
class _Tallied:
    """What the charts of a hospital hold, added up."""

    oddities: Counter[str]
    counts: Counter[str] = field(default_factory=Counter)
    canary: dict[str, int] = field(default_factory=dict)

    def add(self, chart: Chart) -> None:
        """Count one more."""
        self.oddities.update(chart.oddities)
        self.counts.update(chart.counts)
        self.counts["adult_admissions_with_oracle"] += len(chart.traces)
        self.canary |= chart.canary


def _charts(layout: Layout, subjects: int, seed: int, events: bool) -> Iterator[Chart]:
    """A chart per patient."""
    with progress("making a hospital", subjects) as meter:
        for index in range(subjects):
            dice = Dice(seed, index)
            yield layout.write(dice, MODEL, draw_patient(dice, MODEL, index), events)
            meter.advance()


def _write(chart: Chart, tables: Mapping[str, TableFile], oracle: TruthFile, truth: TruthFile | None) -> None:
    for table, cells in chart.rows:
        tables[table].write(cells)
    for hadm_id, trace in chart.traces:
        for words, probability in trace:
            oracle.write((hadm_id, words, probability))
    if truth is not None:
        for spell in chart.spells:
            truth.write(spell)
