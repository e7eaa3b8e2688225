"""General text in pretraining: what was forgotten is measured on it, and a placebo learns from it in place of notes.

PATH ─cut─▶ blocks ─┬─ the first nine tenths, again and again up to the tokens of the notes ─▶ learnt from
└─ the last tenth ─▶ chosen by, and scored before and after
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from chartune.batches.tokenize import encode, encode_once, must_be_of_the_vocabulary
from chartune.disclosure import shown
from chartune.errors import DataError
from chartune.sources.plain_texts import plain_texts
from chartune.stages.cutting import Cutting
from chartune.stages.perplexity import TRAIN, Texts
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import corpus_of, read_corpus
from chartune.tasks.soundness import who_left

SPLITS: Final = (TRAIN, "validation", "test")
HELD_OUT: Final = 10
"""One block of so many is not learnt from."""


def must_have_documents(data: Artefact) -> None:
    """Refuse data without a corpus, or whose corpus leaves a split empty.

    Raises:
        DataError: with the filter that left nothing, or took most.
    """
    entry, splits = corpus_of(read_dataset(data)), read_corpus(data)["split"]
    for split in SPLITS:
        if not (splits == split).any():
            why = who_left(entry) or "No filter took any."
            raise DataError(
                f"the corpus must have documents in every split, but {split} has none of "
                f"{shown(len(splits), exact=False)}. {why[:1].upper()}{why[1:]} Every filter: `chartune show "
                f"{data.fingerprint}`."
            )


def corpus_texts(data: Artefact, cutting: Cutting, store: Store, splits: Sequence[str] = SPLITS) -> dict[str, Texts]:
    """The corpus in blocks, by split, with the bytes of what is held out.

    Args:
        data: prepared.
        cutting: how text is cut.
        store: keeps token ids.
        splits: that are read.

    Raises:
        DataError: a split has no token that could be predicted.
    """
    corpus = read_corpus(data)
    texts = {}
    for split in splits:
        documents = corpus.filter(pl.col("split") == split).sort("note_id")
        encoded = encode_once(
            documents["text"].to_list(), cutting.backbone, None if cutting.whole else cutting.max_seq_len, store,
            data=f"{data.fingerprint}/corpus/{split}", special=False,
            count_bytes=split != TRAIN and cutting.masker is None,
        )  # fmt: skip
        texts[split] = Texts(cutting.blocks(encoded, whole=cutting.whole), documents["subject_id"].to_numpy())
        if not len(texts[split].blocks):
            raise DataError(
                f"every split must have a token that can be predicted, but the texts of {split} have "
                f"none: each has less than two tokens; prepare longer texts, or more patients."
            )
    return texts


def general_texts(path: Path, cutting: Cutting) -> Texts:
    """General text in blocks. Raises DataError: it cannot be read, or has no token that could be predicted."""
    documents = plain_texts(path)
    encoded = encode(documents, cutting.tokenizer, None, special=False, count_bytes=cutting.masker is None)
    must_be_of_the_vocabulary(encoded, cutting.backbone)
    blocks = cutting.blocks(encoded, whole=True)
    if not len(blocks):
        raise DataError(
            f"general text must have a token that can be predicted, but in {path} there is none; name a longer one."
        )
    return Texts(blocks, np.arange(len(documents)))


def placebo_texts(path: Path, cutting: Cutting, notes: Texts) -> tuple[Texts, Texts]:
    """General text to learn from, of as many tokens as the notes have, and general text that is held out.

    Args:
        path: of the general text; where it is shorter, it is learnt from again and again.
        cutting: how text is cut.
        notes: the training notes in its place.

    Raises:
        DataError: it cannot be read, or has fewer than two blocks.
    """
    texts = general_texts(path, cutting)
    blocks, every = texts.blocks, len(texts.blocks)
    if every < 2:
        raise DataError(
            f"general text that is learnt from must fill two blocks, one of them held out, but {path} fills one; name "
            f"a longer one, or lower max_seq_len."
        )
    learnt = every - max(1, every // HELD_OUT)
    wanted, once = int(notes.blocks.lengths.sum()), int(blocks.lengths[:learnt].sum())
    order = np.tile(np.arange(learnt), -(-wanted // once))
    enough = int(np.searchsorted(np.cumsum(blocks.lengths[order]), wanted)) + 1
    return texts.read_as(blocks.chosen(order[:enough])), texts.read_as(blocks.chosen(np.arange(learnt, every)))
