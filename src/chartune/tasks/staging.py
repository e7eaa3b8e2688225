"""Staging: the one pass over all notes. Texts go to disk by patient, and so does what is known of each note.

    notes ─▶ index: one row per wanted note, no text   ─ filters decide here which notes are read
         │         and one per admission for all others
         └─▶ shards of whole patients: texts on disk   ─ and here they are read, a portion at a time: some small
                                                         shards together, a large one alone

So memory holds some bytes for each note that somebody asks for and never its text, and a pass costs the same for one
task or ten.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import SchemaError
from chartune.log import progress
from chartune.notes.clean import MASKED, copy_key, without_markers, word_count
from chartune.notes.line_breaks import Breaks, repaired, written_out
from chartune.notes.note import NOTES, SCHEMA
from chartune.sources.coverage import MASKS, Coverage
from chartune.sources.source import Records
from chartune.tasks.attrition import KEY
from chartune.tasks.corpus import Corpus
from chartune.tasks.frames import add_frame, read_pile
from chartune.writing import write_json

SHARDS: Final = 64
"""Groups of patients by subject_id modulo this; all notes of a patient lie in one."""
INDEX: Final[dict[str, pl.DataType]] = {
    **{name: dtype for name, dtype in SCHEMA.items() if name != "text"},
    "words": pl.UInt32(),
    "text_key": pl.UInt64(),
    "copy_key": pl.UInt64(),
    "notes": pl.UInt32(),
}
"""Columns of the index. `words`: of the cleaned text; without a corpus, which tells their number, 1 stands for any;
`text_key`: the same for identical texts; `copy_key`: the same for copies (`chartune.notes.clean.copy_key`), null where
no corpus asks for them; `notes`: 1, or how many notes of an admission are of categories that nobody asked for: of these
a row has its patient, its admission and nulls."""
_TEXTS: Final = {"note_id": pl.String(), "text": pl.String()}
PORTION: Final = 2**22
"""Bytes on disk of shards that are read together: a portion costs as much as a shard, and most hospitals are small."""
_BLOCK: Final = 2**18
"""Characters that wait in memory, of each shard, before they are added to its pile."""
_INDEX: Final = "index.pile"
_TEXTS_COUNTED: Final = "texts.json"
_INDEX_ROWS: Final = 2**16
"""Rows of the index that wait in memory before they are added to its pile."""


@dataclass(frozen=True)
class Staged:
    """All notes of a source, ready to be chosen from and read."""

    folder: Path
    """Piles (`chartune.tasks.frames`): the index, and the texts of the wanted categories, one per shard."""

    def index(self, categories: Collection[str] | None = None, columns: Sequence[str] = tuple(INDEX)) -> pl.DataFrame:
        """What is known of the notes.

        Args:
            categories: whose notes have a row each, all others one per admission; None: all that anybody wanted.
            columns: of `INDEX`, those of an admission among them.

        Returns:
            The columns; rows of admissions come last.
        """
        wanted = pl.col("note_id").is_not_null()
        if categories is not None:
            wanted &= pl.col("category").is_in(list(categories))
        rows, others = [pl.DataFrame(schema=INDEX).select(columns)], [_counts(NOTES)]
        for part in read_pile(self.folder / _INDEX):
            rows.append(part.filter(wanted).select(columns))
            others.append(part.filter(~wanted).select(*KEY, "notes"))
        counted = pl.concat(others).group_by(KEY).agg(pl.col("notes").sum())
        return pl.concat([*rows, counted.select(set(counted.columns) & set(columns))], how="diagonal")

    def categories(self) -> set[str]:
        """The categories of the notes that somebody wanted."""
        return {kind for part in read_pile(self.folder / _INDEX) for kind in part["category"].drop_nulls().unique()}

    def written_out(self) -> int:
        """How many of the texts that somebody wanted had their line breaks written out."""
        return self._counted()["written_out"]

    def masked(self) -> Coverage:
        """In how many of the texts that somebody wanted masks of de-identification stand."""
        counted = self._counted()
        return MASKS.of(counted["texts"], counted["masked"])

    def _counted(self) -> dict[str, int]:
        return {name: int(n) for name, n in json.loads((self.folder / _TEXTS_COUNTED).read_text("utf-8")).items()}

    def portions(self) -> list[range]:
        """All shards, in runs that lie on disk in `PORTION` bytes or are one shard: each is read at once."""
        sizes = [pile.stat().st_size if pile.is_file() else 0 for pile in map(self._pile, range(SHARDS))]
        starts, size = [0], 0
        for shard, more in enumerate(sizes):
            size += more
            if size > PORTION and shard > starts[-1]:
                starts.append(shard)
                size = more
        return [range(start, stop) for start, stop in pairwise([*starts, SHARDS])]

    def read(self, shards: range, chosen: pl.DataFrame) -> pl.DataFrame:
        """The chosen notes of these shards, with their `text`."""
        notes = chosen.filter(of_shards(shards))
        piles = filter(Path.is_file, map(self._pile, shards if notes.height else ()))
        parts = (part for pile in piles for part in read_pile(pile))
        if len(shards) == 1:  # perhaps far more than is chosen of it
            parts = (part.join(notes, on="note_id", how="semi") for part in parts)
        return notes.join(pl.concat([pl.DataFrame(schema=_TEXTS), *parts]), on="note_id", maintain_order="left")

    def _pile(self, shard: int) -> Path:
        return _pile(self.folder, shard)


def of_shards(shards: range) -> pl.Expr:
    """Whether a patient's notes lie in these shards."""
    return (pl.col("subject_id") % SHARDS).is_between(shards.start, shards.stop, closed="left")


