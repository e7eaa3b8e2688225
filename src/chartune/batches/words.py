"""Words → pieces: documents in overlapping rows, where each word is read once, at its first piece.

    words    [chest] [pain] [,] …         pieces   ch ##est pain , …
    row 0    [CLS] ch ##est pain , of an ##terior [SEP]
    row 1                [CLS] pain , of an ##terior in ##far ##ction [SEP]          overlap: pain , of an ##terior

Of several rows that hold a word's first piece the one decides in which it stands further from the nearer end of the
row, counted in pieces; of two in which it stands as far, the earlier. Training and prediction go by the same rule.

A word that begins within a piece of the word before it, as some tokenizers have it, is read at that piece and goes on
as that word does. One without a piece, or behind the last row that is read, is not read: it is O, and counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chartune.batches.collate import Examples, Features, pad
from chartune.batches.pack import around
from chartune.batches.tokenize import BATCH, Encoded
from chartune.errors import ConfigError
from chartune.log import progress
from chartune.metrics.tagging import OUTSIDE, Labelled, TaggedWords, marked, tags_of, words_of
from chartune.models.tokenizer import tokenised

UNREAD: Final = -1


@dataclass(frozen=True, eq=False)
class Document:
    """The words of a document, and where they are read."""

    words: NDArray[np.int64]
    """Start and end of each in characters, [W, 2]."""
    places: NDArray[np.int64]
    """Which of the document's pieces that are read is that of each word; -1: none, [W]."""
    pieces: int
    """How many are read, P."""
    tokens: int
    """Tokens of the document, without special ones."""
    tokens_read: int
    """How many of them stand in its rows."""

    @property
    def first(self) -> NDArray[np.bool_]:
        """Whether a word is the first of its piece, or of none, [W]."""
        alone = np.ones(len(self.places), dtype=np.bool_)
        alone[1:] = self.places[1:] != self.places[:-1]
        return np.asarray(alone | (self.places == UNREAD))

    @property
    def read(self) -> NDArray[np.bool_]:
        """Whether a word is read, [W]."""
        return np.asarray(self.places != UNREAD)

    def tags(self, spans: Sequence[Labelled]) -> NDArray[np.int64]:
        """The tag to be learnt at each piece that is read, [P]: of the first word that is read there."""
        own = self.first & self.read
        tags = np.zeros(self.pieces, dtype=np.int64)
        tags[self.places[own]] = tags_of(self.words, spans)[own]
        return tags

    def tagged(self, logits: NDArray[np.floating]) -> TaggedWords:
        """What logits of its pieces say, [P, K]."""
        z = logits.astype(np.float64)
        log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True) if len(z) else z
        tags, sure = np.full(len(self.words), OUTSIDE), np.ones(len(self.words))
        best = log_p.argmax(axis=1) if len(z) else np.zeros(0, dtype=np.int64)
        tags[self.read] = best[self.places[self.read]]
        sure[self.read] = np.exp(log_p.max(axis=1))[self.places[self.read]] if len(z) else 1.0
        shared = ~self.first  # the same piece as the word before: inside of whatever it says
        tags[shared] += (tags[shared] % 2 == 1).astype(np.int64)
        own = self.first & self.read
        return TaggedWords(marked(self.words, tags, sure), self.words[own], log_p[self.places[own]])


