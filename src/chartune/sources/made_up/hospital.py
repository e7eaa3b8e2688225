"""The made-up hospital: patients drawn one by one, written in a raw layout, with the truth beside them.

    (seed, index) ─draw_patient─▶ Patient ─write_chart─▶ rows ──▶ OUT/TABLE.csv.gz
                                                          └─────▶ OUT/made-up/oracle.parquet, manifest.json (last)

Everything is invented. Memory does not grow with the number of patients; the folder appears when it is complete.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from chartune.errors import ConfigError, StoreError
from chartune.log import progress
from chartune.sources.made_up.chart import write_chart
from chartune.sources.made_up.codes import DIAGNOSES, PROCEDURES
from chartune.sources.made_up.dice import Dice
from chartune.sources.made_up.mimic3_layout import COLUMNS, TableFile
from chartune.sources.made_up.oracle import FOLDER, ORACLE, OracleFile
from chartune.sources.made_up.outcome import MODEL
from chartune.sources.made_up.patients import Patient, draw_patient
from chartune.store import MANIFEST, sha256, write_json

REVISION: Final = 1
"""Raised when the same layout, subjects and seed give other bytes than before."""


def make_hospital(out: Path, *, layout: Literal["mimic3"] = "mimic3", subjects: int, seed: int = 0) -> dict[str, Any]:
    """Write a made-up hospital, the same bytes for the same layout, subjects and seed; a bigger one begins alike.

    Args:
        out: the folder, new or empty; if it holds this very hospital nothing is done.
        layout: `mimic3`: MIMIC-III v1.4 as PhysioNet ships it.
        subjects: patients, newborns included.
        seed: of all chance.

    Returns:
        The manifest: layout, sizes, seed, revision, tables with rows and SHA-256, oddities, outcome model.

    Raises:
        ConfigError: a number is out of range, or `out` holds something else.
        StoreError: it cannot be written; nothing half-written stays behind.
    """
    out = Path(out)
    asked = {"layout": layout, "subjects": subjects, "seed": seed, "revision": REVISION}
    _check(layout, subjects, seed)
    there = _standing(out, asked)
    if there is not None:
        return there
    with _aside(out) as folder:
        manifest = {"title": "Made-up hospital", "licence": "CC0 1.0", "made_up": True, **asked}
        manifest |= _fill(folder, subjects, seed)
        write_json(folder / FOLDER / MANIFEST, manifest)
    return manifest


def is_made_up(folder: Path) -> bool:
    """Whether a folder is a finished made-up hospital."""
    return (Path(folder) / FOLDER / MANIFEST).is_file()


def _check(layout: str, subjects: int, seed: int) -> None:
    if layout != "mimic3":
        raise ConfigError(f"`layout` must be mimic3, but got {layout!r}.")
    if subjects < 1 or seed < 0:
        raise ConfigError(f"`subjects >= 1` and `seed >= 0` must hold, but got subjects={subjects}, seed={seed}.")


def _standing(out: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the hospital that already stands there, if it is the one asked for."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not is_made_up(out):
        raise ConfigError(
            f"a hospital goes into a new or empty folder, but {out} holds other things; choose another --out."
        )
    manifest: dict[str, Any] = json.loads((out / FOLDER / MANIFEST).read_text(encoding="utf-8"))
    stands = {name: manifest.get(name) for name in asked}
    if stands != asked:
        raise ConfigError(
            f"{out} must hold the hospital asked for, {_named(asked)}, but holds {_named(stands)}; "
            f"choose another --out, or remove the folder."
        )
    entries = [(out / entry["file"], entry["bytes"]) for entry in manifest["tables"].values()]
    entries.append((out / FOLDER / ORACLE, manifest["oracle"]["bytes"]))
    for path, size in entries:
        if not path.is_file() or path.stat().st_size != size:
            raise ConfigError(
                f"{out} must be whole, but {path.name} is missing or cut off; remove the folder and try again."
            )
    return manifest


def _named(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _fill(folder: Path, subjects: int, seed: int) -> dict[str, Any]:
    """Write all files of a hospital but the manifest; returns what the manifest says about them."""
    odd: Counter[str] = Counter()
    size: Counter[str] = Counter()
    canary: dict[str, int] = {}
    with ExitStack() as opened:
        tables = {name: opened.enter_context(TableFile(folder, name)) for name in COLUMNS}
        oracle = opened.enter_context(OracleFile(folder / FOLDER / ORACLE))
        for name, entries in (("D_ICD_DIAGNOSES", DIAGNOSES), ("D_ICD_PROCEDURES", PROCEDURES)):
            for entry in entries:
                tables[name].write(entry)
        meter = opened.enter_context(progress("making a hospital", subjects))
        for index in range(subjects):
            dice = Dice(seed, index)
            patient = draw_patient(dice, MODEL, index)
            chart = write_chart(dice, MODEL, patient)
            for table, cells in chart.rows:
                tables[table].write(cells)
            for hadm_id, trace in chart.traces:
                oracle.write(hadm_id, trace)
            odd.update(chart.counts)
            size.update(_sizes(patient, len(chart.traces)))
            canary |= chart.canary
            meter.advance()
    return {
        "counts": dict(size),
        "tables": {name: table.about() for name, table in tables.items()},
        "oracle": {
            "file": f"{FOLDER}/{ORACLE}", "rows": oracle.rows, "bytes": oracle.path.stat().st_size,
            "sha256": sha256(oracle.path),
        },
        "oddities": dict(sorted(odd.items())),
        "canary": canary,
        "outcome_model": MODEL.describe(),
    }  # fmt: skip


def _sizes(patient: Patient, traced: int) -> dict[str, int]:
    adult = 0 if patient.newborn else len(patient.admissions)
    return {
        "subjects": 1,
        "admissions": len(patient.admissions),
        "adult_admissions": adult,
        "adult_admissions_with_oracle": traced,
        "adult_deaths_in_hospital": int(patient.died_in_hospital and not patient.newborn),
    }


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place at the end, or vanishes.

    Raises:
        ConfigError: something else lies where it would be written.
        StoreError: the disk is full or the place cannot be written.
    """
    partial = out.absolute().with_name(f"{out.absolute().name}.partial")
    if partial.exists() and not (partial / FOLDER).is_dir():
        raise ConfigError(f"{partial} must be free, because {out} is written there first; move it away.")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / FOLDER).mkdir(parents=True)
        yield partial
        os.replace(partial, out)
    except OSError as error:
        raise StoreError(
            f"a hospital needs a folder that can be written and has room, but writing {error.filename or partial} "
            f"failed: {error.strerror or type(error).__name__}; free some space or choose another --out."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
