"""Preparing data, side by side: chartune beside the floor that polars sets, and beside CORe's steps in pandas.

    a made-up hospital ─copies─▶ hospitals of growing size ─▶ each way in a process of its own, by turns ─▶ ratios

                                                                        must be
    chart events → episodes  : polars scans and counts them             at most 1.5 ×
    notes → four tasks       : polars copies CSV to Parquet             at most 4 ×
    audit of what comes out  : polars copies CSV to Parquet             a figure of its own
    memory of all three      : the same at the size before              at most 1.1 × for double the size, below 2 GiB
    CORe's steps in pandas   : the same by chartune                     at least 10 × as long, 5 × the memory, same rows

    python benchmarks/prepare.py                                                        some minutes
    python benchmarks/prepare.py --notes-mb 500,1000 --pandas-mb 500 --chart-rows 25e6,50e6 --rounds 1   25 minutes

pandas is needed for the last row alone (`pip install 'pandas>=2.2,<4'`, or `--without-pandas`). It takes some 20 times
the memory that its gzipped notes take on disk.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from preparing.measure import Measured, made_by, makings, once, take_turns, times
from preparing.steps import STEPS, aside
from preparing.ways import AUDIT, CORE, PANDAS, PREPARE

SCRIPT: Final = Path(__file__).resolve()
LIMIT_MIB: Final = 2048
EVENTS: Final = ("count events", "split events", "episodes")


@dataclass(frozen=True)
class Claim:
    """A figure beside what it must be."""

    what: str
    hospital: str
    value: float
    bound: float | None
    """None: for comparison alone."""
    at_least: bool = False
    by_cpu: float | None = None
    """The same by processor time, which tells more where other work shares the machine."""

    @property
    def holds(self) -> bool:
        """Whether it is so."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self) | {"holds": self.holds}


@dataclass
class Findings:
    """What has been measured so far."""

    about: dict[str, Any]
    hospitals: dict[str, Any] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    agreements: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        lists = {name: [entry.to_json() for entry in getattr(self, name)] for name in ("measured", "claims")}
        return {"about": self.about, "hospitals": self.hospitals, "agreements": self.agreements} | lists


