"""`chartune demo`: the whole chain on a made-up hospital."""

from pathlib import Path
from typing import Annotated, Final

import typer

from chartune.cli.options import JsonOption, named_path
from chartune.cli.study import emit_study

PLACE: Final = "chartune-demo"
SUBJECTS: Final = 1200


def command(
    out: Annotated[
        Path,
        typer.Option(
            "--out", parser=named_path, metavar="PATH", help="Gets the hospital, the store and report.html."
        ),
    ] = Path(PLACE),
    subjects: Annotated[int, typer.Option("--subjects", min=60, help="Patients of the made-up hospital.")] = SUBJECTS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the hospital, and the first of the runs.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="With how many seeds every variant is trained.")] = 1,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make a hospital, prepare it, pretrain, fine-tune five variants on mortality and diagnoses, write the report.

    Takes some minutes on two cores, needs no network, and takes seconds when given again.
    """
    from chartune.studies.demo import demo

    result = demo(out, subjects=subjects, seed=seed, seeds=seeds)
    emit_study(result.report, result.runs, result.gaps, as_json)
