"""`chartune finetune`: a stack of adapters on a task."""

from typing import Annotated

import typer

from chartune.cli.figures import ExactOption, emit_run
from chartune.cli.options import JsonOption, open_store
from chartune.cli.stage_flags import FinetuneFlags, with_flags
from chartune.cli.warned import say_warnings
from chartune.launched import rank
from chartune.log import say

BaselineOption = Annotated[
    bool,
    typer.Option(
        "--baseline/--no-baseline", envvar="CHARTUNE_BASELINE",
        help="Compare with TF-IDF on the same words, which is fitted where the store has none (seconds).",
    ),
]  # fmt: skip


@with_flags
def command(
    flags: FinetuneFlags,
    baseline: BaselineOption = True,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train adapters and a head on a task; score held-out patients, with intervals from a bootstrap over patients.

    Predictions are kept by admission id. Training stops when the main score on the validation split no longer rises;
    the test split is scored once, at the end.
    """
    stage, opened = flags.stage(), open_store(flags.store)
    from chartune.report.hidden import warning  # after the flags were found right: what follows brings all libraries
    from chartune.runner import run
    from chartune.stages.baseline import baseline_of
    from chartune.stages.finetune import Finetune
    from chartune.tasks.dataset import read_dataset

    if rank():  # one of several processes takes part in the training; all else is done by the first
        run(stage, opened)
        return
    warned = say_warnings(stage.data, opened, stage.task)
    done = run(stage, opened)
    compared = (
        baseline_of(done, stage, opened) if baseline and isinstance(stage, Finetune) and stage.scores_test else None
    )
    emit_run(done, as_json, exact_counts, {"warnings": warned}, compared)
    prepared = opened.find("data", done.data or "")
    if prepared and (message := warning(done, read_dataset(prepared))):
        say(f"warning: {message}")
