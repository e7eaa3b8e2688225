"""Long texts: what is read of a text that has more tokens than go through a model at once.

    first       [CLS] t₁ … t_r [SEP]                                          the beginning, as the papers do
    head-tail   [CLS] t₁ … t_h, t_(n-r+h+1) … t_n [SEP]                       beginning and end (Sun et al., 2019)
    sections-first   the same as `first`, of the note's most useful sections (`chartune.batches.useful_sections`)
    windows     [CLS] t₁ … t_r [SEP] · [CLS] t_(r-o+1) … [SEP] · …            several rows, whose vectors are pooled

A text in windows is the tokens of all its rows, one after the other; each row but the last has `max_seq_len` tokens.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chartune.batches.pack import around
from chartune.batches.tokenize import BATCH, Encoded, Otherwise, encode, encode_once, whole_words
from chartune.batches.useful_sections import ON_ARRIVAL, Title, allotted, parts_of
from chartune.config import Config
from chartune.errors import ConfigError
from chartune.log import progress
from chartune.models.heads import WindowPooling
from chartune.models.local import LocalBackbone
from chartune.models.tokenizer import tokenised
from chartune.notes.sentences import Span
from chartune.notes.traced import Traced
from chartune.store import Store


class First(Config):
    """The first tokens."""

    kind: Literal["first"] = "first"
    rows: ClassVar[int] = 1
    """Of a text, at most."""
    beginning: ClassVar[bool] = True
    """Whether what is read of a text is its beginning."""


class HeadTail(Config):
    """The first tokens and the last ones."""

    kind: Literal["head-tail"] = "head-tail"
    rows: ClassVar[int] = 1
    """Of a text, at most."""
    beginning: ClassVar[bool] = False
    """Whether what is read of a text is its beginning."""
    head: float = Field(0.25, gt=0, lt=1)
    """Share of the tokens that are taken from the beginning."""


class SectionsFirst(Config):
    """Of a note that is too long its most useful sections first, and what room they leave for the rest of it."""

    kind: Literal["sections-first"] = "sections-first"
    rows: ClassVar[int] = 1
    """Of a text, at most."""
    beginning: ClassVar[bool] = False
    """Whether what is read of a text is its beginning."""
    order: tuple[Title, ...] = Field(ON_ARRIVAL, min_length=1)
    """Sections by their use for the task, the most useful first. Default: the eight that describe a patient on arrival;
    of whole summaries, `discharge` and `hospital course` may be the most useful ones."""
    share: float = Field(0.5, gt=0, le=1)
    """Of the tokens, that one section fills at most before the next has its turn."""


class Windows(Config):
    """Rows of consecutive tokens, each read by itself; their vectors are pooled before the head."""

    kind: Literal["windows"] = "windows"
    beginning: ClassVar[bool] = True
    """Whether what is read of a text is its beginning."""
    most: int = Field(4, gt=0)
    """Rows of a text, from its beginning; what follows is not read."""
    overlap: int = Field(0, ge=0)
    """Tokens that a row shares with the one before it."""
    pool: WindowPooling = "mean"
    """Of the vectors of a text's rows: their `mean`, the largest value of each component (`max`), or a mean whose
    weights are learnt from the vectors (`attention`)."""

    @property
    def rows(self) -> int:
        """Of a text, at most."""
        return self.most


AnyLong = Annotated[First | HeadTail | SectionsFirst | Windows, Field(discriminator="kind")]
FIRST: Final = First()
_CARRIAGE: Final = re.compile("\r\n")


def encode_long(texts: Sequence[str], tokenizer: Any, max_seq_len: int, long: AnyLong) -> Encoded:
    """Tokenise texts, and keep of each what is read.

    Args:
        texts: [n].
        tokenizer: from `load_tokenizer`.
        max_seq_len: tokens of a row, special ones included.
        long: what is kept of a text that has more.

    Raises:
        ConfigError: a row has no room for text beside special tokens, or overlaps the whole of the one before it.
    """
    if isinstance(long, First):
        return encode(texts, tokenizer, max_seq_len)
    frame = _Frame.of(tokenizer, max_seq_len, long)
    kept = list(_kept(texts, tokenizer, frame, long))
    offsets = np.cumsum([0, *(len(one.ids) for one in kept)], dtype=np.int64)
    ids = np.concatenate([one.ids for one in kept]) if kept else np.zeros(0, dtype=np.int32)
    words = np.asarray([one.words for one in kept], dtype=np.int32)
    return Encoded(ids, offsets, words, np.asarray([one.cut for one in kept], dtype=np.bool_))


def encode_long_once(
    texts: Sequence[str], backbone: LocalBackbone, max_seq_len: int, store: Store, *, data: str, long: AnyLong
) -> Encoded:  # fmt: skip
    """As `encode_long`, kept in the store; arguments and errors as of `encode_once`, too."""
    if isinstance(long, First):
        return encode_once(texts, backbone, max_seq_len, store, data=data)
    way = Otherwise(long.hashable(), partial(encode_long, max_seq_len=max_seq_len, long=long))
    return encode_once(texts, backbone, max_seq_len, store, data=data, otherwise=way)


def places_read(text: str, tokenizer: Any, max_seq_len: int, long: AnyLong) -> list[Span]:
    """Where a text is read, in characters; all of it is one place, else they follow each other in the text.

    Args:
        text: as it is encoded.
        tokenizer: from `load_tokenizer`.
        max_seq_len: tokens of a row, special ones included.
        long: what is kept of a text that has more.

    Raises:
        ConfigError: as `encode_long`.
    """
    whole = isinstance(long, First)
    given = Traced.of(text or " ")
    if isinstance(long, SectionsFirst):
        given = given.replaced(_CARRIAGE, "\n")
    coded = tokenised(
        tokenizer, [given.text], add_special_tokens=whole, truncation=whole, max_length=max_seq_len if whole else None,
        return_offsets_mapping=True, return_attention_mask=False, return_token_type_ids=False, verbose=False,
    )  # fmt: skip
    spans = coded["offset_mapping"][0]
    if isinstance(long, First):
        end = max((stop for _, stop in spans), default=0)
        return [Span(0, end if end < len(given.text.rstrip()) else len(text))]
    marks = -1 - np.arange(len(spans), dtype=np.int32)  # no special token's id: which tokens of the text are kept
    kept = _TAKE[long.kind](given.text, marks, spans, _Frame.of(tokenizer, max_seq_len, long), long)
    if not kept.cut:
        return [Span(0, len(text))]
    numbers = np.unique(-1 - kept.ids[kept.ids < 0])
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [Span(given.origin(spans[run[0]][0]), given.origin(spans[run[-1]][1])) for run in runs]


class _Frame(NamedTuple):
    """A row: what stands before and after its text, and how many tokens of text it holds."""

    before: NDArray[np.int32]
    after: NDArray[np.int32]
    room: int

    @classmethod
    def of(cls, tokenizer: Any, max_seq_len: int, long: AnyLong) -> "_Frame":
        before, after = (np.asarray(part, dtype=np.int32) for part in around(tokenizer))
        room = max_seq_len - len(before) - len(after)
        least = long.overlap if isinstance(long, Windows) else 1  # head and tail: a token each
        if room <= least:
            raise ConfigError(
                f"max_seq_len must leave room for more than {least} tokens of text beside {len(before) + len(after)} "
                f"special ones, but got {max_seq_len}; give a larger one, or less `long.overlap`."
            )
        return cls(before, after, room)

    def row(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.concatenate([self.before, ids, self.after])


class _Kept(NamedTuple):
    """What is read of a text: its tokens, whole words of the text among them, and whether something is not read."""

    ids: NDArray[np.int32]
    words: int
    cut: bool


def _kept(
    texts: Sequence[str], tokenizer: Any, frame: _Frame, long: HeadTail | SectionsFirst | Windows
) -> Iterator[_Kept]:
    take = _TAKE[long.kind]
    with progress("tokenise", total=len(texts)) as meter:
        for start in range(0, len(texts), BATCH):
            batch = [text or " " for text in texts[start : start + BATCH]]
            if isinstance(long, SectionsFirst):
                batch = [text.replace("\r\n", "\n") for text in batch]  # as sections count characters
            coded = tokenised(
                tokenizer, batch, add_special_tokens=False, truncation=False, return_offsets_mapping=True,
                return_attention_mask=False, return_token_type_ids=False, verbose=False,
            )  # fmt: skip
            for text, ids, spans in zip(batch, coded["input_ids"], coded["offset_mapping"], strict=True):
                yield take(text, np.asarray(ids, dtype=np.int32), spans, frame, long)
            meter.advance(len(batch))


def _ends(text: str, ids: NDArray[np.int32], spans: Sequence[tuple[int, int]], frame: _Frame, long: HeadTail) -> _Kept:
    """The first and the last tokens; both sides get one at least."""
    room = frame.room
    if len(ids) <= room:
        return _Kept(frame.row(ids), len(text.split()), cut=False)
    head = min(max(1, round(long.head * room)), room - 1)
    tail = len(ids) - (room - head)
    words = whole_words(text, spans[head - 1][1]) + len(text[spans[tail][0] :].split())
    return _Kept(frame.row(np.concatenate([ids[:head], ids[tail:]])), words, cut=True)


def _useful(
    text: str, ids: NDArray[np.int32], spans: Sequence[tuple[int, int]], frame: _Frame, long: SectionsFirst
) -> _Kept:
    """The sections in the order of use, each up to its share, one after the other; a token belongs where it begins."""
    if len(ids) <= frame.room:
        return _Kept(frame.row(ids), len(text.split()), cut=False)
    useful, rest = parts_of(text, long.order)
    parts, begins = [*useful, *rest], np.asarray([begin for begin, _ in spans])
    places = [np.searchsorted(begins, (part.start, part.end)).tolist() for part in parts]
    taken = allotted([end - first for first, end in places], frame.room, long.share, len(useful))
    rows, words = [], 0
    for part, (first, _), count in zip(parts, places, taken, strict=True):
        if count:
            rows.append(ids[first : first + count])
            words += whole_words(text[part.start : part.end], spans[first + count - 1][1] - part.start)
    return _Kept(frame.row(np.concatenate(rows)), words, cut=True)


def _windows(
    text: str, ids: NDArray[np.int32], spans: Sequence[tuple[int, int]], frame: _Frame, long: Windows
) -> _Kept:
    """Rows from the beginning, each `room - overlap` tokens after the one before it, until the end or `most`."""
    step = frame.room - long.overlap
    starts = range(0, max(1, len(ids) - long.overlap), step)[: long.most]
    rows = [frame.row(ids[start : start + frame.room]) for start in starts]
    end = min(len(ids), starts[-1] + frame.room)
    cut = end < len(ids)
    return _Kept(np.concatenate(rows), whole_words(text, spans[end - 1][1]) if cut else len(text.split()), cut)


_TAKE: Final[dict[str, Callable[..., _Kept]]] = {"head-tail": _ends, "sections-first": _useful, "windows": _windows}
"""What is kept of a text that has more tokens than are read."""
