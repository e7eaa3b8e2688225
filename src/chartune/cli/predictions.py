"""`chartune predictions`: what a run predicted of its own rows, as a table."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    RecalibratedOption,
    StoreOption,
    emit,
    open_store,
    path_option,
)
from chartune.disclosure import shown
from chartune.report.released import is_exact


def command(
    run: Annotated[str, typer.Argument(help="A finished run: fingerprint, its prefix, its name or its folder.")],
    out: Annotated[Path, path_option("--out", "The .csv, .jsonl or .parquet to write; or -.")] = Path("-"),
    split: Annotated[
        Literal["test", "validation", "all"], typer.Option("--split", help="Whose rows; all: that were scored.")
    ] = "test",
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold", metavar="P|RULE",
            help="From where on a label is said to apply: a probability, or chosen on the run's validation split by a "
            "rule: youden, sensitivity=0.9, specificity=0.9.",
        ),
    ] = None,
    recalibrated: RecalibratedOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write what a run predicted of its own rows: your ids, the true label, classes by name with probabilities.

    The columns are those of `predict`, and nothing is computed again. Of an evaluation they are the rows that it
    scored. The file is for you alone: it says of each patient what is true.
    """
    from chartune.prediction.files import STANDARD_OUTPUT, must_be_writable, write_rows
    from chartune.prediction.own import own_predictions
    from chartune.runs.ledger import run_at

    must_be_writable(out)
    chosen = run_at(open_store(store), run)
    rows = own_predictions(chosen, split, recalibrated=recalibrated, threshold=threshold)
    write_rows(rows, out, as_json=as_json)
    if out != STANDARD_OUTPUT:
        result = {"run": chosen.fingerprint, "out": str(out), "split": split,
                  "rows": shown(rows.height, is_exact(chosen, False))}  # fmt: skip
        emit(result, as_json, str(out))
