"""Making the corpus: documents portion by portion, without what these data and others ask about."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.errors import DataError
from chartune.log import progress
from chartune.sources.splits import HELD_OUT, Assignment
from chartune.store import Artefact, Store
from chartune.tasks.attrition import Attrition
from chartune.tasks.corpus import ASKED_OF, CORPUS_SPLITS, Corpus
from chartune.tasks.decontamination import Decontamination, Quoting, holders, left_out
from chartune.tasks.frames import write_frame, write_joined
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.prepared import SHELF
from chartune.tasks.staging import SHARDS, Staged

NEAR_COPIES: Final = "near_copies"
"""Entry of `dataset.json` on what held too much of a held-out text of the same data."""
OWN: Final = ("no near-duplicate of a held-out text", "control of the same size, of these data", "these data")
OTHER: Final = ("not asked elsewhere", "control of the same size", "other data")
"""Step of the attrition, of a control, and whose held-out texts are looked for."""


def make_corpus(
    corpus: Corpus, staged: Staged, subjects: pl.DataFrame, assignment: Assignment, tasks: Sequence[str], store: Store,
    folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Write the corpus; returns its entry in `dataset.json`.

    Args:
        corpus: which notes.
        staged: the notes.
        subjects: of the source, with `anchor_year_group` where it knows it.
        assignment: who is learnt from.
        tasks: whose examples lie in the folder: the held-out ones must not be learnt from.
        store: where other data lie that must not be learnt from.
        folder: gets `corpus.parquet`.

    Raises:
        DataError: those data are not in the store.
    """
    attrition = Attrition()
    chosen = corpus.select(_notes(staged, subjects, assignment), attrition)
    parts = staged.folder / "corpus"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    with progress("preparing corpus", SHARDS) as meter:
        for shards in staged.portions():
            documents = corpus.documents(staged.read(shards, chosen))
            by_shard = documents.sort(pl.col("subject_id") % SHARDS, maintain_order=True)
            write_frame(by_shard, parts / f"{shards.start:02}.parquet")
            meter.advance(len(shards))
    files = sorted(parts.glob("*.parquet"))
    kept, sizes_of_steps = chosen, dict[str, Any]()
    if corpus.near_copies:
        own = _own_texts([folder / f"{name}.parquet" for name in tasks], files)
        kept, sizes_of_steps[NEAR_COPIES] = _decontaminated(corpus.near_copies, own, OWN, kept, files, attrition)
    if corpus.without:
        others = _held_out_texts(corpus.without, store)
        kept, sizes = _decontaminated(corpus.without, others, OTHER, kept, files, attrition)
        sizes_of_steps |= sizes
    write_joined(files, folder / "corpus.parquet", kept.select("note_id") if sizes_of_steps else None)
    return {"title": corpus.title(), "attrition": attrition.to_json(), "counts": _counts(kept), **sizes_of_steps}


def _notes(staged: Staged, subjects: pl.DataFrame, assignment: Assignment) -> pl.DataFrame:
    """What is known of all notes, with `split`, and `anchor_year_group` where the source knows it."""
    years = subjects.select("subject_id", pl.col("^anchor_year_group$"))
    notes = staged.index(columns=ASKED_OF).join(years, on="subject_id", how="left", maintain_order="left")
    return assignment.placed(notes, "chartdate")


def _decontaminated(
    asked: Quoting, texts: Iterator[pl.DataFrame], whose: tuple[str, str, str], chosen: pl.DataFrame, files: list[Path],
    attrition: Attrition,
) -> tuple[pl.DataFrame, dict[str, Any]]:  # fmt: skip
    """The notes without those whose document holds a held-out text, or without as much of others.

    Returns:
        Them, and for `dataset.json` the size of what was `left_out` and of the documents `holding` such a text.
    """
    (step, control, data), rows = whose, [Rows(file, ("train",)) for file in files]
    held = holders(asked, texts, rows, files[0].parent / "held-out.pile", f"looking for held-out texts of {data}")
    out = left_out(chosen, held, asked.control)
    kept = chosen.join(out, on="note_id", how="anti", maintain_order="left")
    why = f"holds {asked.containment:.0%} or more of a held-out text of {data}"
    if asked.control:
        step, why = control, f"drawn by category in place of documents that hold a held-out text of {data}"
    sizes = {"left_out": _size(out), "holding": _size(left_out(chosen, held, control=False))}
    attrition.record_notes(step, why, kept)
    return kept, sizes


def _own_texts(tasks: Sequence[Path], documents: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """The held-out texts of the tasks and of the corpus itself, a block at a time."""
    every = [*(Rows(file, HELD_OUT) for file in tasks), *(Rows(file, HELD_OUT) for file in documents)]
    return (block for rows in every for block in rows.blocks("subject_id", "text"))


def against(asked: Decontamination, store: Store) -> Iterator[Artefact]:
    """The data whose held-out texts are looked for. Raises DataError: they are not in the store."""
    for name in asked.against:
        artefact = store.find(SHELF, name)
        if artefact is None:
            raise DataError(
                f"`without` must name prepared data, but {store.root} has none called {name}; "
                f"give the whole fingerprint: `chartune datasets` lists them."
            )
        yield artefact


def _held_out_texts(asked: Decontamination, store: Store) -> Iterator[pl.DataFrame]:
    """The held-out texts of these data, a block at a time."""
    for artefact in against(asked, store):
        for file in sorted(artefact.path.glob("*.parquet")):
            rows = Rows(file, HELD_OUT)
            if {"split", "subject_id", "text"} <= set(rows.schema()):
                yield from rows.blocks("subject_id", "text")


def _counts(chosen: pl.DataFrame) -> dict[str, dict[str, int]]:
    return {split: _size(chosen.filter(pl.col("split") == split)) for split in CORPUS_SPLITS}


def _size(notes: pl.DataFrame) -> dict[str, int]:
    words = int(notes["words"].sum())
    return {"subjects": notes["subject_id"].n_unique(), "documents": notes.height, "words": words}
