"""Which columns of a table hold texts and ids: as said, else as the run's own table had them, else by usual names.

said ─▶ the run's own names ─▶ text, note, notes, report, …    id, note_id, document_id, hadm_id
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from chartune.errors import SchemaError
from chartune.prediction.texts import TableTexts
from chartune.sources.annotated.pair_tables import NAMES, usual_columns
from chartune.sources.ids import usual_id
from chartune.sources.reading import header
from chartune.sources.tabular import Tabular

TEXTS: Final = ("text", "note", "notes", "note_text", "report", "report_text", "document", "body", "content")
"""Usual names of a column of texts."""


def table_texts(
    file: Path, trained_on: Mapping[str, Any], *, text: str | None = None, text_pair: str | None = None,
    of_pairs: bool = False, id: str | None = None,
    written: Mapping[str, Any] = MappingProxyType({}),
) -> TableTexts:  # fmt: skip
    """A table of texts.

    Args:
        file: CSV, TSV, JSON Lines (also as .gz) or Parquet.
        trained_on: the preparation of the run's data, as plain data.
        text: the column of texts, or of first texts; None: by rule.
        text_pair: the column of second texts; None: by rule.
        of_pairs: whether pairs of texts are read.
        id: the column that names rows; None: by rule; empty: rows are numbered from 1.
        written: what is stated of how the file is written: fields of `OwnDialect`, such as `null_marks`.

    Raises:
        ConfigError: what is stated is none of its fields, or none of their values.
        SchemaError: the file cannot be read, or no column, or no one column, can be that of the texts.
    """
    own = trained_on.get("source") or {}
    own = own if own.get("kind") in ("tabular", "pairs") else {}
    asked = {**written, "file": str(file), "subject": None, "label": None}
    usual = [name for name in (own.get("first" if of_pairs else "text"), text) if name]
    names = header(file, Tabular.parse({**asked, "text": usual[-1] if usual else TEXTS[0]}).written(1).dialect)
    if of_pairs:
        read, second = _pair_columns(file, names, own, text, text_pair)
    else:
        read, second = text or _text_column(file, names, own.get("text")), None
    key = usual_id(names, [read], own.get("id")) if id is None else id or None
    given = text_pair if of_pairs else text
    held = f"pairs are those of the columns {read} and {second}" if second else f"texts are those of the column {read}"
    chosen = [] if given else [held]
    chosen += [] if id is not None else [f"rows are named by {key}" if key else "rows are numbered from 1"]
    return TableTexts(
        Tabular.parse({**asked, "text": read, "id": key}), trained_on.get("line_breaks", "repaired"), chosen, second
    )


def _pair_columns(
    file: Path, names: Sequence[str], own: Mapping[str, Any], first: str | None, second: str | None
) -> tuple[str, str]:
    """As said, else as the run's own table had them, else by usual names. Raises SchemaError: no rule says."""
    lower = {name.strip().lower() for name in names}
    mine = [own[side] if own.get(side) and own[side].lower() in lower else None for side in ("first", "second")]
    columns = usual_columns(lower, first or mine[0], second or mine[1])
    if columns is None:
        known = ", ".join(" and ".join(pair) for pair in NAMES)
        raise SchemaError(
            f"{file.name} must have columns of two texts ({known}), but none of its {len(names)} columns is called so; "
            f"say which they are with --text and --text-pair."
        )
    return columns


def _text_column(file: Path, names: Sequence[str], own: str | None) -> str:
    lower = {name.strip().lower() for name in names}
    if own and own.lower() in lower:
        return own
    usual = [name for name in TEXTS if name in lower]
    if len(usual) == 1 or usual[:1] == [TEXTS[0]]:
        return usual[0]
    held = f"it could be {' or '.join(usual)}" if usual else f"none of its {len(names)} columns is called so"
    raise SchemaError(
        f"{file.name} must have one column of texts ({', '.join(TEXTS)}), but {held}; say which with --text."
    )
