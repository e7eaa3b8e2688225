"""The command line for tests: a verb within this process, or as a process of its own that can be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from typing import Final
from unittest.mock import patch

import torch
from typer.main import get_command

from chartune.cli import main

PATIENCE: Final = 120.0
"""Seconds after which a wait is given up."""

_command_of = cache(get_command)
"""All verbs with their flags, which typer would gather anew for each call."""


@dataclass(frozen=True)
class Completed:
    """How a command ended."""

    code: int
    """Its exit code."""
    out: str
    """Standard output."""
    err: str
    """Standard error."""


def chartune(*arguments: object) -> Completed:
    """Give a command within this process; what it raises beside SystemExit comes through."""
    out, err, code, mask = StringIO(), StringIO(), 0, os.umask(0o022)
    with patch.object(sys, "argv", ["chartune", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            with patch("typer.main.get_command", _command_of):
                main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            os.umask(mask)
    return Completed(code, out.getvalue(), err.getvalue())


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a command in a process of its own, on as many threads as this one: sums are added in the same order."""
    words = [sys.executable, "-c", "from chartune.cli import main; main()", *map(str, arguments)]
    inherited = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(words, env=inherited, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look every few milliseconds until something has happened; a process that ends before it is a failure."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if process.poll() is not None:
            raise AssertionError(f"the process ended too early, with {process.returncode}: {process.communicate()[1]}")
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing happened within {PATIENCE:g} seconds")
        time.sleep(0.002)
