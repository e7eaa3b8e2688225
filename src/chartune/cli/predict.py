"""`chartune predict`: new notes, scored by a finished run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chartune.cli.figures import is_exact
from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    NullMarksOption,
    StoreOption,
    emit,
    marks_of,
    named_path,
    open_store,
)
from chartune.disclosure import shown
from chartune.errors import ConfigError, SchemaError
from chartune.log import say
from chartune.store import Store

STANDARD_INPUT = Path("-")

if TYPE_CHECKING:
    from chartune.prediction.scorer import Scorer
    from chartune.prediction.texts import Texts
    from chartune.runs.run import Run


def command(
    run: Annotated[str, typer.Argument(help="A finished run: fingerprint, its prefix, its name or its folder.")],
    source: Annotated[
        Path,
        typer.Argument(
            parser=named_path, metavar="INPUT",
            help="CSV, TSV, JSON Lines or Parquet with a text per row; a folder of MIMIC; - for one text on standard "
            "input.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", parser=named_path, metavar="PATH", help="The .csv, .jsonl or .parquet to write; or -."),
    ] = Path("-"),
    text: Annotated[str | None, typer.Option("--text", help="The column of texts. Default: by its name.")] = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="The column that names rows; '': rows are numbered. Default: by its name."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Probability from which on a label is said to apply.")
    ] = None,
    recalibrated: Annotated[
        bool, typer.Option("--recalibrated", help="Recalibrate as was fitted on the validation split.")
    ] = False,
    skip_empty: Annotated[
        bool, typer.Option("--skip-empty", help="Keep rows without a text, without a probability.")
    ] = False,
    null_marks: NullMarksOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score new notes with a finished run: a row per note with its id, probabilities, tokens read and cut, model hash.

    The order of the input is kept, memory stays flat, and no word of a note is written anywhere. After a kill the same
    command resumes and gives the same file. Rows without a text and ids that occur twice are refused with their row
    numbers before anything is scored.
    """
    from chartune.prediction.files import STANDARD_OUTPUT, must_be_writable, write_predictions_of
    from chartune.prediction.rows import Choices
    from chartune.prediction.texts import checked
    from chartune.runs.ledger import run_at
    from chartune.stages.loading import load

    must_be_writable(out, source)
    opened = open_store(store)
    chosen = run_at(opened, run)
    texts = _texts(source, chosen, opened, text, id, null_marks)
    for notice in texts.notices:
        say(f"note: {notice}")
    choices, seen = Choices(recalibrated, threshold, skip_empty), checked(texts, skip_empty=skip_empty)
    scorer = load(chosen, opened)
    for notice in _said(scorer):
        say(f"note: {notice}")
    written = write_predictions_of(scorer, texts, seen, out, opened, choices, as_json=as_json)
    if out != STANDARD_OUTPUT:
        result = {"run": chosen.fingerprint, "out": str(out), "rows": shown(written.rows, is_exact(chosen, False)),
                  "recalibrated": recalibrated, "numerics": scorer.numerics}  # fmt: skip
        emit(result, as_json, str(out))


def _texts(
    source: Path, run: "Run", store: Store, text: str | None, id: str | None, null_marks: str | None
) -> "Texts":  # fmt: skip
    """What is to be scored. Raises ConfigError: columns are named of what has none."""
    from chartune.prediction.charts import ChartTexts
    from chartune.prediction.columns import table_texts
    from chartune.prediction.texts import OneText
    from chartune.sources.detect import detect
    from chartune.stages.predicting import breaks_of

    trained_on = run.stage.get("data") or {}
    if source != STANDARD_INPUT and not source.is_dir():
        return table_texts(source, trained_on, text=text, id=id, null_marks=marks_of(null_marks))
    given = [flag for flag, value in {"--text": text, "--id": id, "--null-marks": null_marks}.items() if value]
    if given:
        raise ConfigError(f"{' and '.join(given)} are of a table, but {source} is none; leave them out.")
    if source != STANDARD_INPUT:
        return ChartTexts(source, detect(source), trained_on, run.task or "", store)
    try:
        return OneText(sys.stdin.buffer.read().decode("utf-8"), breaks_of(run))
    except UnicodeDecodeError:  # it quotes bytes of the text
        wrong = "standard input must be a text in UTF-8, but some of its bytes are none"
    raise SchemaError(f"{wrong}; convert it (`iconv -t utf-8`).")


def _said(scorer: "Scorer") -> list[str]:
    """What a reader of the numbers should know."""
    if scorer.numerics.get("precision") != "bf16":
        return []
    return [
        "computed in bf16, as the run was trained: which texts are batched together moves a probability by some 0.002 "
        "(docs/predict.md); the same input gives the same numbers"
    ]
