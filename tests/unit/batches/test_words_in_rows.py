"""Words in rows: which piece stands for a word, which row decides on it, and what is said of words that none reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from chartune.batches.pack import around
from chartune.batches.tokenize import load_tokenizer
from chartune.batches.words import UNREAD, WordExamples, deciding, first_pieces, word_examples
from chartune.errors import ConfigError
from chartune.metrics.tagging import Labelled, words_of
from chartune.models.backbone import LocalBackbone

TEXT = "he has severe pain, and aspirin was given for it today (81 mg) . "
SPANS: list[Labelled] = [(7, 18, 1), (24, 31, 0)]


@pytest.fixture(params=["llama", "bert"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    base: LocalBackbone = request.getfixturevalue(request.param)
    return load_tokenizer(base)


def examples(
    tokenizer: Any, texts: Sequence[str], spans: Sequence[Sequence[Labelled]] | None = None, *, room: int = 400,
    overlap: int = 0, most: int | None = None,
) -> WordExamples:  # fmt: skip
    beside = sum(map(len, around(tokenizer)))
    given = [[] for _ in texts] if spans is None else spans
    return word_examples(texts, given, tokenizer, 0, room + beside, overlap=overlap, most=most)


def perfect(made: WordExamples) -> np.ndarray:
    """Logits that say what was annotated."""
    logits = np.full((made.vectors, 5), -50.0)
    logits[np.arange(made.vectors), made.labels.astype(int)] = 50.0
    return logits


@pytest.mark.parametrize("room", [400, 40, 23])
def test_labels_come_back_as_the_spans_that_they_were_made_of(tokenizer: Any, room: int) -> None:
    made = examples(tokenizer, [TEXT, "", TEXT * 5, "¿qué? ﬁne ❤️ día"], [SPANS, [], SPANS, []], room=room, overlap=7)
    tagged = made.tagged(perfect(made))
    assert [[span.span for span in one.spans] for one in tagged] == [SPANS, [], SPANS, []]
    counts = made.counts([SPANS, [], SPANS, []])
    assert (counts["documents"], counts["words_unread"], counts["spans_no_tags_can_say"]) == (4, 0, 0)
    assert counts["words"] == sum(len(words_of(text)) for text in [TEXT, "", TEXT * 5, "¿qué? ﬁne ❤️ día"])


def test_the_piece_of_a_word_is_the_first_that_holds_a_character_of_it(tokenizer: Any) -> None:
    made = examples(tokenizer, [TEXT])
    (document,), offsets = made.documents, tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True)
    before = len(around(tokenizer)[0])
    starts = [offsets["offset_mapping"][made.places[place] - before] for place in document.places]
    for (start, end), (first, last) in zip(words_of(TEXT), starts, strict=True):
        assert first <= start < last  # its first character
        assert last <= end
    assert made.encoded[0][made.places[0]] == offsets["input_ids"][0]


@pytest.mark.parametrize(("room", "overlap"), [(30, 10), (17, 12), (11, 0)])
def test_every_word_of_a_long_document_is_decided_on_in_one_row(tokenizer: Any, room: int, overlap: int) -> None:
    made = examples(tokenizer, [TEXT * 6], room=room, overlap=overlap)
    assert len(made.encoded) > 3
    (document,) = made.documents
    assert document.read.all()
    whole = examples(tokenizer, [TEXT * 6])
    pieces = np.concatenate([made.encoded[row][made.places[made.into(np.array([row]))]]
                             for row in range(len(made.encoded))])  # fmt: skip
    assert pieces.tolist() == whole.encoded[0][whole.places].tolist()


def test_the_row_with_more_to_see_decides_and_of_equal_ones_the_earlier() -> None:
    # 0 1 2 3 4 5 6 7 8      pieces 4 to 6 stand in both rows, and 5 is as far from the end of one as of the other
    assert deciding([(0, 7), (4, 9)], 9).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert deciding([(0, 6), (4, 9)], 9).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert deciding([(0, 6)], 9).tolist() == [0, 0, 0, 0, 0, 0, UNREAD, UNREAD, UNREAD]


def test_words_behind_the_last_row_are_counted_and_said_to_be_outside(tokenizer: Any) -> None:
    late: list[Labelled] = [(start + len(TEXT) * 5, end + len(TEXT) * 5, label) for start, end, label in SPANS]
    made = examples(tokenizer, [TEXT * 6], [[*SPANS, *late]], room=40, most=1)
    counts = made.counts([[*SPANS, *late]])
    (document,) = made.documents
    assert counts["words_unread"] == int((~document.read).sum()) > 50
    assert counts["spans_no_tags_can_say"] == 2
    assert made.cut.tolist() == [True]
    assert document.tokens > document.tokens_read == 40
    assert [span.span for span in made.tagged(perfect(made))[0].spans] == SPANS


def test_a_word_within_the_piece_of_another_goes_on_as_that_one_does() -> None:
    words = np.array([[0, 4], [4, 5], [5, 6]])  # `pain`, `)`, `.`; the last two are one piece
    pieces = first_pieces(words, np.array([[0, 4], [4, 6]]))
    assert pieces.tolist() == [0, 1, 1]


def test_a_shared_piece_is_learnt_once_and_begins_one_span_only(llama: LocalBackbone) -> None:
    class Shared:
        """A tokenizer with a piece of two words."""

        def __call__(self, texts: Any, **options: Any) -> dict[str, Any]:
            if isinstance(texts, str):
                return {"input_ids": [9, 5, 9] if options["add_special_tokens"] else [5]}
            return {"input_ids": [[5, 6]] * len(texts), "offset_mapping": [[(0, 4), (4, 6)]] * len(texts)}

    made = word_examples(["pain)."], [[(4, 6, 0)]], Shared(), 0, 8, overlap=0, most=None)
    assert made.labels.tolist() == [0, 1]
    (tagged,) = made.tagged(perfect(made))
    assert [span.span for span in tagged.spans] == [(4, 6, 0)]
    assert made.counts([[(4, 5, 0), (5, 6, 0)]])["words_sharing_a_piece"] == 1
    assert made.counts([[(4, 5, 0), (5, 6, 0)]])["spans_no_tags_can_say"] == 2


def test_a_character_without_a_piece_is_not_read() -> None:
    assert first_pieces(np.array([[0, 2], [3, 4], [5, 7]]), np.array([[0, 2], [5, 7]])).tolist() == [0, UNREAD, 1]
    assert first_pieces(np.array([[0, 2]]), np.zeros((0, 2), dtype=np.int64)).tolist() == [UNREAD]


def test_batches_point_at_the_pieces_of_their_rows(tokenizer: Any) -> None:
    made = examples(tokenizer, [TEXT, "short text", TEXT * 3], [SPANS, [], SPANS], room=30, overlap=5)
    rows = np.array([2, 0, 1])
    batch = made.batch(rows)
    flat = batch["input_ids"].flatten()
    pieces = np.concatenate([made.encoded[row][made.places[made.into(np.array([row]))]] for row in rows])
    assert flat[batch["places"]].tolist() == pieces.tolist()
    assert batch["labels"].tolist() == made.labels[made.into(rows)].tolist()
    assert made.weights[rows].tolist() == [len(made.into(np.array([row]))) for row in rows]
    features = made.features(np.arange(made.vectors, dtype=np.float32)[:, None])
    assert features.batch(rows)["vectors"][:, 0].tolist() == made.into(rows).tolist()


def test_a_row_must_have_room_beside_its_overlap(tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match=r"room for more than 9 tokens .* less `long.overlap`"):
        examples(tokenizer, [TEXT], room=9, overlap=9)
