"""Making the corpus: documents shard by shard, without what other data ask about."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import DataError
from chartune.log import progress
from chartune.sources.splits import HELD_OUT
from chartune.store import Store
from chartune.tasks.attrition import Attrition
from chartune.tasks.corpus import CORPUS_SPLITS, Corpus
from chartune.tasks.decontamination import BLOCK, Decontamination, Fingerprints, left_out
from chartune.tasks.frames import write_frame, write_joined
from chartune.tasks.staging import SHARDS, Staged

DATA: Final = "data"
"""The shelf of prepared data."""


def make_corpus(corpus: Corpus, subjects: pl.DataFrame, staged: Staged, store: Store, folder: Path) -> dict[str, Any]:
    """Write the corpus; returns its entry in `dataset.json`.

    Args:
        corpus: which notes.
        subjects: subject_id · split · anchor_year_group.
        staged: the notes.
        store: where the data lie that must not be learnt from.
        folder: gets `corpus.parquet`.

    Raises:
        DataError: those data are not in the store.
    """
    attrition = Attrition()
    index = staged.index.join(subjects, on="subject_id", how="left", maintain_order="left")
    chosen = corpus.select(index, attrition)
    parts = staged.folder / "corpus"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    with progress("preparing corpus", SHARDS) as meter:
        for shard in range(SHARDS):
            write_frame(corpus.documents(staged.read(shard, chosen)), parts / f"{shard:02}.parquet")
            meter.advance()
    files = sorted(parts.glob("*.parquet"))
    if corpus.without:
        chosen = _decontaminated(corpus.without, chosen, files, store, attrition)
    write_joined(files, folder / "corpus.parquet", chosen.select("note_id") if corpus.without else None)
    return {"title": corpus.title(), "attrition": attrition.to_json(), "counts": _counts(chosen)}


def _decontaminated(
    asked: Decontamination, chosen: pl.DataFrame, files: list[Path], store: Store, attrition: Attrition
) -> pl.DataFrame:
    """The notes without those whose document holds a held-out text of other data, or without as many others."""
    # One side has lost the brackets of its masks already, so on the other they are unwrapped, too.
    prints = Fingerprints(_held_out_texts(asked, store), "unwrapped")
    held = [pl.Series("note_id", [], dtype=pl.String)]
    for file in files:
        learnt = pl.read_parquet(file).filter(pl.col("split") == "train")
        held.append(
            learnt["note_id"].filter(pl.Series(prints.held(learnt["text"], asked.containment), dtype=pl.Boolean))
        )
    out = left_out(chosen.filter(pl.col("split") == "train").select("note_id"), pl.concat(held), asked.control)
    kept = chosen.join(out, on="note_id", how="anti", maintain_order="left")
    step, why = (
        ("control of the same size", "as many documents as hold a held-out text, drawn from the others")
        if asked.control
        else ("not asked elsewhere", f"holds {asked.containment:.0%} or more of a held-out text of other data")
    )
    return attrition.record_notes(step, why, kept)


def _held_out_texts(asked: Decontamination, store: Store) -> Iterator[pl.Series]:
    """The held-out texts of these data, a block at a time."""
    for name in asked.against:
        found = store.find(DATA, name)
        if found is None:
            raise DataError(
                f"`without` must name prepared data, but {store.root} has none called {name}; "
                f"`chartune datasets` lists them."
            )
        for file in sorted(found.path.glob("*.parquet")):
            yield from _blocks(file)


def _blocks(file: Path) -> Iterator[pl.Series]:
    whole = pl.scan_parquet(file)
    if not {"split", "text"} <= set(whole.collect_schema().names()):
        return
    held = whole.filter(pl.col("split").is_in(HELD_OUT)).select("text")
    for batch in held.collect_batches(chunk_size=BLOCK, engine="streaming"):
        if batch.height:
            yield batch["text"]


def _counts(chosen: pl.DataFrame) -> dict[str, dict[str, int]]:
    def count(mine: pl.DataFrame) -> dict[str, int]:
        words = int(mine["words"].sum())
        return {"subjects": mine["subject_id"].n_unique(), "documents": mine.height, "words": words}

    return {split: count(chosen.filter(pl.col("split") == split)) for split in CORPUS_SPLITS}
