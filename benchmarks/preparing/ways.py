"""What is measured: each way is made ready first, libraries included, and then done once in a process of its own.

way                  reads                  does
count events         CHARTEVENTS            polars: scan and count
episodes             CHARTEVENTS            chartune: episodes of ventilation
copy notes           NOTEEVENTS             polars: CSV to Parquet, every cell as text
prepare              NOTEEVENTS and tables  chartune: four tasks
prepare with corpus                         the same and a corpus
audit                what the latter made   chartune: everything that `audit-data` looks for
prepare as CORe                             four tasks by the rules of CORe's code
pandas: TASK                                CORe's steps for one task
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from chartune.tasks.prepare import Preparation

TASKS: Final = ("mortality", "length_of_stay", "diagnoses_icd9", "procedures_icd9")
CORPUS: Final = "prepare with corpus"
PREPARE: Final = ("prepare", CORPUS)
AUDIT: Final = "audit"
CORE: Final = "prepare as CORe"
PANDAS: Final = tuple(f"pandas: {task}" for task in TASKS)


@dataclass(frozen=True)
class Job:
    """One thing to do in a process of its own."""

    way: str
    folder: Path
    """The hospital."""
    out: Path
    """A new folder for what is made."""

    def beside(self, way: str) -> Path:
        """The folder of another way at the same hospital, which has had its turn."""
        return self.out.with_name(folder_of(way))


def folder_of(way: str) -> str:
    """What the folder of a way is called."""
    return way.replace(": ", "-").replace(" ", "-")


Done = Callable[[], int]
"""Does it; returns how many rows came out."""


def count_events(job: Job) -> Done:
    """The floor: polars scans and counts."""
    import polars as pl

    scan = pl.scan_csv(job.folder / "CHARTEVENTS.csv.gz")
    return lambda: int(scan.select(pl.len()).collect(engine="streaming").item())


def split_events(job: Job) -> Done:
    """What reading costs anybody who looks at a cell."""
    import polars as pl

    scan = pl.scan_csv(job.folder / "CHARTEVENTS.csv.gz", infer_schema=False)
    return lambda: int(scan.select(pl.col("ITEMID").count()).collect(engine="streaming").item())


def episodes(job: Job) -> Done:
    """Episodes of ventilation."""
    from chartune.sources.mimic3 import Mimic3

    records = Mimic3(folder=job.folder).load(events=True)

    def do() -> int:
        if records.ventilation is None:
            raise ValueError(f"{job.folder} must hold CHARTEVENTS.csv.gz")
        return records.ventilation().height

    return do


def copy_notes(job: Job) -> Done:
    """The floor: polars writes the notes as Parquet."""
    import polars as pl

    file = job.out / "notes.parquet"
    scan = pl.scan_csv(job.folder / "NOTEEVENTS.csv.gz", infer_schema=False)

    def do() -> int:
        scan.sink_parquet(file)
        return int(pl.scan_parquet(file).select(pl.len()).collect().item())

    return do


def prepare(job: Job, *, preset: Literal["sound", "paper-code"] = "sound", corpus: bool = False) -> Done:
    """Four tasks, in a store of their own."""
    import polars as pl

    from chartune.store import Store
    from chartune.tasks.prepare import prepare

    preparation, store = preparation_of(job.folder, preset, corpus=corpus), Store(job.out)

    def do() -> int:
        made = prepare(preparation, store)
        files = [made.path / f"{name}.parquet" for name in TASKS]
        return sum(int(pl.scan_parquet(file).select(pl.len()).collect().item()) for file in files)

    return do


def audit_data(job: Job) -> Done:
    """The leakage audit of what was prepared with a corpus, in a store of its own."""
    from chartune.stages.audit import audit, read_audit
    from chartune.store import Store
    from chartune.tasks.prepare import prepare

    made = prepare(preparation_of(job.folder, "sound", corpus=True), Store(job.beside(CORPUS)))  # found, not made
    store = Store(job.out)

    def do() -> int:
        report = read_audit(audit(made, store, exact=True))  # its copies are under no made-up marker
        return sum(int(lengths.texts) for task in report.examples for lengths in task.lengths)

    return do


def preparation_of(folder: Path, preset: Literal["sound", "paper-code"], *, corpus: bool = False) -> "Preparation":
    """The four tasks of CORe, asked of a hospital."""
    from chartune.sources.mimic3 import Mimic3
    from chartune.tasks.catalog import chosen_tasks
    from chartune.tasks.corpus import Corpus
    from chartune.tasks.prepare import Preparation

    return Preparation(
        source=Mimic3(folder=folder),
        tasks=chosen_tasks(TASKS, "mimic3", preset),
        corpus=Corpus() if corpus else None,
        held_out_copies="left-out" if preset == "sound" else "kept",
        preset=preset,
    )


def core_in_pandas(job: Job, task: str) -> Done:
    """CORe's steps for one task, written as CSV."""
    from preparing.pandas_core import TASKS as IN_PANDAS

    def do() -> int:
        rows = IN_PANDAS[task](job.folder)
        rows.to_csv(job.out / f"{task}.csv", index=False)
        return len(rows)

    return do


WAYS: Final[Mapping[str, Callable[[Job], Done]]] = {
    "count events": count_events,
    "split events": split_events,
    "episodes": episodes,
    "copy notes": copy_notes,
    "prepare": prepare,
    CORPUS: partial(prepare, corpus=True),
    AUDIT: audit_data,
    CORE: partial(prepare, preset="paper-code"),
    **{f"pandas: {task}": partial(core_in_pandas, task=task) for task in TASKS},
}
"""Name → how it is made ready."""
