"""Pairs of texts of one's own: a pair and its label in each row of one table, or of tables that are named for splits.

    train.jsonl · dev.jsonl · test.jsonl      premise        hypothesis       label        id   split
    (CSV, TSV, JSON Lines, Parquet; .gz)      "He rests."    "He sleeps."     neutral      7    train
    a folder of them, or one file             columns as stated, else by the usual names (`NAMES`)

A row's split is what its column says, else the name of its file; where no test split is named, a hash of the group
draws it. Pairs with one first text, letters' case and blanks apart, are one group and never parted by a hash.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import polars as pl

from chartune.errors import SchemaError
from chartune.quantities import Fraction
from chartune.sources.annotated.archives import is_archive
from chartune.sources.annotated.corpus import (
    DEV_IS_TEST,
    OWN,
    TEST,
    TRAIN,
    VALIDATION,
    AnnotatedCorpus,
    Published,
    named_split,
    same_first_text,
)
from chartune.sources.annotated.dev import drawn_test
from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.formats import ENDINGS
from chartune.sources.own_dialect import Filled
from chartune.sources.reading import batches, header
from chartune.sources.tables import Column, Tally
from chartune.sources.tabular import Tabular

NAMES: Final = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("text", "text_pair"), ("text1", "text2"),
    ("sentence_a", "sentence_b"), ("question1", "question2"), ("question", "context"), ("question", "answer"),
    ("query", "passage"), ("chq", "faq"),
)  # fmt: skip
"""Usual names of the columns of a first and a second text; the first pair that is there counts."""
LABELS: Final = ("label", "gold_label", "final_decision", "class", "target")
IDS: Final = ("id", "pair_id", "pairid", "row_id")
SPLIT: Final = "split"
NO_TEXT: Final = "one of its texts is empty"
NO_LABEL: Final = "it has no label"
DRAWN: Final = "nothing names a test split, so that a hash of the first text drew it"
_CELLS: Final = re.compile(r"[,;|\t]")


class Named(NamedTuple):
    """The columns of a table of pairs."""

    first: str
    second: str
    label: str
    id: str | None
    split: str | None


class PairTables(AnnotatedCorpus):
    """Pairs of texts with a label each."""

    kind: Literal["pairs"] = "pairs"
    published = Published(OWN, "Pairs of texts of one's own", "as its owner says", {})
    endings = ENDINGS
    first: Filled | None = None
    """The column of first texts; null: by its name."""
    second: Filled | None = None
    """The column of second texts; null: by its name."""
    label: Filled | None = None
    """The column of labels; null: by its name."""
    id: Filled | None = None
    """The column that names pairs; null: by its name, else pairs are numbered."""
    test: Fraction = 0.2
    """Share of the groups that is the test split, where none is named."""
    salt: str = "chartune"
    """Another salt, another test split."""

    def files(self) -> dict[str, Path]:
        """Path within the folder → table; one file alone is a table. Raises SchemaError: there is none."""
        if self.folder.is_file() and not is_archive(self.folder):
            return {self.folder.name: self.folder}
        return {path: file for path, file in super().files().items() if not is_archive(file)}

    def fill(self, rows: Rows, findings: Findings) -> None:
        """Read the tables. Raises SchemaError, too, where a column is missing or an id occurs twice."""
        read = pl.concat([self._read(path, file) for path, file in sorted(self.files().items())])
        _must_be_named_once(read["id"])
        named = set(read["split"].drop_nulls())
        drawn = drawn_test(self.salt, self.test)
        for pair in read.iter_rows(named=True):
            reason = _cannot_be_used(pair)
            findings.read("pairs")
            if reason:
                findings.left_out("pairs", reason, pair["id"])
                continue
            group = same_first_text(pair["first"])
            split = pair["split"] or TRAIN
            if not named & {TEST, VALIDATION}:
                findings.note("pairs", DRAWN, pair["id"])
                split = drawn.drawn(group)
            elif split == VALIDATION and TEST not in named:
                findings.note("pairs", DEV_IS_TEST, pair["id"])
                split = TEST
            rows.pairs.append((pair["id"], group, split, pair["first"], pair["second"], pair["label"]))

    def _read(self, path: str, file: Path) -> pl.DataFrame:
        """A table as id · split? · first? · second? · label?, all str."""
        table = Tabular.parse({"file": str(file), "text": self.first or "text", "subject": None, "label": None})
        named = self._columns(file, header(file, table.written(1).dialect))
        # The label is read as text: marks for nothing in it are those of its own table.
        columns = [Column(name, "text", name) for name in named if name]
        table = table.model_copy(update={"text": named.first})
        contract = replace(table.contract(table.written().dialect), columns=tuple(columns))
        none = pl.DataFrame(schema=contract.schema())
        cells = pl.concat([none, *batches(file, contract, Tally())]).with_row_index("row", 1)
        number = pl.format(f"{path}-{{}}", pl.col("row"))
        return cells.select(
            id=number if named.id is None else pl.coalesce(_bare(named.id), number),
            split=_split(cells, named.split, path),
            first=_bare(named.first),
            second=_bare(named.second),
            label=_bare(named.label),
        )

    def _columns(self, file: Path, names: Sequence[str]) -> Named:
        lower = {name.strip().lower(): name.strip() for name in names}
        usual = usual_columns(lower, self.first, self.second)
        label = self.label or _first(lower, LABELS)
        if usual is None or label is None:
            known = ", ".join(" and ".join(pair) for pair in NAMES)
            raise SchemaError(
                f"{file.name} must have columns of two texts ({known}) and of a label ({', '.join(LABELS)}), but its "
                f"{len(names)} columns are not called so; say which they are (--set source.first=…, source.second=…, "
                f"source.label=…; of a stage data.source.first=…)."
            )
        return Named(*usual, label, self.id or _first(lower, IDS), _first(lower, (SPLIT,)))


def usual_columns(
    names: Iterable[str], first: str | None = None, second: str | None = None
) -> tuple[str, str] | None:  # fmt: skip
    """Which columns hold first and second texts, as stated or by their names; None: no rule says.

    Args:
        names: of all columns, in lower case.
        first: that of first texts; None: by its name.
        second: that of second texts; None: by its name.
    """
    if first and second:
        return first, second
    there = set(names)
    for one, other in NAMES:
        if (first or one in there) and (second or other in there):
            return first or one, second or other
    return None


def looks_paired(content: bytes) -> bool:
    """Whether the first line of a table names two texts and a label."""
    line = content.decode("utf-8-sig", "replace").partition("\n")[0].strip()
    try:
        keys = json.loads(line) if line.startswith("{") else _CELLS.split(line)
    except (ValueError, RecursionError):
        return False
    names = {str(key).strip().strip("\"'").lower() for key in keys}
    return usual_columns(names) is not None and _first(dict.fromkeys(names, ""), LABELS) is not None


def _first(names: Mapping[str, str], wanted: Iterable[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _bare(column: str) -> pl.Expr:
    """A cell without blanks at its ends; null: nothing is left."""
    bare = pl.col(column).str.strip_chars()
    return pl.when(bare != "").then(bare)


def _split(cells: pl.DataFrame, column: str | None, path: str) -> pl.Series:
    """The split of each row as its column or the name of the file says; null: nothing does."""
    of_file = named_split(path)
    if column is None:
        return pl.repeat(of_file, cells.height, dtype=pl.String, eager=True)
    values = {value: named_split(value) if value and value.strip() else of_file for value in cells[column].unique()}
    unknown = sum(bool(value and value.strip()) and split is None for value, split in values.items())
    if unknown:
        raise SchemaError(
            f"the column {column} of {path} must say train, validation (dev) or test, but {unknown} of its values are "
            f"none; correct them, or leave the column out."
        )
    return pl.Series([values[value] for value in cells[column]], dtype=pl.String)


def _must_be_named_once(ids: pl.Series) -> None:
    if twice := int(ids.is_duplicated().sum()):
        raise SchemaError(
            f"every pair must have an id of its own, but {twice} rows share theirs with another row; correct them, or "
            f"leave the column out and pairs are numbered."
        )


def _cannot_be_used(pair: Mapping[str, str | None]) -> str:
    if not (pair["first"] and pair["second"]):
        return NO_TEXT
    return "" if pair["label"] else NO_LABEL
