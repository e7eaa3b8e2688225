"""Textfiles: what `chartune monitor --metrics` has written, shown with the series of a service.

monitored.prom, … ─▶ samples by name, each name described once ─▶ end of `/metrics`
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from chartune.log import say
from chartune.monitoring.textfile import NAMES, PREFIX

MOST_BYTES: Final = 1 << 20
_LABEL: Final = r'[a-z]+="([^"\\\n]|\\[\\n"])*"'
SAMPLE: Final = re.compile(rf"{PREFIX}({'|'.join(NAMES)})\{{{_LABEL}(,{_LABEL})*\}} -?[0-9.e+-]+")


def shown_files(files: Iterable[Path]) -> str:
    """The samples of all files that are there, in Prometheus' text format.

    A file that is not as `chartune monitor` writes it is left out, and that is said.
    """
    samples: dict[str, list[str]] = {name: [] for name in NAMES}
    for file in files:
        for name, line in _samples(file):
            samples[name].append(line)
    every = [(name, lines) for name, lines in samples.items() if lines]
    shown = [[f"# HELP {PREFIX}{name} {NAMES[name]}", f"# TYPE {PREFIX}{name} gauge", *lines] for name, lines in every]
    return "".join(f"{line}\n" for lines in shown for line in lines)


def _samples(file: Path) -> list[tuple[str, str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    except FileNotFoundError:  # nothing has been monitored yet
        return []
    except (OSError, ValueError):
        lines = [""]
    matched = [SAMPLE.fullmatch(line) for line in lines]
    if not all(matched):
        say(f"warning: {file} is not shown in /metrics; let `chartune monitor --metrics` write it")
        return []
    return [(each[1], each[0]) for each in matched if each]
