"""Making the corpus: documents shard by shard, without what other data ask about."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from chartune.errors import DataError
from chartune.log import progress
from chartune.sources.splits import HELD_OUT
from chartune.store import Store
from chartune.tasks.attrition import Attrition
from chartune.tasks.corpus import ASKED_OF, CORPUS_SPLITS, Corpus
from chartune.tasks.decontamination import Decontamination, Fingerprints, left_out
from chartune.tasks.frames import write_frame, write_joined
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.prepared import SHELF
from chartune.tasks.staging import SHARDS, Staged


def make_corpus(
    corpus: Corpus, staged: Staged, placed: Callable[[pl.DataFrame], pl.DataFrame], store: Store, folder: Path
) -> dict[str, Any]:
    """Write the corpus; returns its entry in `dataset.json`.

    Args:
        corpus: which notes.
        staged: the notes.
        placed: adds `split`, null where a patient has none, and `anchor_year_group`, where the source knows it.
        store: where the data lie that must not be learnt from.
        folder: gets `corpus.parquet`.

    Raises:
        DataError: those data are not in the store.
    """
    attrition = Attrition()
    chosen = corpus.select(placed(staged.index(columns=ASKED_OF)), attrition)
    parts = staged.folder / "corpus"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    with progress("preparing corpus", SHARDS) as meter:
        for shard in range(SHARDS):
            write_frame(corpus.documents(staged.read(shard, chosen)), parts / f"{shard:02}.parquet")
            meter.advance()
    files = sorted(parts.glob("*.parquet"))
    kept, told = chosen, dict[str, Any]()
    if corpus.without:
        kept, told = _decontaminated(corpus.without, chosen, files, store, attrition)
    write_joined(files, folder / "corpus.parquet", kept.select("note_id") if corpus.without else None)
    return {"title": corpus.title(), "attrition": attrition.to_json(), "counts": _counts(kept), **told}


def _decontaminated(
    asked: Decontamination, chosen: pl.DataFrame, files: list[Path], store: Store, attrition: Attrition
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The notes without those whose document holds a held-out text of other data, or without as much of others.

    Returns:
        Them, and for `dataset.json` the size of what was `left_out` and of the documents `holding` such a text.
    """
    prints = Fingerprints(_held_out_texts(asked, store), files[0].parent / "held-out.pile")
    held = prints.holding([Rows(file, ("train",)) for file in files], asked.containment)
    out = left_out(chosen, held, asked.control)
    kept = chosen.join(out, on="note_id", how="anti", maintain_order="left")
    step, why = "not asked elsewhere", f"holds {asked.containment:.0%} or more of a held-out text of other data"
    if asked.control:
        step, why = "control of the same size", "drawn by category in place of documents that hold a held-out text"
    told = {"left_out": _size(out), "holding": _size(left_out(chosen, held, control=False))}
    attrition.record_notes(step, f"{why}; {told['left_out']['words']:,} words", kept)
    return kept, told


def _held_out_texts(asked: Decontamination, store: Store) -> Iterator[pl.Series]:
    """The held-out texts of these data, a block at a time."""
    for name in asked.against:
        found = store.find(SHELF, name)
        if found is None:
            raise DataError(
                f"`without` must name prepared data, but {store.root} has none called {name}; "
                f"give the whole fingerprint: `chartune datasets` lists them."
            )
        for file in sorted(found.path.glob("*.parquet")):
            rows = Rows(file, HELD_OUT)
            if {"split", "text"} <= set(rows.schema()):
                yield from (block["text"] for block in rows.blocks("text"))


def _counts(chosen: pl.DataFrame) -> dict[str, dict[str, int]]:
    return {split: _size(chosen.filter(pl.col("split") == split)) for split in CORPUS_SPLITS}


def _size(notes: pl.DataFrame) -> dict[str, int]:
    words = int(notes["words"].sum())
    return {"subjects": notes["subject_id"].n_unique(), "documents": notes.height, "words": words}
