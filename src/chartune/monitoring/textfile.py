"""Textfile: what was seen of a run in use, for Prometheus: a file that is replaced whole.

Monitored ─▶ chartune_monitor_…{task=…,measure=…}     of the last window; no id, no count of patients
"""

from collections.abc import Iterator
from pathlib import Path

from chartune.answers import AUROC
from chartune.runs.monitored import Monitored
from chartune.writing import write_bytes

PREFIX = "chartune_monitor_"
"""Begins every name, so that a service that shows the file can tell it from its own."""
NAMES = {
    "windows": "Windows that were judged.",
    "alarm": "Whether the last window raised an alarm, by measure.",
    "psi": "Population stability index of the last window.",
    "observed_to_expected": "Outcomes that were observed for each that was expected, in the last window.",
    AUROC.metric: "AUROC of the last window.",
    "calibration_slope": "Calibration slope of the last window.",
}


def write_metrics(file: Path, task: str, seen: Monitored) -> None:
    """Write the figures of the last window.

    Args:
        file: is replaced whole, so that nobody reads half of it.
        task: its name among others.
        seen: of it.
    """
    write_bytes(file, "".join(f"{line}\n" for line in _lines(task, seen)).encode())


def _lines(task: str, seen: Monitored) -> Iterator[str]:
    samples: dict[str, list[tuple[dict[str, str], float]]] = {name: [] for name in NAMES}
    samples["windows"].append(({}, len(seen.windows)))
    last = seen.windows[-1]
    for one in last.drift:
        samples["psi"].append(({"measure": one.measure}, round(one.psi, 2)))
        samples["alarm"].append(({"measure": one.measure}, one.alarm))
    for out in last.outcomes:
        of = {"outcome": out.label}
        samples["alarm"].append(({"measure": "observed to expected", **of}, out.ratio_alarm))
        samples["alarm"].append(({"measure": "AUROC", **of}, out.auroc_alarm))
        figures = {"observed_to_expected": out.ratio, AUROC.metric: out.auroc, "calibration_slope": out.slope}
        for name, value in figures.items():
            if value is not None:
                samples[name].append((of, round(value, 2)))
    for name, about in NAMES.items():
        if samples[name]:
            yield f"# HELP {PREFIX}{name} {about}"
            yield f"# TYPE {PREFIX}{name} gauge"
        for labels, value in samples[name]:
            named = ",".join(f'{label}="{_escaped(text)}"' for label, text in {"task": task, **labels}.items())
            yield f"{PREFIX}{name}{{{named}}} {float(value):g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
