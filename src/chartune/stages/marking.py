"""Marking: the examples of a task as a model reads them; where it asks for spans documents in rows, else texts.

texts, labels ─encode─▶ Examples ─body, pool, head─▶ logits of texts ─form of answer─▶ what is scored, [n]
texts, spans ─rows of words─▶ WordExamples ─body, head─▶ logits of words ────────────▶ n TaggedWords
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.answers.spans import tagged_documents
from chartune.batches.collate import Examples
from chartune.batches.long_texts import AnyLong, First, Windows
from chartune.batches.text_pairs import encode_texts_once
from chartune.batches.tokenize import Encoded, load_tokenizer
from chartune.batches.words import WordExamples, word_examples
from chartune.errors import ConfigError
from chartune.metrics.classification import frequencies
from chartune.metrics.tagging import Labelled
from chartune.models.local import LocalBackbone
from chartune.models.tokenizer import padding_of
from chartune.notes.text_pair import first_sides
from chartune.prediction.scorer import Reading
from chartune.stages.balancing import Balancing, balanced
from chartune.stages.few_shot import ALL, Few
from chartune.stages.model_stage import HeadSpec
from chartune.stages.table import TaskTable
from chartune.store import Store

SHARED: Final = 4
"""Rows of a long document share one in so many of their tokens, where nothing is said."""
POOLED: Final = "first piece of each word"
"""What stands for a word."""


def rows_of(long: AnyLong, max_seq_len: int) -> tuple[int, int | None]:
    """Tokens that a row of a document shares with the one before it, and how many rows are read; None: all.

    What is not read has no spans: where the first tokens of a text would be read, whole documents are read in windows.

    Raises:
        ConfigError: parts of a document would be put together, so that its words would stand elsewhere.
    """
    if isinstance(long, Windows):
        return long.overlap, long.most
    if isinstance(long, First):
        return max_seq_len // SHARED, None
    raise ConfigError(
        f"a task that asks for spans must read a document as it stands, but `long` is {long.kind}; choose windows, or "
        f"leave it out and whole documents are read."
    )


def words_in_rows(
    texts: Sequence[str], spans: Sequence[Sequence[Labelled]] | None, tokenizer: Any, pad_id: int, max_seq_len: int,
    long: AnyLong,
) -> WordExamples:  # fmt: skip
    """Documents as rows (`chartune.batches.words`); spans: annotated, None: they are new. Raises ConfigError."""
    overlap, most = rows_of(long, max_seq_len)
    annotated = [()] * len(texts) if spans is None else spans
    return word_examples(texts, annotated, tokenizer, pad_id, max_seq_len, overlap=overlap, most=most)


def split_examples(
    table: TaskTable, splits: Iterable[str], base: LocalBackbone, store: Store, data: str,
    *, max_seq_len: int, long: AnyLong, balance: Balancing, few: Few = ALL,
) -> dict[str, Examples]:  # fmt: skip
    """By split the examples of a task as a base model reads them.

    Args:
        table: the examples.
        splits: that are read.
        base: whose tokenizer is used.
        store: where token arrays of whole texts are kept.
        data: fingerprint of the prepared data.
        max_seq_len: tokens of a row.
        long: what is read of a text that has more.
        balance: how rare classes weigh.
        few: how many texts of each class are learnt from.

    Raises:
        ConfigError: `long`, `balance` or `per_class` does not go with spans, the first with pairs of texts, or the last
            with several labels.
    """
    texts, pad_id = table.texts, padding_of(tokenizer := load_tokenizer(base))
    if not table.form.whole_text:
        if balance not in ("none", "logit-adjusted"):
            raise ConfigError(f"`balance` must be none for a task that asks for spans, but is {balance}; leave it out.")
        few.must_suit(table)
        rows, whole = {split: table.rows(split) for split in splits}, first_sides(texts)
        return {
            split: words_in_rows([whole[row] for row in each], table.spans(split), tokenizer, pad_id, max_seq_len, long)
            for split, each in rows.items()
        }
    encoded = encode_texts_once(texts, base, max_seq_len, store, data=f"{data}/{table.task}", long=long)
    window = max_seq_len if isinstance(long, Windows) else None
    return {split: text_examples(table, encoded, split, pad_id, window, balance, few) for split in splits}


def text_examples(
    table: TaskTable, encoded: Encoded, split: str, pad_id: int, window: int | None, balance: Balancing, few: Few = ALL
) -> Examples:
    """The whole texts of a split. encoded: all of the table; window: tokens of a row, where a text is several."""
    labels, rows = table.labels(split), table.rows(split)
    if split == "train":
        drawn = few.places(table)
        labels, rows = labels[drawn], rows[drawn]
    return Examples(encoded.take(rows), labels, balanced(balance, table).texts(labels), pad_id, window)


def word_counts(table: TaskTable, examples: Mapping[str, Examples]) -> dict[str, dict[str, dict[str, int]]]:
    """The entry `words` of run.json: by split, what of words and spans is read and can be said; none of whole texts."""
    counts = {
        split: part.counts(table.spans(split))
        for split, part in examples.items() if isinstance(part, WordExamples)
    }  # fmt: skip
    return {"words": counts} if counts else {}


def head_spec(table: TaskTable, train: Examples, balance: Balancing, few: Few = ALL) -> HeadSpec:
    """What a task needs of a head, which begins at the frequencies of its training labels, or tags of words."""
    if not isinstance(train, WordExamples):
        loss = balanced(balance, table).loss if few.per_class is None else few.balance(table)
        return HeadSpec(table.prior_logits(), table.form.loss, loss)
    counts = np.bincount(train.labels.astype(np.int64), minlength=table.outputs)
    return HeadSpec(np.log(frequencies(counts, len(train.labels))).astype(np.float32), table.form.loss)


def decided_of(form: Answer, examples: Examples, logits: NDArray[np.floating]) -> NDArray[Any]:
    """What is scored, from a head's logits: of each text, or of words of documents."""
    if isinstance(examples, WordExamples):
        return tagged_documents(examples.tagged(logits))
    return form.decide(logits)


def words_read(examples: WordExamples, decided: NDArray[Any]) -> Reading:
    """How much of each document was read, in tokens and words; decided: what was made of them, [n], or nothing, [0]."""
    documents = examples.documents
    pieces = np.asarray([document.tokens for document in documents], dtype=np.int64)
    read = np.asarray([document.tokens_read for document in documents], dtype=np.int64)
    words = np.asarray([document.read.sum() for document in documents], dtype=np.int32)
    return Reading(decided, pieces, read, words, examples.cut, beginning=False)


def learnt_rows(examples: Examples) -> NDArray[np.int64]:
    """Which rows have something to be learnt from: of documents those in which a word is read."""
    return np.flatnonzero(examples.weights > 0)
