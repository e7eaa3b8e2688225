"""`chartune export-data`: prepared data for other tools, in a private folder of its own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from chartune.cli.datasets import find_data
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, path_option
from chartune.store import Store


def command(
    name: Annotated[str, typer.Argument(help="Prepared data: its fingerprint or a prefix of it.")],
    to: Annotated[Path, path_option("--to", "The folder to write; it must be new, and in no git working tree.")],
    form: Annotated[
        Literal["meds", "parquet"],
        typer.Option("--format", help="meds: labels and splits, no texts; parquet: a task, for Hugging Face datasets."),
    ] = "parquet",
    task: Annotated[str, typer.Option("--task", "--tasks", help="The task, or its prefix. Default: all (meds).")] = "",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write labels and splits in the MEDS format, or a task as Parquet that other tools load without a script.

    The folder is for you alone (0700). What was made from restricted data stays restricted; its README says so.
    """
    from chartune.tasks.export import export

    data = find_data(Store(store), name)
    folder = export(data, to, form, task)
    sizes = {
        file.relative_to(folder).as_posix(): file.stat().st_size for file in sorted(folder.rglob("*")) if file.is_file()
    }
    sensitivity = data.manifest().sensitivity
    lines = [
        f"{folder}  ({sensitivity}: the terms of its source hold, see README.md)",
        *(f"  {file}" for file in sizes),
    ]
    result = {"data": data.fingerprint, "folder": str(folder), "sensitivity": sensitivity, "files": sizes}
    emit(result, as_json, "\n".join(lines))
