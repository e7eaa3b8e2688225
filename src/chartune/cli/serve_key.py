"""`chartune serve-key`: a key for a program that asks the service, or one that is taken away."""

from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import typer

from chartune.cli.options import JsonOption, emit, path_option
from chartune.errors import ConfigError
from chartune.serving.keys import Scope, new_key, revoke


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the key, such as the program or ward that has it.")],
    keys: Annotated[Path, path_option("--keys", "The file of keys that `chartune serve` is given; made if missing.")],
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", help="A task that it may ask, or `all`. Repeatable."),
    ] = None,
    may: Annotated[
        list[str] | None,
        typer.Option("--may", metavar="SCOPE", help="explain, metrics or admin (reload). Repeatable."),
    ] = None,
    revoked: Annotated[bool, typer.Option("--revoke", help="Take this key away.")] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make a key for `chartune serve --keys FILE`, print it once, and keep its salted hash.

    Whoever loses it gets another one. A running service reads the file again when it has changed.
    """
    if revoked:
        if tasks or may:
            raise ConfigError("--revoke takes a key away as it is; leave --task and --may out.")
        revoke(keys, name)
        emit({"revoked": name}, as_json, f"revoked {name}")
        return
    if wrong := [scope for scope in may or [] if scope not in get_args(Scope)]:
        raise ConfigError(f"--may must be one of {', '.join(get_args(Scope))}, but is {ascii(wrong[0])[:40]}.")
    asked: list[str] | Literal["all"] = "all" if tasks == ["all"] else tasks or []
    if "all" in asked and asked != "all":
        raise ConfigError("--task all stands for every task; leave the others out.")
    key = new_key(keys, name, asked, cast(list[Scope], may or []))
    emit({"name": name, "key": key}, as_json, key)