@dataclass(frozen=True)
class WordExamples(Examples):
    """Rows of documents, with a label for each piece that is read. `labels`: tags [ΣP]; `weights`: pieces of a row."""

    places: NDArray[np.int64] = field(kw_only=True)
    """Where in its row each piece that is read stands, row by row, [ΣP]."""
    starts: NDArray[np.int64] = field(kw_only=True)
    """Where the pieces of each row begin in `places`, and where the last end, [rows + 1]."""
    documents: tuple[Document, ...] = field(kw_only=True)

    @property
    def vectors(self) -> int:
        """Of pieces that are read, ΣP."""
        return len(self.places)

    def into(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the pieces of some rows, one row after the other."""
        parts = [np.arange(self.starts[row], self.starts[row + 1]) for row in rows]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def batch(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """As of texts, with labels [P] and weights [P] of the pieces that are read, and `places` [P]: b·T + t."""
        pieces = self.into(indices)
        return {
            **self.tokens(indices), "labels": torch.from_numpy(self.labels[pieces]),
            "weights": torch.ones(len(pieces)),
        }  # fmt: skip

    def tokens(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Of `batch` the arguments that say what is read."""
        padded = pad([self.encoded[row] for row in indices], self.pad_id)
        counts = np.diff(self.starts)[indices]
        base = np.repeat(np.arange(len(indices)) * padded["input_ids"].shape[1], counts)
        return {**padded, "places": torch.from_numpy(base + self.places[self.into(indices)])}

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether a word of a document is not read, [n]."""
        return np.asarray([not document.read.all() for document in self.documents], dtype=np.bool_)

    @property
    def marks(self) -> dict[str, NDArray[Any]]:
        """What determines its vectors beside the tokens."""
        return {"places": self.places, "starts": self.starts}

    def features(self, vectors: NDArray[np.float32]) -> Features:
        """A row is what is drawn together."""
        return Features(vectors, self.labels, np.ones(len(self.labels), dtype=np.float32), self.starts)

    def tagged(self, logits: NDArray[np.floating]) -> list[TaggedWords]:
        """What logits say of each document. logits: [ΣP, K], row by row."""
        ends = np.cumsum([0, *(document.pieces for document in self.documents)])
        return [
            document.tagged(logits[start:end])
            for document, start, end in zip(self.documents, ends[:-1], ends[1:], strict=True)
        ]

    def counts(self, spans: Sequence[Sequence[Labelled]]) -> dict[str, int]:
        """How many documents, rows, words and spans there are, and of which words and spans little can be said.

        Args:
            spans: annotated in each document.
        """
        known = [[span for span in one if span[2] >= 0] for one in spans]
        pairs = list(zip(self.documents, known, strict=True))
        return {
            "documents": len(self.documents), "rows": len(self.encoded),
            "words": sum(len(document.words) for document in self.documents),
            "words_unread": sum(int((~document.read).sum()) for document in self.documents),
            "words_sharing_a_piece": sum(int((~document.first).sum()) for document in self.documents),
            "spans": sum(len(set(one)) for one in known),
            "spans_no_tags_can_say": sum(len(set(one)) - _said(document, one) for document, one in pairs),
        }  # fmt: skip


def _said(document: Document, spans: Sequence[Labelled]) -> int:
    """How many spans the tags of its pieces can say."""
    tags = document.tags(spans)
    sure = np.full((document.pieces, 2 + int(tags.max(initial=0))), -np.inf)
    sure[np.arange(document.pieces), tags] = 0.0
    made = {span.span for span in document.tagged(sure).spans} if document.pieces else set()
    return len(made & set(spans))


def word_examples(
    texts: Sequence[str], spans: Sequence[Sequence[Labelled]], tokenizer: Any, pad_id: int, max_seq_len: int,
    *, overlap: int, most: int | None,
) -> WordExamples:  # fmt: skip
    """Documents as rows.

    Args:
        texts: [n].
        spans: annotated in each; of new texts none.
        tokenizer: from `load_tokenizer`.
        pad_id: fills short rows.
        max_seq_len: tokens of a row, special ones included.
        overlap: pieces that a row shares with the one before it.
        most: rows of a document; None: all that it takes.

    Raises:
        ConfigError: a row has no room for text beside special tokens and overlap.
    """
    before, after = (np.asarray(part, dtype=np.int32) for part in around(tokenizer))
    room = max_seq_len - len(before) - len(after)
    if room <= overlap:
        raise ConfigError(
            f"max_seq_len must leave room for more than {overlap} tokens of text beside {len(before) + len(after)} "
            f"special ones, but got {max_seq_len}; give a larger one, or less `long.overlap`."
        )
    made = _Made(before, after, room, overlap, most)
    for text, ids, offsets in _tokenised(texts, tokenizer):
        made.add(text, ids, offsets)
    labels = [document.tags(one) for document, one in zip(made.documents, spans, strict=True)]
    return made.examples(np.concatenate(labels) if labels else np.zeros(0, dtype=np.int64), pad_id)


def _tokenised(texts: Sequence[str], tokenizer: Any) -> Iterator[tuple[str, NDArray[np.int32], NDArray[np.int64]]]:
    """Each text with its pieces and their places in it."""
    with progress("tokenise", total=len(texts)) as meter:
        for start in range(0, len(texts), BATCH):
            batch = [text or " " for text in texts[start : start + BATCH]]
            coded = tokenised(
                tokenizer, batch, add_special_tokens=False, truncation=False, return_offsets_mapping=True,
                return_attention_mask=False, return_token_type_ids=False, verbose=False,
            )  # fmt: skip
            for text, ids, offsets in zip(batch, coded["input_ids"], coded["offset_mapping"], strict=True):
                yield text, np.asarray(ids, dtype=np.int32), np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
            meter.advance(len(batch))


class _Made:
    """Rows and documents while they are made."""

    def __init__(
        self, before: NDArray[np.int32], after: NDArray[np.int32], room: int, overlap: int, most: int | None
    ) -> None:
        self._before, self._after, self._room, self._overlap, self._most = before, after, room, overlap, most
        self._rows: list[NDArray[np.int32]] = []
        self._places: list[NDArray[np.int64]] = []
        self.documents: list[Document] = []

    def add(self, text: str, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> None:
        """A document. ids: [n]; offsets: [n, 2]."""
        windows = self._windows(len(ids))
        words = words_of(text)
        piece = first_pieces(words, offsets)  # [W]
        owner = deciding(windows, len(ids))[piece] if len(ids) else np.full(len(words), UNREAD)
        owner[piece == UNREAD] = UNREAD
        read = np.flatnonzero(owner != UNREAD)
        own, first, number = np.unique(piece[read], return_index=True, return_inverse=True)
        places = np.full(len(words), UNREAD, dtype=np.int64)
        places[read] = number.ravel()
        deciders = owner[read][first]  # ascending: a later piece is nearer to the beginning of a later row
        for window, (start, end) in enumerate(windows):
            self._rows.append(np.concatenate([self._before, ids[start:end], self._after]))
            self._places.append(own[deciders == window] - start + len(self._before))
        self.documents.append(Document(words, places, len(own), len(ids), windows[-1][1]))

    def _windows(self, pieces: int) -> list[tuple[int, int]]:
        starts = range(0, max(1, pieces - self._overlap), self._room - self._overlap)[: self._most]
        return [(start, min(pieces, start + self._room)) for start in starts]

    def examples(self, labels: NDArray[np.int64], pad_id: int) -> WordExamples:
        """All of them; labels: [ΣP], document by document."""
        lengths = [len(row) for row in self._rows]
        ids = np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=np.int32)
        none = np.zeros(len(lengths), dtype=np.int32)
        encoded = Encoded(ids, np.cumsum([0, *lengths], dtype=np.int64), none, none > 0)
        counts = np.asarray([len(places) for places in self._places], dtype=np.int64)
        return WordExamples(
            encoded, labels, counts.astype(np.float32), pad_id,
            places=np.concatenate(self._places) if self._places else np.zeros(0, dtype=np.int64),
            starts=np.cumsum([0, *counts], dtype=np.int64), documents=tuple(self.documents),
        )  # fmt: skip


def first_pieces(words: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first piece that holds a character of each word, [W]; -1: none does.

    Args:
        words: [W, 2], ascending.
        offsets: start and end of each piece, ascending, [n, 2].
    """
    pieces = np.searchsorted(offsets[:, 1], words[:, 0], side="right")
    inside = pieces < len(offsets)
    inside[inside] = offsets[pieces[inside], 0] < words[inside, 1]
    return np.where(inside, pieces, UNREAD).astype(np.int64)


def deciding(windows: Sequence[tuple[int, int]], pieces: int) -> NDArray[np.int64]:
    """The window that decides on each piece, [pieces]; -1: none holds it.

    Args:
        windows: first piece and end of each, ascending.
        pieces: of the document.
    """
    seen, owner = np.full(pieces, UNREAD), np.full(pieces, UNREAD, dtype=np.int64)
    for number, (start, end) in enumerate(windows):
        place = np.arange(start, end)
        nearer = np.minimum(place - start, end - 1 - place)
        better = nearer > seen[start:end]
        seen[start:end][better], owner[start:end][better] = nearer[better], number
    return owner
