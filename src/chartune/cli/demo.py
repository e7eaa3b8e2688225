"""`chartune demo`: the whole chain on a made-up hospital."""

from pathlib import Path
from typing import Annotated, Final

import typer

from chartune.cli.options import JsonOption, emit

PLACE: Final = "chartune-demo"


def command(
    out: Annotated[Path, typer.Option("--out", help="Gets the hospital, the store and report.html.")] = Path(PLACE),
    subjects: Annotated[int, typer.Option("--subjects", min=60, help="Patients of the made-up hospital.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the hospital and of every run.")] = 0,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make a hospital, prepare it, pretrain, fine-tune five variants on in-hospital mortality, write the report.

    Takes some minutes on two cores, needs no network, and takes seconds when given again.
    """
    from chartune.studies.demo import demo

    result = demo(out, subjects=subjects, seed=seed)
    emit(
        {"report": str(result.report), "runs": [run.fingerprint for run in result.runs]},
        as_json,
        f"report: {result.report}",
    )
