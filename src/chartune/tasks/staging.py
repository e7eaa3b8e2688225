"""Staging: the one pass over all notes. Texts go to disk by patient, what is known of each note stays in memory.

    notes ─▶ index: one row per note, no text          ─ filters decide here which notes are read
         └─▶ shards of whole patients: texts on disk   ─ and here they are read, one shard at a time

So memory grows with the number of notes and never with their length, and a pass costs the same for one task or ten.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from chartune.errors import SchemaError
from chartune.log import progress
from chartune.notes.clean import copy_key, without_markers, word_count
from chartune.notes.note import SCHEMA
from chartune.sources.source import Records
from chartune.tasks.frames import write_frame

SHARDS: Final = 16
"""Groups of patients by subject_id modulo this; all notes of a patient lie in one."""
INDEX: Final[dict[str, pl.DataType]] = {
    **{name: dtype for name, dtype in SCHEMA.items() if name != "text"},
    "words": pl.UInt32(),
    "text_key": pl.UInt64(),
    "copy_key": pl.UInt64(),
}
"""Columns of the index. `words`: of the cleaned text; `text_key`: the same for identical texts; `copy_key`: the same
for copies (`chartune.notes.clean.copy_key`). All three are null for notes of categories that nobody asked for."""


@dataclass(frozen=True)
class Staged:
    """All notes of a source, ready to be chosen from and read."""

    index: pl.DataFrame
    """One row per note: `INDEX`."""
    folder: Path
    """Texts of the wanted categories, one folder per shard."""

    def read(self, shard: int, chosen: pl.DataFrame) -> pl.DataFrame:
        """The chosen notes of a shard, with their `text`."""
        mine = chosen.filter(pl.col("subject_id") % SHARDS == shard)
        files = sorted(_place(self.folder, shard).glob("*.parquet"))
        if mine.is_empty() or not files:
            return mine.with_columns(text=pl.lit("")).clear()
        texts = pl.scan_parquet(files).join(mine.lazy().select("note_id"), on="note_id", how="semi").collect()
        return mine.join(texts, on="note_id")


def stage(records: Records, categories: frozenset[str], folder: Path) -> Staged:
    """Read all notes once; keep the texts of these categories.

    Raises:
        SchemaError: the notes break their contract, or two have the same note_id.
    """
    for shard in range(SHARDS):
        _place(folder, shard).mkdir(parents=True)
    parts = [pl.DataFrame(schema=INDEX)]
    with progress("reading notes") as meter:
        for number, batch in enumerate(records.notes()):
            wanted = pl.col("category").is_in(categories)
            kept = batch.filter(wanted)
            _write(kept.select("note_id", "subject_id", "text"), folder, number)
            # Texts go before rows are chosen: what is chosen from a batch keeps all its texts in memory.
            parts += [_described(kept), batch.drop("text").filter(~wanted.fill_null(False))]
            meter.advance(batch.height)
    index = pl.concat([part.drop("text", strict=False) for part in parts], how="diagonal").select(*INDEX)
    _unique(index)
    return Staged(index, folder)


def _described(notes: pl.DataFrame) -> pl.DataFrame:
    text = pl.col("text").fill_null("")
    keys = notes.with_columns(
        words=word_count(without_markers(text)), text_key=text.hash(seed=0), copy_key=copy_key(text)
    )
    return keys.drop("text")


def _write(texts: pl.DataFrame, folder: Path, number: int) -> None:
    for (shard,), part in texts.group_by(pl.col("subject_id") % SHARDS):
        write_frame(part.select("note_id", "text"), _place(folder, int(shard)) / f"{number:06}.parquet")


def _place(folder: Path, shard: int) -> Path:
    return folder / f"{shard:02}"


def _unique(index: pl.DataFrame) -> None:
    twice = int(index["note_id"].is_duplicated().sum())
    if twice:
        raise SchemaError(f"every note must have an id of its own, but {twice} share theirs; remove the repeated rows.")
