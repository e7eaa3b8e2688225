"""`chartune make-hospital`: a made-up hospital in a raw layout."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from chartune.cli.options import JsonOption, emit, path_option


def command(
    out: Annotated[Path, path_option("--out", "Folder to write; it must not exist yet, or hold the same hospital.")],
    layout: Annotated[
        Literal["mimic3", "mimic4"],
        typer.Option("--layout", help="Raw layout: MIMIC-III 1.4, or MIMIC-IV 2.2 with MIMIC-IV-Note 2.2."),
    ] = "mimic3",
    subjects: Annotated[int, typer.Option("--subjects", min=1, help="Patients.")] = 2000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed makes the same hospital, byte for byte.")
    ] = 0,
    events: Annotated[
        bool,
        typer.Option(
            "--events / --no-events", help="Whether to write the tables of bedside events, most of the bytes."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write a made-up hospital: raw tables as PhysioNet ships MIMIC, invented patients, known true probabilities.

    Good for trying every command without access to real data. OUT/made-up/ holds the manifest and, per admission, the
    true probability of death given the note.
    """
    from chartune.made_up import make_hospital

    manifest = make_hospital(out, layout=layout, subjects=subjects, seed=seed, events=events)
    emit(
        manifest,
        as_json,
        f"{out}: a made-up hospital with {subjects:,} patients (seed {seed}); next: chartune prepare {out}",
    )