@dataclass
class _Waiting:
    """Texts of a shard on their way to its pile. Copies: what is chosen from a batch keeps all its texts in memory."""

    pile: Path
    ids: list[str] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    size: int = 0

    def add(self, note_id: str, text: str | None) -> None:
        self.ids.append(note_id)
        self.texts.append(text)
        self.size += len(text or "")
        if self.size > _BLOCK:
            self.write()

    def write(self) -> None:
        if self.ids:
            add_frame(pl.DataFrame({"note_id": self.ids, "text": self.texts}, schema=_TEXTS), self.pile)
        self.ids, self.texts, self.size = [], [], 0


@dataclass
class _Index:
    """Rows of the index on their way to its pile."""

    pile: Path
    rows: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        self.rows.append(rows)
        if sum(part.height for part in self.rows) > _INDEX_ROWS:
            self.write()

    def write(self) -> None:
        add_frame(pl.concat([pl.DataFrame(schema=INDEX), *self.rows]), self.pile)
        self.rows = []


def stage(
    records: Records, categories: frozenset[str], corpus: Corpus | None, folder: Path, breaks: Breaks = "repaired"
) -> Staged:
    """Read all notes once; keep the texts of these categories.

    Args:
        records: of the source.
        categories: that somebody asks for.
        corpus: what it asks of the index.
        folder: a new one.
        breaks: what becomes of line breaks that are written out (`chartune.notes.line_breaks`).

    Raises:
        SchemaError: the notes break their contract, or two have the same note_id.
        StoreError: the folder cannot be written.
    """
    folder.mkdir(parents=True)
    wanted = pl.col("category").is_in(categories).fill_null(False)
    ids, index = [pl.Series(dtype=pl.UInt64)], _Index(folder / _INDEX)
    counted = Counter(texts=0, written_out=0, masked=0)
    waiting = [_Waiting(_pile(folder, shard)) for shard in range(SHARDS)]
    with progress("reading notes") as meter:
        for batch in records.notes():
            kept, broken = _with_breaks(batch.filter(wanted), breaks)
            masked = kept["text"].str.contains(MASKED).sum()
            counted.update(texts=kept.height, written_out=broken, masked=int(masked))
            for subject, note_id, text in kept.select("subject_id", "note_id", "text").iter_rows():
                waiting[subject % SHARDS].add(note_id, text)
            ids.append(batch["note_id"].hash(seed=0))
            index.add(pl.concat([_described(kept, corpus), _counts(batch.filter(~wanted))], how="diagonal"))
            meter.advance(batch.height)
    for texts in waiting:
        texts.write()
    _unique(pl.concat(ids))
    index.write()
    write_json(folder / _TEXTS_COUNTED, dict(counted))
    return Staged(folder)


def _with_breaks(notes: pl.DataFrame, breaks: Breaks) -> tuple[pl.DataFrame, int]:
    """The notes, and in how many of them line breaks were written out."""
    out = written_out(notes["text"])
    if breaks == "repaired" and out.any():
        notes = notes.with_columns(text=pl.when(out).then(repaired(notes["text"])).otherwise(pl.col("text")))
    return notes, int(out.sum())


def _described(notes: pl.DataFrame, corpus: Corpus | None) -> pl.DataFrame:
    text = pl.col("text").fill_null("")
    bare = without_markers(text)
    asked = corpus is not None and corpus.compares_copies
    keys = notes.with_columns(
        words=word_count(bare) if corpus else bare.str.contains(r"\S").cast(pl.UInt32),
        text_key=text.hash(seed=0),
        copy_key=copy_key(text) if asked else pl.lit(None, pl.UInt64),
        notes=pl.lit(1, pl.UInt32),
    )
    return keys.select(*INDEX)


def _counts(notes: pl.DataFrame) -> pl.DataFrame:
    """How many there are of each admission; null: of none."""
    return notes.group_by(KEY).agg(notes=pl.len())


def _pile(folder: Path, shard: int) -> Path:
    return folder / f"{shard:02}.pile"


def _unique(ids: pl.Series) -> None:
    ordered = ids.sort()
    same = ordered == ordered.shift()
    twice = int((same | same.shift(-1)).sum())
    if twice:
        raise SchemaError(f"every note must have an id of its own, but {twice} share theirs; remove the repeated rows.")
