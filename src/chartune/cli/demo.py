"""`chartune demo`: the whole chain on a made-up hospital."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from chartune.cli.options import JsonOption, SetOption, path_option
from chartune.cli.study import emit_study

PLACE: Final = "chartune-demo"


def command(
    out: Annotated[Path, path_option("--out", "Gets the hospital, the store and report.html.")] = Path(PLACE),
    base: Annotated[
        Literal["smollm2", "small-llama"] | None,
        typer.Option("--base", help="The base model: SmolLM2 where it is installed, else a small LLaMA made here."),
    ] = None,
    subjects: Annotated[
        int | None,
        typer.Option("--subjects", min=60, help="Patients of the made-up hospital: 400, or 1200 for small-llama."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the hospital, and the first of the runs.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="With how many seeds every variant is trained.")] = 1,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option("--precision", help="Of the matrix products.")
    ] = "auto",
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make a hospital, prepare it, adapt a LLaMA to its notes, predict death in hospital, write the report.

    Takes some minutes on two cores, needs no network, and takes seconds when given again.
    """
    from chartune.studies.demo import demo

    result = demo(out, base=base, subjects=subjects, seed=seed, seeds=seeds, precision=precision, sets=sets or ())
    emit_study(result.report, result.runs, result.gaps, as_json)