def main() -> None:
    """Grow hospitals, measure and print; or, started by itself, do one thing in a process of its own."""
    asked = _arguments()
    if asked.one:
        way, folder, out = asked.one
        print(json.dumps(asdict(once(way, Path(folder), Path(out)))))
    elif asked.step:
        name, *words = asked.step
        print(json.dumps(STEPS[name](*words)))
    else:
        with tempfile.TemporaryDirectory(dir=asked.folder, prefix="chartune-bench-") as folder:
            findings = _measure_all(asked, Path(folder))
        if asked.json:
            asked.json.write_text(json.dumps(findings.to_json(), indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes-mb", type=_numbers, default=[25, 50], help="sizes of gzipped notes in MB, ascending")
    parser.add_argument("--chart-rows", type=_numbers, default=[2_000_000, 4_000_000], help="rows of events, ascending")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way has its turn")
    parser.add_argument("--subjects", type=int, default=400, help="patients of the hospital that is copied")
    parser.add_argument("--thin", action="store_true", help="charts as made up, not as thick as real ones")
    parser.add_argument(
        "--pandas-mb", type=float, default=float("inf"), help="largest size at which pandas is measured"
    )
    parser.add_argument("--without-pandas", action="store_true", help="leave out CORe in pandas")
    parser.add_argument("--folder", type=Path, help="where there is room; default: that of temporary files")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(float(part)) for part in text.split(",") if part]


def _measure_all(asked: argparse.Namespace, folder: Path) -> Findings:
    with_pandas = not asked.without_pandas and importlib.util.find_spec("pandas") is not None
    if not with_pandas:
        print("CORe's steps in pandas are left out; they need: pip install 'pandas>=2.2,<4'\n")
    findings = Findings(_about(asked, with_pandas))
    print(*(f"{name}: {value}" for name, value in findings.about.items()), "", sep="\n", flush=True)
    aside(SCRIPT, "base", folder / "base", asked.subjects)
    for rows in asked.chart_rows:
        _at(findings, asked, folder, "events", rows, EVENTS)
    for size in asked.notes_mb:
        compared = with_pandas and size == max((s for s in asked.notes_mb if s <= asked.pandas_mb), default=None)
        ways = ("copy notes", *PREPARE, AUDIT, *((CORE, *PANDAS) if compared else ()))
        _at(findings, asked, folder, "notes", size, ways)
    findings.claims += memory_claims(findings.measured)
    _print_claims(findings.claims)
    return findings


def _at(findings: Findings, asked: argparse.Namespace, folder: Path, kind: str, size: int, ways: Sequence[str]) -> None:
    """Grow one hospital, let the ways take turns on it, and remove it."""
    name = f"{size:,} rows of events" if kind == "events" else f"{size:,} MB of notes"
    hospital = folder / f"{kind}-{size}"
    findings.hospitals[name] = aside(SCRIPT, kind, folder / "base", hospital, size, "thin" if asked.thin else "thick")
    measured = take_turns(ways, name, hospital, asked.rounds, SCRIPT)
    findings.measured += list(measured.values())
    findings.claims += time_claims(measured)
    _print_table(name, findings.hospitals[name], list(measured.values()))
    if CORE in measured:
        findings.claims += core_claims(measured)
        _agree(findings, name, hospital)
    shutil.rmtree(hospital)
    shutil.rmtree(makings(hospital))


def _agree(findings: Findings, name: str, hospital: Path) -> None:
    """See whether chartune and pandas found the same."""
    findings.agreements = aside(SCRIPT, "equality", hospital, *(made_by(hospital, way) for way in (CORE, *PANDAS)))
    for agreement in findings.agreements:
        task, differences = agreement["task"], agreement["differences"]
        findings.claims.append(Claim(f"{task}: rows that differ", name, differences, 0))
        print(f"  {agreement}" if differences else f"  {task}: {agreement['rows']:,} equal rows")
    print(flush=True)


def time_claims(measured: Mapping[str, Measured]) -> list[Claim]:
    """How far above the floor chartune is at one hospital."""
    floors = (
        ("episodes", "count events", 1.5), ("episodes", "split events", None),
        *((way, "copy notes", 4.0) for way in PREPARE), (AUDIT, "copy notes", None),
    )  # fmt: skip
    return [
        _slower(f"{way} : {floor}, time", measured[way], measured[floor], bound)
        for way, floor, bound in floors
        if way in measured
    ]


def _slower(
    what: str, slower: Measured | Sequence[Measured], faster: Measured, bound: float | None, *, at_least: bool = False
) -> Claim:
    by_clock, by_cpu = (times(slower, faster, by_cpu=by_cpu) for by_cpu in (False, True))
    return Claim(what, faster.hospital, by_clock, bound, at_least, by_cpu)


def core_claims(measured: Mapping[str, Measured]) -> list[Claim]:
    """How far pandas is above chartune: it reads the notes once for each task, in a process of its own."""
    ours, theirs = measured[CORE], [measured[way] for way in PANDAS]
    memory = max(way.peak_mib for way in theirs) / ours.peak_mib
    return [
        _slower(f"pandas, four tasks : {CORE}, time", theirs, ours, 10, at_least=True),
        Claim(f"pandas, one task : {CORE}, memory", ours.hospital, memory, 5, at_least=True),
    ]


def memory_claims(measured: Sequence[Measured]) -> list[Claim]:
    """That memory is below the limit and does not grow with the hospital."""
    claims = []
    for way in ("episodes", *PREPARE, AUDIT):
        of_way = [entry for entry in measured if entry.way == way]
        claims += [Claim(f"{way}, peak MiB", entry.hospital, entry.peak_mib, LIMIT_MIB) for entry in of_way]
        claims += [
            Claim(f"{way}, memory : at the size before", larger.hospital, larger.peak_mib / smaller.peak_mib, 1.1)
            for smaller, larger in pairwise(of_way)
        ]
    return claims


def _about(asked: argparse.Namespace, with_pandas: bool) -> dict[str, Any]:
    libraries = ["polars", *(["pandas"] if with_pandas else [])]
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "load before": os.getloadavg()[0],
        "threads of polars": os.environ.get("POLARS_MAX_THREADS", "all"),
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
        "charts": "thin" if asked.thin else "thick",
        "rounds": asked.rounds,
    }


def _print_table(name: str, tables: Mapping[str, Any], measured: Sequence[Measured]) -> None:
    table = "CHARTEVENTS" if "CHARTEVENTS" in tables else "NOTEEVENTS"
    about = tables[table]
    print(f"{name}: {about['rows']:,} rows, {about['bytes'] / 1e6:,.1f} MB gzipped")
    print(f"  {'':<28}{'seconds':>9}{'lowest':>9}{'highest':>9}{'of CPU':>9}{'peak MiB':>10}{'rows':>12}")
    for way in measured:
        seconds = [once.seconds for once in way.rounds]
        print(
            f"  {way.way:<28}{way.seconds:>9.2f}{min(seconds):>9.2f}{max(seconds):>9.2f}"
            f"{way.cpu_seconds:>9.2f}{way.peak_mib:>10,.0f}{way.rounds[-1].rows:>12,}"
        )
    print(flush=True)


def _print_claims(claims: Sequence[Claim]) -> None:
    print(f"{'':<52}{'':<28}{'value':>9}{'by CPU':>9}   must be")
    for claim in claims:
        must = "" if claim.bound is None else f"{'at least' if claim.at_least else 'at most'} {claim.bound:g}"
        by_cpu = "" if claim.by_cpu is None else f"{claim.by_cpu:,.2f}"
        verdict = "" if claim.holds else "   ← missed"
        print(f"{claim.what:<52}{claim.hospital:<28}{claim.value:>9,.2f}{by_cpu:>9}   {must}{verdict}")


if __name__ == "__main__":
    main()
