"""The allocator keeps freed memory unless it is told not to, or is none that is known."""

import os
import subprocess
import sys

import pytest

PROGRAM = "from chartune.allocator import keep_pages; print(keep_pages())"


def printed(program: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has mallopt")
@pytest.mark.parametrize(("switches", "kept"), [
    ({}, "True"), ({"CHARTUNE_ALLOCATOR": "system"}, "False"), ({"LD_PRELOAD": "libjemalloc.so.2"}, "False"),
])  # fmt: skip
def test_freed_memory_is_kept_unless_the_user_chose_otherwise(switches: dict[str, str], kept: str) -> None:
    clean = {key: value for key, value in os.environ.items() if key not in ("CHARTUNE_ALLOCATOR", "LD_PRELOAD")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=clean | switches, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == kept


RESIDENT = """
import sys
from pathlib import Path
from chartune.allocator import give_back, keep_pages

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) >> 8  # MiB

if sys.argv[1] == "kept":
    keep_pages()
before = resident()
blocks = [bytearray(1 << 20) for _ in range(200)]
last = bytearray(1 << 20)  # above them, so that they are a hole
del blocks
held = resident() - before
print(held, give_back(), resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has malloc_trim")
def test_free_pages_that_are_kept_are_given_back_between_runs() -> None:
    clean = {key: value for key, value in os.environ.items() if key not in ("CHARTUNE_ALLOCATOR", "LD_PRELOAD")}
    for kept, expected in (("kept", (True, "True")), ("not", (False, "False"))):
        done = subprocess.run(
            [sys.executable, "-c", RESIDENT, kept], env=clean, capture_output=True, text=True, check=True
        )
        held, gave, left = done.stdout.split()
        assert (int(held) > 150, gave) == expected
        assert int(left) < 50


@pytest.mark.parametrize(("chosen", "spins"), [({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)])
def test_idle_threads_sleep_soon_unless_the_user_chose_otherwise(chosen: dict[str, str], spins: str | None) -> None:
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    program = "import os, chartune; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean | chosen, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(spins)
