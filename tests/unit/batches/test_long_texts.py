"""Long texts: which tokens are read of them, in which rows, and how the vectors of rows become that of a text."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chartune.batches.collate import Examples
from chartune.batches.long_texts import AnyLong, First, HeadTail, SectionsFirst, Windows, encode_long, places_read
from chartune.batches.pack import around
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.batches.useful_sections import allotted, called
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


NOTE = (
    "Name: X\n\nAllergies:\nnone known to us\n\nChief Complaint:\nchest pain\n\nHistory of Present Illness:\n"
    "pain on stairs and a fall and fever and pain again and a fall\n\nPast Medical History:\nstroke\n\n"
    "Brief Hospital Course:\nhe was admitted\n\nDischarge Diagnosis:\nsepsis\n"
)


def pieces(text: str, *headings: str) -> list[str]:
    """The sections with these headings, with them."""
    starts = sorted(text.index(each) for each in re.findall(r"^[A-Z][\w ]+:", text, re.MULTILINE))
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    return [text[text.index(heading) : ends[text.index(heading)]] for heading in headings]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_most_useful_sections_are_read_first_and_the_rest_of_the_note_after_them(tokenizer: Any, ends: str) -> None:
    text = NOTE.replace("\n", ends)
    long = SectionsFirst(order=("chief complaint", "present illness", "discharge"), share=1.0)
    wanted = pieces(NOTE, "Chief Complaint:", "History of Present Illness:", "Discharge Diagnosis:")
    rest = pieces(NOTE, "Name:", "Allergies:", "Past Medical History:", "Brief Hospital Course:")
    whole = plain(tokenizer, NOTE)
    sizes = [len(plain(tokenizer, piece)) for piece in (*wanted, *rest)]
    read = encode_long([text], tokenizer, len(whole) - 3, long)
    decoded = tokenizer.decode(read[0], skip_special_tokens=True)
    for piece in (*wanted, *rest[:-1]):
        assert " ".join(piece.split()) in " ".join(decoded.split())
    places = [decoded.index(piece.split(":")[0]) for piece in (*wanted, *rest)]
    assert places == sorted(places)
    assert "admitted" not in decoded  # of the last part of the rest nothing is left to read
    assert read.truncated.tolist() == [True]
    assert abs(len(read[0]) - (len(whole) - 3)) == 0
    assert sum(sizes) >= len(whole)


def test_a_long_section_leaves_room_to_the_next_ones_and_takes_what_they_leave(tokenizer: Any) -> None:
    size = 24 + sum(map(len, around(tokenizer)))
    order = ("present illness", "chief complaint", "medical history")
    decoded = [tokenizer.decode(encode_long([NOTE], tokenizer, size, SectionsFirst(order=order, share=share))[0])
               for share in (1.0, 0.4)]  # fmt: skip
    assert "Chief" not in decoded[0]
    assert "\n\nChief" in decoded[1]
    assert allotted([100, 3, 5, 40], 24, 0.5, 3) == [16, 3, 5, 0]
    assert allotted([2, 3, 5, 40], 24, 0.5, 3) == [2, 3, 5, 14]
    assert allotted([100, 100, 100], 24, 0.5, 3) == [12, 12, 0]
    assert allotted([100], 3, 0.1, 1) == [3]
    assert allotted([], 3, 0.1, 0) == []


def test_a_note_that_fits_and_one_without_sections_are_read_from_their_beginning(tokenizer: Any) -> None:
    fits, cut = encode_long(TEXTS, tokenizer, 999, SectionsFirst()), encode_long(TEXTS, tokenizer, 8, SectionsFirst())
    first = encode_long(TEXTS, tokenizer, 8, First())
    for number in (0, 1, 3):
        assert cut[number].tolist() == first[number].tolist()
    assert cut.words_seen.tolist() == first.words_seen.tolist()
    assert fits.words_seen.tolist() == [12, 1, 0, 4]
    assert not fits.truncated.any()


@pytest.mark.parametrize(("heading", "title"), {
    "Hospital Course": "hospital course", "BRIEF  HOSPITAL COURSE": "hospital course", "PRESENT ILLNESS":
    "present illness", "SURGICAL HISTORY": "medical history", "Discharge Diagnosis": "discharge", "Wound": "wound",
}.items())  # fmt: skip
def test_a_heading_is_known_by_its_title(heading: str, title: str) -> None:
    assert called(heading) == title


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


@pytest.mark.parametrize("long", [First(), HeadTail(), SectionsFirst(share=0.4), Windows(most=2, overlap=1)])
def test_places_that_are_read_hold_the_tokens_that_are_kept_and_no_others(tokenizer: Any, long: AnyLong) -> None:
    note = "Allergies:\none two\n\nChief Complaint:\nthree four five\n\nHabits:\nsix seven eight nine ten\n"
    size = 12 + sum(map(len, around(tokenizer)))
    unseen = {*around(tokenizer)[0], *around(tokenizer)[1], *plain(tokenizer, "\r")}  # sections have no such line ends
    for text in (note, note.replace("\n", "\r\n"), TEXTS[0]):
        kept, held = encode_long([text], tokenizer, size, long), set[int]()
        places = places_read(text, tokenizer, size, long)
        whole = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        for (start, end), token in zip(whole["offset_mapping"], whole["input_ids"], strict=True):
            held |= {token} if any(first <= start and end <= last for first, last in places) else set()
        assert kept.truncated[0]
        assert set(kept[0].tolist()) - unseen == held - unseen
        assert all(one.end <= two.start for one, two in pairwise(places))


def test_a_text_that_fits_is_read_whole(tokenizer: Any) -> None:
    for long in (First(), HeadTail(), SectionsFirst(), Windows()):
        assert places_read(TEXTS[0], tokenizer, 999, long) == [(0, len(TEXTS[0]))]
