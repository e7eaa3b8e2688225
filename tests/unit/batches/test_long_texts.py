"""Long texts: which tokens are read of them, in which rows, and how the vectors of rows become that of a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chartune.batches.collate import Examples
from chartune.batches.long_texts import First, HeadTail, Windows, encode_long
from chartune.batches.pack import around
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head, LinearHead

TEXTS = ("one two three four five six seven eight nine ten eleven twelve", "one", "", "one two three four")


@pytest.fixture(params=["llama", "bert"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    base: LocalBackbone = request.getfixturevalue(request.param)
    return load_tokenizer(base)


def plain(tokenizer: Any, text: str) -> list[int]:
    """Its tokens, without special ones."""
    ids: list[int] = tokenizer(text or " ", add_special_tokens=False)["input_ids"]
    return ids


def framed(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    before, after = around(tokenizer)
    return [*before, *ids, *after]


def room(tokenizer: Any, max_seq_len: int) -> int:
    return max_seq_len - sum(map(len, around(tokenizer)))


def test_the_first_tokens_are_those_of_a_tokenizer_that_cuts(tokenizer: Any) -> None:
    ours, theirs = encode_long(TEXTS, tokenizer, 8, First()), encode(TEXTS, tokenizer, 8)
    assert ours.ids.tolist() == theirs.ids.tolist()
    assert ours.words_seen.tolist() == theirs.words_seen.tolist()


def test_beginning_and_end_are_read_of_what_is_too_long(tokenizer: Any) -> None:
    read, every, size = encode_long(TEXTS, tokenizer, 8, HeadTail(head=0.25)), plain(tokenizer, TEXTS[0]), 0
    size = room(tokenizer, 8)
    head = max(1, round(0.25 * size))
    assert read[0].tolist() == framed(tokenizer, [*every[:head], *every[len(every) - size + head :]])
    assert read[1].tolist() == framed(tokenizer, plain(tokenizer, "one"))
    assert read.truncated.tolist()[:2] == [True, False]
    assert read.words_seen[1] == 1
    assert 0 < read.words_seen[0] < 12


@pytest.mark.parametrize("overlap", [0, 2])
def test_windows_hold_every_token_in_order(tokenizer: Any, overlap: int) -> None:
    read, size = encode_long(TEXTS, tokenizer, 8, Windows(most=99, overlap=overlap)), room(tokenizer, 8)
    for number, text in enumerate(TEXTS):
        every = plain(tokenizer, text)
        starts = range(0, max(1, len(every) - overlap), size - overlap)
        rows = [framed(tokenizer, every[start : start + size]) for start in starts]
        assert read[number].tolist() == [token for row in rows for token in row]
        assert all(len(row) == 8 for row in rows[:-1])
    assert not read.truncated.any()
    assert read.words_seen.tolist() == [12, 1, 0, 4]


def test_what_follows_the_last_window_is_not_read_and_counts_as_cut(tokenizer: Any) -> None:
    read = encode_long(TEXTS, tokenizer, 8, Windows(most=2))
    assert len(read[0]) == 16
    assert read.truncated.tolist()[0]
    assert read.words_seen[0] < 12


def test_rows_without_room_for_text_are_refused(tokenizer: Any) -> None:
    taken = sum(map(len, around(tokenizer)))
    with pytest.raises(ConfigError, match="room for more than 3 tokens of text"):
        encode_long(TEXTS, tokenizer, taken + 3, Windows(overlap=3))
    with pytest.raises(ConfigError, match="room for more than 1 tokens of text"):
        encode_long(TEXTS, tokenizer, taken + 1, HeadTail())


def test_a_batch_of_windows_says_whose_each_row_is(tokenizer: Any) -> None:
    read = encode_long(TEXTS, tokenizer, 8, Windows(most=99))
    nothing: NDArray[np.int64] = np.zeros(len(TEXTS), dtype=np.int64)
    batch = Examples(read, nothing, np.ones(len(TEXTS), dtype=np.float32), 0, 8).batch(np.asarray([1, 0]))
    rows = -(-len(read[0]) // 8)
    assert batch["owners"].tolist() == [0] + [1] * rows
    assert batch["input_ids"].shape == (1 + rows, 8)
    joined = [token for row, mask in zip(batch["input_ids"][1:], batch["attention_mask"][1:], strict=True)
              for token in row[mask.bool()].tolist()]  # fmt: skip
    assert joined == read[0].tolist()
    assert len(batch["labels"]) == 2


def head(windows: Any) -> LinearHead:
    return Head().build(3, np.zeros(2, dtype=np.float32), 0, windows)


OWNERS, VECTORS = torch.tensor([0, 0, 0, 1, 2, 2]), torch.randn(6, 3, generator=torch.Generator().manual_seed(3))


def test_vectors_of_rows_are_pooled_text_by_text() -> None:
    texts = [VECTORS[:3], VECTORS[3:4], VECTORS[4:]]
    mean, most = torch.stack([text.mean(0) for text in texts]), torch.stack([text.amax(0) for text in texts])
    assert torch.allclose(head("mean").over_windows(VECTORS, OWNERS), mean)
    assert torch.equal(head("max").over_windows(VECTORS, OWNERS), most)
    learnt = head("attention")
    assert torch.allclose(learnt.over_windows(VECTORS, OWNERS), mean, atol=1e-6)  # until something is learnt
    assert learnt.attend is not None
    torch.nn.init.normal_(learnt.attend.weight, generator=torch.Generator().manual_seed(1))
    weighed = torch.stack([
        (text * learnt.attend(learnt.norm(text)).softmax(0)).sum(0) for text in texts
    ])  # fmt: skip
    assert torch.allclose(learnt.over_windows(VECTORS, OWNERS), weighed, atol=1e-6)
    learnt.over_windows(VECTORS, OWNERS).sum().backward()  # type: ignore[no-untyped-call]
    assert learnt.attend.weight.grad is not None
