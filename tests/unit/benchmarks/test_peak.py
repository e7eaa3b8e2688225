"""The peak of memory that benchmarks report is that of the program that is measured."""

import subprocess
import sys

from chartune.testing.peak import peak_bytes


def test_a_program_does_not_begin_with_the_peak_of_the_one_that_started_it() -> None:
    held = b"1" * 2**28
    asked = "from chartune.testing.peak import peak_bytes; print(peak_bytes())"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert 2**22 < int(done.stdout) < len(held) < peak_bytes()
