"""The most memory that a process held, by the one count of the system that begins anew with each program.

`ru_maxrss` does not: on Linux a program that `subprocess` starts begins with the peak of the one that started it, so
that what it takes itself is seen only above that.
"""

import platform
import re
import resource
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")


def peak_bytes() -> int:
    """The most that was resident since this program began, libraries and mapped files included."""
    if STATUS.exists():
        return 1024 * int(re.findall(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(encoding="utf-8"), re.MULTILINE)[0])
    return _maxrss(resource.RUSAGE_SELF)


def childrens_peak_bytes() -> int:
    """That of the largest child that has ended; it began with what this program held when it started it."""
    return _maxrss(resource.RUSAGE_CHILDREN)


def _maxrss(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
