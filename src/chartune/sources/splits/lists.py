"""Imported splits: lists of patients as somebody else has published or kept them.

    train.csv · validation.csv · test.csv             a list per split, under any name that ends in the split's
    mimic_train.csv · mimic_val.csv · mimic_test.csv  as CORe ships them: a row per note, so ids repeat
    metadata/subject_splits.parquet                   one table of all, as MEDS keeps it (train, tuning, held_out)
    splits.parquet                                    the same, as prepared data of chartune keep it

A list is a table with a column `subject_id`, or one column of whole numbers without a header line (in a .txt, too).
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import polars as pl

from chartune.config import Config, Unhashed
from chartune.errors import DataError, LeakageError, SchemaError
from chartune.sources import formats
from chartune.sources.dialect import NULL_MARKS
from chartune.sources.ids import WHOLE, filled, numbered, trimmed
from chartune.sources.reading import header, read, sanitised
from chartune.sources.source import RawPath
from chartune.sources.splits.split import CORPUS_ONLY, NAMES, SCHEMA, SPLITS, Assignment, left_out
from chartune.sources.tables import Column, Table, Tally, marked
from chartune.sources.whole_rows import unpacked

SUBJECT: Final = "subject_id"
ONE_TABLE: Final = ("subject_splits", "splits")
"""Stems of a file that holds all splits: columns subject_id and split."""
REQUIRED: Final = ("train", "validation", "test")
LONGEST_LIST: Final = 256 * 2**20
"""Bytes of a list without columns: ten million patients need some 100 MB."""
_ENDINGS: Final = (".txt.gz", ".txt", *sorted(formats.ENDINGS, key=len, reverse=True))
_RULE: Final = "a list must have a column subject_id, or be one column of whole numbers without a header line"


class ImportedSplit(Config):
    """Lists of patients: `train`, `validation` and `test`, each with a column `subject_id`, or one table of all.

    Names may end in what others call a split (`mimic_val.csv`, `split-dev.txt`); any format that is read will do.
    Optional: `calibration`, and `background`: patients whose text is for adaptation only. Ids may repeat, and need not
    be numbers (`chartune.sources.ids`).
    """

    kind: Literal["imported"] = "imported"
    folder: RawPath
    """Where the lists are, or the one file that holds all. The ids in them, not the path, determine the data."""
    licence: Annotated[str, Unhashed()] = ""
    """Under which terms they may be used; empty: nobody says."""

    def files(self) -> tuple[Path, ...]:
        """The lists, or the one file. Raises SchemaError: they are none, or two files could be one."""
        whole = _one_table(self.folder)
        return (whole,) if whole else tuple(list_files(self.folder).values())

    def lists(self) -> dict[str, pl.Series]:
        """Split → its subject_ids, unique and ascending.

        Raises:
            SchemaError: a list is missing, is there twice, or holds something else than ids.
            LeakageError: a patient stands in two lists.
        """
        whole = _one_table(self.folder)
        lists = _parted(whole) if whole else {s: _ids(file) for s, file in list_files(self.folder).items()}
        if missing := [split for split in REQUIRED if split not in lists]:
            raise SchemaError(
                f"imported splits need {missing[0]}.csv, but {self.folder} has none; add it (column subject_id; a name "
                f"that ends in {' or '.join(a for a, split in NAMES.items() if split == missing[0])} will do)."
            )
        everybody = pl.concat(list(lists.values()))
        twice = everybody.filter(everybody.is_duplicated()).n_unique()
        if twice:
            raise LeakageError(
                f"a patient must stand in one split, but the lists of {self.folder} share patients ({twice}); "
                f"remove them from all lists but one."
            )
        return lists

    def rule(self) -> dict[str, Any]:
        """A hash of the ids in the lists."""
        ids = {split: ids.to_list() for split, ids in self.lists().items()}
        return {"kind": self.kind, "sha256": hashlib.sha256(repr(sorted(ids.items())).encode()).hexdigest()}

    def assign(self, subjects: pl.DataFrame) -> Assignment:
        """The split of each of these patients that a list names; the others stand in none.

        Raises:
            SchemaError, LeakageError: as `lists`.
            DataError: no list names any of them.
        """
        patients = subjects["subject_id"].unique()
        parts = [
            pl.DataFrame({"subject_id": ids, "split": [split] * len(ids)}, SCHEMA)
            for split, ids in self.lists().items()
        ]
        listed = pl.concat(parts)
        known = listed.filter(pl.col("subject_id").is_in(patients.implode())).sort("subject_id")
        if known.is_empty() and len(patients):
            raise DataError(
                f"split lists must name patients of the source, but none of {listed.height} ids in {self.folder} is "
                f"among its {len(patients)} patients; give the lists that belong to this source."
            )
        strange = listed.height - known.height
        absent = f"splits: {strange} of {listed.height} listed patients are not in the source."
        rest = left_out(len(patients) - known.height, len(patients), "of the source stand in no list")
        return Assignment(known, (absent,) if strange else (), rest)


def list_files(folder: Path) -> dict[str, Path]:
    """Split → the file that holds its list, for all that are there.

    Raises:
        SchemaError: the folder is none or not readable, or two files could be one list.
    """
    files: dict[str, Path] = {}
    for file in _tables(folder):
        split = split_named(_stem(file))
        if split is None:
            continue
        if split in files:
            raise SchemaError(
                f"one file must hold the list of {split}, but {folder} has {files[split].name} and {file.name}; move "
                f"one away."
            )
        files[split] = file
    return {split: files[split] for split in (*SPLITS, CORPUS_ONLY) if split in files}


def split_named(name: str) -> str | None:
    """The split that a name is or ends in (`mimic_val`, `Held_Out`); None: no split is called like that."""
    plain = re.sub(r"[\s.\-]+", "_", name.strip().lower())
    return next((NAMES[alias] for alias in NAMES if plain == alias or plain.endswith(f"_{alias}")), None)


def splits_named(cells: pl.Series, file: Path, otherwise: str) -> pl.Series:
    """The splits that cells name; null stays null. Raises SchemaError: some name none; `otherwise`: what helps, too."""
    named = {name: split_named(name) for name in cells.drop_nulls().unique()}
    strange = int(cells.is_in([name for name, split in named.items() if split is None]).sum())
    if strange:
        raise SchemaError(
            f"{file.name}: every split must be one of {', '.join(NAMES)}, but {strange} of {cells.len()} rows name "
            f"another; rename it, or {otherwise}."
        )
    return cells.replace_strict(named, default=None, return_dtype=pl.String)


def _one_table(place: Path) -> Path | None:
    """The file that holds all splits: itself, or in the folder or its `metadata/`; None: there are lists."""
    if place.is_file():
        return place
    inner = place / "metadata"
    files = [*_tables(place), *(_tables(inner) if inner.is_dir() else ())]
    matching = [file for file in files if _stem(file).lower() in ONE_TABLE]
    if len(matching) > 1 or (matching and list_files(place)):
        raise SchemaError(
            f"either one table must hold all splits, or a list each, but {place} has {matching[0].name} and more; move "
            f"away what does not count."
        )
    return matching[0] if matching else None


def _tables(folder: Path) -> list[Path]:
    """Files of a folder that may be tables, by their ending."""
    if not folder.is_dir():
        raise SchemaError(
            f"imported splits must be a folder of lists, or one table of all, but {folder} is neither; give the folder "
            f"with train.csv, validation.csv and test.csv."
        )
    try:
        files = sorted(folder.iterdir())
    except PermissionError:
        raise SchemaError(
            f"a folder of lists must be readable, but {folder} is not; ask its owner for access."
        ) from None
    return [file for file in files if file.is_file() and file.name.lower().endswith(_ENDINGS)]


def _stem(file: Path) -> str:
    return next(file.name[: -len(ending)] for ending in _ENDINGS if file.name.lower().endswith(ending))


def _parted(file: Path) -> dict[str, pl.Series]:
    """The lists in a table of all. Raises SchemaError: it breaks its contract, or names other splits."""
    columns = (Column(SUBJECT, "text", may_be_empty=False), Column("split", "text", may_be_empty=False))
    table = read(file, Table("splits", columns, otherwise="export it again"), Tally())
    splits = splits_named(table["split"], file, "remove the rows of patients who stand in none")
    ids = pl.DataFrame({"id": numbered(_named(file, table[SUBJECT])), "split": splits})
    return {
        split: own["id"].unique().sort()
        for split in (*SPLITS, CORPUS_ONLY)
        if not (own := ids.filter(pl.col("split") == split)).is_empty()
    }


def _ids(file: Path) -> pl.Series:
    """The patients of one list, unique and ascending. Raises SchemaError: it is no list of ids."""
    if _is_text(file) or _headless(header(file)):
        return numbered(_lines(file)).unique().sort()
    columns = (Column(SUBJECT, "text", may_be_empty=False),)
    listed = read(file, Table(_stem(file), columns, otherwise="export it again", renamed=_RULE), Tally())
    return numbered(_named(file, listed[SUBJECT])).unique().sort()


def _named(file: Path, ids: pl.Series) -> pl.Series:
    """Ids, trimmed. Raises SchemaError: some name nobody, or a spreadsheet has rounded them."""
    ids = filled(ids, file, SUBJECT)
    _refuse_marks(file, ids)
    return ids


def _refuse_marks(file: Path, ids: pl.Series) -> None:
    """See to it that every id is somebody. Raises SchemaError: some are what programs write for nobody."""
    marks = ids.filter(ids.is_in(list(NULL_MARKS))).value_counts()
    if marks.height:
        raise SchemaError(
            f"{file.name}: every id must name somebody, but {marked(dict(marks.iter_rows()))} hold what programs write "
            f"where nothing is known; remove these rows, or, where one is a patient's id, rename it here and in the "
            f"source."
        )


def _is_text(file: Path) -> bool:
    return file.name.lower().endswith((".txt", ".txt.gz"))


def _headless(names: list[str]) -> bool:
    """Whether a table has no header line, so that its first id was taken for one."""
    return len(names) == 1 and bool(trimmed(pl.Series(names)).str.contains(WHOLE).all())


def _lines(file: Path) -> pl.Series:
    """The ids of a list without columns: one in a line. Raises SchemaError: a line holds something else."""
    cells = (line.strip().strip('"').strip() for line in sanitised(file, lambda: _text(file)).splitlines())
    ids = trimmed(pl.Series([cell for cell in cells if cell], dtype=pl.String))
    named = ids.len() > 0 and ids[0].lower() == SUBJECT
    ids = ids[1:] if named else ids
    wrong = ids.str.contains(r"[\s,;]") if named else ~ids.str.contains(WHOLE)
    if wrong.any():
        raise SchemaError(
            f"{file.name}: {_RULE}, but {int(wrong.sum())} of its {ids.len()} ids are none, first in row "
            f"{wrong.arg_true()[0] + 1}; correct those rows, or give the file a header line."
        )
    _refuse_marks(file, ids)
    return ids


def _text(file: Path) -> str:
    with unpacked(file) as handle:
        raw = handle.read(LONGEST_LIST + 1)
    if len(raw) > LONGEST_LIST:
        raise SchemaError(
            f"a list of patients must have at most {LONGEST_LIST:,} bytes, but {file.name} has more, as a file that is "
            f"damaged or made to fill the memory; get it again, or give the list as CSV."
        )
    return raw.decode("utf-8-sig", errors="replace")
