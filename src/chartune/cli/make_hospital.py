"""`chartune make-hospital`: a made-up hospital in a raw layout."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from chartune.cli.options import JsonOption, emit


def command(
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write; it must not exist yet, or hold the same hospital.")
    ],
    layout: Annotated[str, typer.Option("--layout", help="Raw layout: mimic3 (MIMIC-III v1.4).")] = "mimic3",
    subjects: Annotated[int, typer.Option("--subjects", min=1, help="Patients.")] = 2000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed makes the same hospital, byte for byte.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a made-up hospital: raw tables as PhysioNet ships MIMIC, invented patients, a known truth.

    Good for trying every command without access to real data. OUT/made-up/ holds the manifest and, per admission, the
    true probability of death given what the note tells.
    """
    from chartune.sources.made_up import make_hospital

    known: Literal["mimic3"] = "mimic3"
    if layout != known:
        raise typer.BadParameter(f"the layout must be {known}, but got {layout}.", param_hint="--layout")
    manifest = make_hospital(out, layout=known, subjects=subjects, seed=seed)
    emit(
        manifest,
        as_json,
        f"{out}: a made-up hospital with {subjects:,} patients (seed {seed}); next: chartune prepare {out}",
    )
