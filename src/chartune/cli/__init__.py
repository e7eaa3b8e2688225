"""The command line: one small file per verb. Results go to standard output, messages to standard error.

An error is one paragraph, without a traceback, and ends with the exit code of its kind (see chartune.errors).
"""

import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from typing import Annotated, Final

import typer

from chartune import __version__
from chartune.cli import (
    audit_data,
    bases,
    check,
    clean,
    compare,
    datasets,
    demo,
    evaluate,
    export,
    export_data,
    fields,
    finetune,
    import_backbone,
    ls,
    make_hospital,
    monitor,
    plan,
    predict,
    predictions,
    prepare,
    pretrain,
    report,
    search,
    serve,
    serve_audit,
    serve_key,
    show,
    study,
    watch,
)
from chartune.cli.groups import InOrder
from chartune.errors import ChartuneError, ConfigError, RunError
from chartune.launched import processes, rank
from chartune.log import console, console_sink, listening

INTERRUPTED: Final = 130
TERMINATED: Final = 143
"""As shells name the end by SIGTERM."""
TOGETHER: Final = frozenset({"pretrain", "finetune"})
"""Verbs that several processes can do together."""
HIDDEN: Final = "://..."
PLAIN: Final = re.compile(r"(--storage=)?[\w+]+://([\w.-]+@)?[\w.-]+(:\d+)?(/[\w.-]*)?")
"""An address without a password: user, host, port and database alone."""

app = typer.Typer(
    name="chartune", cls=InOrder, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Tune language models on clinical charts, parameter-efficiently, on hardware that a hospital owns.\n\n"
    "Start with `chartune demo`. On your own data: check FOLDER, prepare, pretrain, finetune, report.",
)  # fmt: skip

for _verb in (
    demo, make_hospital, check, bases, import_backbone, prepare, datasets, audit_data, export_data, plan, pretrain,
    finetune, search, fields, predict, predictions, serve, serve_key, serve_audit, monitor, evaluate, export, report,
    compare, ls, show, watch, clean,
):  # fmt: skip
    _summary = (_verb.command.__doc__ or "").partition("\n")[0]  # in full: click cuts what it derives by itself
    app.command(_verb.__name__.rpartition(".")[2].replace("_", "-"), short_help=_summary)(_verb.command)
app.add_typer(study.app, name="study", short_help=study.SUMMARY)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"chartune {__version__}")
        raise typer.Exit


@app.callback()
def front_door(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What is said before a verb; its help is the app's."""


@contextmanager
def _orderly() -> Iterator[None]:
    """Have SIGTERM (a batch system's time limit) end what is under way as Ctrl-C does: nothing half-written stays."""

    def end(*_: object) -> None:
        sys.exit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _first_speaks() -> Iterator[None]:
    """Of several processes the first alone speaks and gives results; another one says only why it ends.

    Raises:
        ConfigError: they were launched for a verb that one process does.
    """
    if processes() > 1 and not TOGETHER & set(sys.argv[1:2]):
        raise ConfigError(
            f"several processes can do {' and '.join(sorted(TOGETHER))} together, and every other verb is for one, but "
            f"WORLD_SIZE is {processes()}; start it without torchrun, or unset WORLD_SIZE."
        )
    if rank() == 0:
        yield
        return
    console.quiet = True
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    except Exception as error:
        if not isinstance(error, ChartuneError):  # mostly the first has closed the connection
            raise RunError(
                f"process {rank()} of {processes()} ends ({type(error).__name__}); if another one has ended before it, "
                f"that one's message says why, else start without torchrun to see it."
            ) from error
        raise
    finally:
        console.quiet = False


def _any_letter() -> None:
    """What a terminal cannot show, such as an umlaut of a name on one of ASCII, is shown by its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; the process ends with a documented exit code."""
    os.umask(0o077)  # whatever is written is for this user alone
    _any_letter()
    try:
        with _orderly(), listening(console_sink), _first_speaks():
            app()
    except ChartuneError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code in (INTERRUPTED, TERMINATED):  # typer turns Ctrl-C into the first
            known = [_shown(word) for word in sys.argv[1:]]
            hidden = "" if known == sys.argv[1:] else f" ({HIDDEN} stands for the address, which is not repeated here)"
            console.print(
                f"interrupted; the same command resumes from the last checkpoint, or starts anew where there is none"
                f"{hidden}:\n  {shlex.join(['chartune', *known])}",
                markup=False,
            )
        raise


def _shown(word: str) -> str:
    """A word of the command; of an address only the scheme, unless it plainly holds no password."""
    return word if PLAIN.fullmatch(word) else re.sub(r"://.*", HIDDEN, word, flags=re.DOTALL)
