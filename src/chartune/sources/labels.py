"""Labels of a table of one's own: one per document, or several in a cell, beside the texts or in a file of their own.

"I10; E11"   with the separator ";"   →   a row for I10, a row for E11
""                                    →   a row with null: not labelled
1.0, 0.0                              →   1, 0
"""

from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import DataError, SchemaError
from chartune.sources.dialect import GLUE
from chartune.sources.ids import refuse_rounded, trimmed
from chartune.sources.own_dialect import OwnDialect
from chartune.sources.reading import read
from chartune.sources.spellings import Spellings, spelled
from chartune.sources.tables import Column, Table, Tally

LABELS: Final = "labels"
"""Name of the table."""
_FLOATS: Final = r"^-?\d+(?:\.0+)?$"


def as_labels(
    cells: pl.DataFrame, file: Path, column: str, separator: str | None, spellings: Spellings = None
) -> pl.DataFrame:
    """Cells as labels.

    Args:
        cells: subject_id · hadm_id · label, a row per document.
        file: where they come from, for errors.
        column: of the labels, for errors.
        separator: between the labels of a cell; None: a cell is one label.
        spellings: whether labels that are spelled differently are one; None: they are refused.

    Returns:
        subject_id · hadm_id · label, a row per label; null where a document has none.

    Raises:
        SchemaError: cells hold several labels and no separator was named, or a label is spelled in several ways.
    """
    if separator is None:
        several = cells.filter(pl.col("label").str.strip_chars().str.contains(GLUE, literal=True)).height
        if several:
            raise SchemaError(
                f"{file.name}: a cell of {column} must be one label, but {several} hold lists or several lines; name a "
                f"`separator` (--set 'data.source.separator=;', for prepare 'source.separator=;') and the documents "
                f"may have several labels."
            )
        plain = cells.with_columns(_plain(pl.col("label")))
        return plain.with_columns(spelled(plain["label"], f"{file.name}: {column}", spellings))
    parts = cells.with_columns(pl.col("label").str.replace_all(GLUE, separator, literal=True).str.split(separator))
    each = parts.explode("label", empty_as_null=True).with_columns(_plain(pl.col("label")))
    each = each.with_columns(spelled(each["label"], f"{file.name}: {column}", spellings))
    kept = each.drop_nulls("label").unique(["subject_id", "hadm_id", "label"], maintain_order=True)
    return cells.drop("label").join(kept, on=["subject_id", "hadm_id"], how="left", maintain_order="left_right")


def labels_table(id_column: str, label_column: str, dialect: OwnDialect, file: Path, most: int | None = None) -> Table:
    """The contract of a file of labels."""
    columns = (Column(id_column, "text", "note_id", may_be_empty=False), Column(label_column, "text", "label"))
    detected = dialect.detected(file, [id_column, label_column], most)
    return Table(LABELS, columns, otherwise="export it again", dialect=detected.dialect, marks=dialect.marks)


def beside(keys: pl.DataFrame, file: Path, table: Table, several: bool, tally: Tally) -> pl.DataFrame:
    """The cells of a file of labels, put beside the documents that they belong to.

    Args:
        keys: note_id · subject_id · hadm_id of all documents.
        file: the labels.
        table: its contract (`labels_table`).
        several: whether an id may stand in several rows, one per label.
        tally: counts its rows.

    Returns:
        subject_id · hadm_id · label, null where the file does not name the document.

    Raises:
        SchemaError: the file breaks its contract, or an id stands there twice.
        DataError: it names documents that are not there.
    """
    labels, id_column = read(file, table, tally), table.columns[0].raw
    refuse_rounded(labels["note_id"], f"{file.name}: {id_column}")
    labels = labels.with_columns(trimmed(labels["note_id"]))
    unknown = ~labels["note_id"].is_in(keys["note_id"].implode())
    if unknown.any():
        raise DataError(
            f"{file.name} must name documents of the notes in {id_column}, but {int(unknown.sum())} of {labels.height} "
            f"rows name none of the {keys.height} there, first in data row {unknown.arg_true()[0] + 1}; give the "
            f"labels of these notes, or say which column names a document: --set data.source.id=… (for prepare "
            f"source.id=…)."
        )
    twice = int(labels["note_id"].is_duplicated().sum())
    if twice and not several:
        raise SchemaError(
            f"{file.name}: every {id_column} must occur once, but {twice} rows share theirs with another row; keep "
            f"one, or name a `separator` (--set 'data.source.separator=;', for prepare 'source.separator=;') and the "
            f"documents may have several labels."
        )
    cells = labels.group_by("note_id").agg(pl.col("label").drop_nulls().str.join(GLUE)) if several else labels
    return (
        keys.select("note_id", "subject_id", "hadm_id")
        .join(cells, on="note_id", how="left", maintain_order="left")
        .drop("note_id")
    )


def _plain(label: pl.Expr) -> pl.Expr:
    """Without blanks at its ends; empty is null; where all are whole numbers, without a parser's `.0`."""
    text = label.str.strip_chars()
    filled = pl.when(text != "").then(text)
    numbers = filled.str.contains(_FLOATS).all()
    return pl.when(numbers).then(filled.str.replace(r"\.0+$", "")).otherwise(filled)
