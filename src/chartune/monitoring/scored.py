"""Scored: a file that `chartune predict` has written, and the outcomes that have come back since.

scored.csv ─▶ ids, probabilities by label, lengths, cuts        outcomes.csv ─ by id ─▶ which labels came true
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers.outcomes import probability_column
from chartune.errors import DataError, SchemaError
from chartune.prediction.outputs import Outputs

SHOWN: Final = 5
"""Rows that a message names."""
RAW: Final = "raw"
TRUE: Final = ("outcome", "label", "labels", "true_label", "true_labels")
"""Usual names of a column of outcomes."""
YES: Final = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0}
"""How a column of one outcome may be written beside the names of both classes."""


@dataclass(frozen=True)
class Scored:
    """Rows that a run has scored; those without a text are left out."""

    ids: pl.Series
    made: NDArray[np.float64]
    """Probabilities, of one outcome [n], else [n, labels]; of spans how many each row has, [n]."""
    tokens: NDArray[np.float64]
    truncated: NDArray[np.float64]
    recalibrated: bool


def read_scored(file: Path, outputs: Outputs) -> Scored:
    """A CSV, JSON Lines or Parquet file of `chartune predict`.

    Args:
        file: to be read.
        outputs: of the run that has scored it.

    Raises:
        SchemaError: it cannot be read, or has other columns.
        DataError: another run has scored it, or not all rows were recalibrated alike.
    """
    frame = _frame(file)
    names = _columns(outputs)
    needed = [*names, "id", "tokens", "truncated", "recalibration", "model"]
    if lacking := [name for name in needed if name not in frame.columns]:
        raise SchemaError(
            f"{file.name} must be as `chartune predict` writes it for {outputs.origin.name}, but lacks the columns "
            f"{', '.join(lacking[:SHOWN])}; score the notes with this run."
        )
    frame = frame.filter(pl.col(names[0]).is_not_null())
    if frame.is_empty():
        raise SchemaError(f"{file.name} must have rows that were scored, but has none.")
    _must_be_of(frame, outputs, file)
    if outputs.form.whole_text:
        made = np.stack([_numbers(frame, name, file) for name in names], axis=1)
        made = made[:, 0] if outputs.form.one_outcome else made
    else:
        made = np.asarray([_spans(cell) for cell in frame["spans"]], dtype=np.float64)
    truncated = frame["truncated"].cast(pl.String).str.to_lowercase() == "true"
    return Scored(
        frame["id"].cast(pl.String), made, _numbers(frame, "tokens", file), truncated.to_numpy().astype(np.float64),
        frame["recalibration"][0] != RAW,
    )  # fmt: skip


def _columns(outputs: Outputs) -> list[str]:
    if not outputs.form.whole_text:
        return ["spans"]
    if outputs.form.one_outcome:
        return [probability_column(outputs.labels[1])]
    return [f"p_{name}" for name in outputs.labels]


def _must_be_of(frame: pl.DataFrame, outputs: Outputs, file: Path) -> None:
    models = frame["model"].cast(pl.String).unique().to_list()
    if models != [outputs.origin.fingerprint]:
        raise DataError(
            f"{file.name} must be scored by one run, {outputs.origin.fingerprint}, but names "
            f"{', '.join(sorted(ascii(model)[1:17] for model in models)[:SHOWN])}; name the run that has scored it."
        )
    if (ways := frame["recalibration"].n_unique()) != 1:
        raise DataError(f"rows of {file.name} must be recalibrated alike, but are in {ways} ways; score them again.")
    if (twice := frame["id"].is_duplicated().sum()) > 0:
        raise DataError(f"every id of {file.name} must occur once, but {twice:,} rows share theirs; score them again.")


def _frame(file: Path) -> pl.DataFrame:
    """Every cell as text where the format has no types. Raises SchemaError."""
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        if file.suffix in (".jsonl", ".ndjson"):
            return pl.read_ndjson(file, infer_schema_length=None)
        return pl.read_csv(file, infer_schema=False, separator="\t" if file.suffix == ".tsv" else ",")
    except FileNotFoundError:
        raise SchemaError(f"{file} must be a file, but is none; check the path.") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeError):  # its message would quote a cell
        raise SchemaError(
            f"{file.name} must be CSV, TSV, JSON Lines or Parquet by its ending, but cannot be read as that."
        ) from None


def _numbers(frame: pl.DataFrame, name: str, file: Path) -> NDArray[np.float64]:
    column = frame[name].cast(pl.Float64, strict=False)
    if (broken := (~column.fill_null(np.nan).is_finite()).sum()) > 0:
        raise SchemaError(f"every cell of {name[:60]} in {file.name} must be a number, but {broken:,} are not.")
    return column.to_numpy()


def _spans(cell: Any) -> int:
    """How many there are: a list, or in CSV its JSON."""
    return len(json.loads(cell)) if isinstance(cell, str) else len(cell)


def read_outcomes(
    file: Path, outputs: Outputs, column: str | None = None, key: str = "id"
) -> tuple[pl.Series, NDArray[np.float64]]:
    """Outcomes by the id of their row.

    Args:
        file: CSV, TSV, JSON Lines or Parquet. Of several labels a cell lists them, in CSV with `;` between.
        outputs: of the run.
        column: of outcomes; None: the one that is called `outcome`, `label` or the like.
        key: the column of ids.

    Returns:
        Ids [n], and 1 for each label that came true, [n, labels]; of one outcome [n, 1]. Rows without an outcome are
        left out.

    Raises:
        SchemaError: it cannot be read, or lacks a column.
        DataError: an id occurs twice, or an outcome is none of the labels; the message counts.
    """
    frame = _frame(file)
    usual = [name for name in ([column] if column else TRUE) if name in frame.columns]
    if key not in frame.columns or len(usual) != 1:
        raise SchemaError(
            f"{file.name} must have ids in {key!r} and one column of outcomes ({column or ', '.join(TRUE)}), but has "
            f"{', '.join(frame.columns[:SHOWN])}; name them with --id and --outcome."
        )
    frame = frame.filter(pl.col(usual[0]).is_not_null())
    ids = frame[key].cast(pl.String)
    if (twice := ids.is_duplicated().sum()) > 0:
        raise DataError(f"every id of {file.name} must occur once, but {twice:,} rows share theirs; keep one of each.")
    return ids, _true(frame[usual[0]], outputs, file)


def _true(cells: pl.Series, outputs: Outputs, file: Path) -> NDArray[np.float64]:
    """Which labels came true, [n, labels]; of one outcome [n, 1]."""
    labels = [outputs.labels[1]] if outputs.form.one_outcome else list(outputs.labels)
    place = {name: number for number, name in enumerate(labels)}
    made, wrong = np.zeros((len(cells), len(labels))), 0
    for row, cell in enumerate(cells):
        for name in _names(cell, outputs.form.several):
            if name in place:
                made[row, place[name]] = 1
            elif outputs.form.one_outcome and name.lower() in YES:
                made[row, 0] = YES[name.lower()]
            else:
                wrong += name not in outputs.labels
    if wrong:
        known = f"{', '.join(outputs.labels[:SHOWN])}{', …' if len(outputs.labels) > SHOWN else ''}"
        raise DataError(f"every outcome in {file.name} must be a label of the run ({known}), but {wrong:,} are none.")
    return made


def _names(cell: Any, several: bool) -> list[str]:
    if not isinstance(cell, str):
        return [str(each) for each in cell] if several and not isinstance(cell, bool | int | float) else [str(cell)]
    return [name.strip() for name in cell.split(";") if name.strip()] if several else [cell.strip()]
