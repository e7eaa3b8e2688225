"""`chartune serve-audit`: whether the audit log of a service is whole."""

from pathlib import Path
from typing import Annotated

import typer

from chartune.cli.options import JsonOption, emit, path_argument
from chartune.serving.audit import verified


def command(
    file: Annotated[Path, path_argument("FILE", "A log that `chartune serve --audit FILE` has written.")],
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A hash that was printed before: the log must hold that line."),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Follow the hashes of an audit log from its first line to its last, and say where they break.

    Keep the hash that is printed elsewhere: with --head it shows that no line before it was changed or taken out, and
    that the log was not cut off before it.
    """
    chain = verified(file, head)
    rest = f", and {chain.torn} bytes of a line that was not finished" if chain.torn else ""
    emit(chain._asdict(), as_json, f"{chain.lines} lines, whole{rest}; the last one's hash is {chain.head}")
