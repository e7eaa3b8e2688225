"""Pairs of texts in one row: as tokenizers write them, cut at the longer side, with types where a body knows them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.batches.collate import Examples
from chartune.batches.long_texts import FIRST, HeadTail
from chartune.batches.text_pairs import encode_pairs, encode_texts, encode_texts_once, knows_types
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import ConfigError, DataError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.readers import Classifier
from chartune.models.tokenizer import padding_of
from chartune.notes.text_pair import TextPair
from chartune.prediction.reading import reading
from chartune.store import Store
from chartune.testing.text_pairs import paired_twin
from chartune.testing.twins import EXACT, twin

PAIRS = [
    TextPair("the patient was admitted with chest pain", "fever"),
    TextPair("fall", "denies history of stroke and fever after a fall on stairs to unit"),
    TextPair("chest pain", "pain"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    return paired_twin(tmp_path_factory.mktemp("base"), "bert")


@pytest.mark.parametrize("room", [6, 9, 11, 14, 60])
def test_a_long_pair_loses_tokens_of_its_longer_side_first(base: LocalBackbone, room: int) -> None:
    tokenizer = load_tokenizer(base)
    encoded = encode_pairs(PAIRS, tokenizer, room, typed=True)
    sides = [[encode([text], tokenizer, None, special=False)[0].tolist() for text in pair] for pair in PAIRS]
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    for row, (first, second) in enumerate(sides):
        kept = [len(first), len(second)]
        while sum(kept) + 3 > room:  # a token of the longer, of equals of the second but for the last odd one
            kept[kept[1] > kept[0] or (kept[0] == kept[1] and room % 2 == 1)] -= 1
        a, b = first[: kept[0]], second[: kept[1]]
        whole = (len(first), len(second)) == tuple(kept)
        assert encoded[row].tolist() == [start, *a, end, *b, end]
        assert encoded.types_of(row).tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 1)
        assert bool(encoded.truncated[row]) is not whole
    assert len(encode_pairs(PAIRS, tokenizer, None, typed=True).ids) == sum(len(a) + len(b) + 3 for a, b in sides)


def test_words_of_both_sides_are_counted_as_far_as_they_are_read(base: LocalBackbone) -> None:
    tokenizer = load_tokenizer(base)
    whole = encode_pairs(PAIRS, tokenizer, None, typed=False)
    assert whole.words_seen.tolist() == [8, 14, 3]
    assert not whole.truncated.any()
    assert whole.types is None
    cut = encode_pairs(PAIRS, tokenizer, 14, typed=False)
    assert (cut.words_seen <= whole.words_seen).all()
    assert cut.truncated.tolist() == [
        words < all_ for words, all_ in zip(cut.words_seen, whole.words_seen, strict=True)
    ]


def test_where_a_tokenizer_parts_nothing_a_line_break_does(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(twin(tmp_path, "llama"))
    made = encode_pairs([TextPair("chest", "pain")], tokenizer, None, typed=False)
    assert tokenizer.decode(made[0], skip_special_tokens=True) == " chest \npain"
    assert made.words_seen.tolist() == [2]


def test_rows_are_padded_and_types_with_them(base: LocalBackbone) -> None:
    tokenizer = load_tokenizer(base)
    encoded = encode_pairs(PAIRS, tokenizer, None, typed=True)
    nothing = np.zeros(len(PAIRS), dtype=np.int64)
    examples = Examples(encoded, nothing, np.ones(len(PAIRS), dtype=np.float32), padding_of(tokenizer))
    batch = examples.tokens(np.asarray([2, 1]))
    assert batch["token_type_ids"].shape == batch["input_ids"].shape == batch["attention_mask"].shape
    first = len(encoded[2])
    assert batch["token_type_ids"][0, :first].tolist() == encoded.types_of(2).tolist()
    assert batch["token_type_ids"][0, first:].sum() == 0
    assert (batch["attention_mask"][0] == 0).sum() == batch["input_ids"].shape[1] - first
    again = Examples(encoded.take(np.asarray([1])), nothing[:1], examples.weights[:1], examples.pad_id)
    assert again.encoded.types_of(0).tolist() == encoded.types_of(1).tolist()
    assert examples.marks["types"] is encoded.types


def test_types_reach_the_body_however_it_is_read(base: LocalBackbone, store: Store) -> None:
    backbone = base
    assert knows_types(backbone.config)
    tokenizer = load_tokenizer(backbone)
    body = load_body(backbone, EXACT)
    assert knows_types(body.module.config)
    encoded = encode_texts_once(PAIRS, backbone, 40, store, data="made-up/pairs", long=FIRST)
    kept = encode_texts_once(PAIRS, backbone, 40, store, data="made-up/pairs", long=FIRST)
    assert encoded.types is not None
    assert kept.types is not None
    made = encode_pairs(PAIRS, tokenizer, 40, typed=True)
    assert [kept.types_of(row).tolist() for row in range(3)] == [made.types_of(row).tolist() for row in range(3)]
    examples = Examples(encoded, np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.float32), padding_of(tokenizer))
    tokens = examples.tokens(np.arange(3))
    model = Classifier(body.module.eval(), torch.nn.Identity(), "mean")  # type: ignore[arg-type]
    with torch.no_grad():
        told = model.pooled(**tokens)
        stock = body.module(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(2)
        untold = model.pooled(tokens["input_ids"], tokens["attention_mask"])
    assert torch.allclose(told, (stock * mask).sum(1) / mask.sum(1), atol=1e-6)
    assert not torch.allclose(told, untold, atol=1e-3)
    fused = EXACT.__class__("cpu", "fp32", "sdpa", "a test", "fused")
    with reading(model, fused) as read:
        assert type(read).__name__ == "FusedEncoder"
        assert torch.allclose(model.pooled(**tokens, body=read), told, atol=1e-5)


def test_virtual_tokens_stand_before_the_first_text_with_its_type(base: LocalBackbone) -> None:
    tokenizer = load_tokenizer(base)
    body = load_body(base, EXACT)
    encoded = encode_pairs(PAIRS, tokenizer, 40, typed=True)
    examples = Examples(encoded, np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.float32), padding_of(tokenizer))
    tokens = examples.tokens(np.arange(3))
    stack = Stack(layers=(Fresh(method=Prompt(tokens=2)),))
    attached = attach(stack, body.module, [None], seed=0)
    seen: dict[str, torch.Tensor] = {}
    attached.module.get_submodule("embeddings").register_forward_pre_hook(
        lambda _, args, given: seen.update(given), with_kwargs=True
    )
    Classifier(attached.module, torch.nn.Identity(), "mean").pooled(**tokens)  # type: ignore[arg-type]
    assert seen["token_type_ids"][:, :2].eq(0).all()
    assert seen["token_type_ids"][:, 2:].equal(tokens["token_type_ids"])


def test_what_cannot_be_read_as_pairs_is_refused(base: LocalBackbone) -> None:
    tokenizer = load_tokenizer(base)
    with pytest.raises(ConfigError, match="a token of each text beside 3 special ones, but got 4"):
        encode_pairs(PAIRS, tokenizer, 4, typed=False)
    with pytest.raises(ConfigError, match="`long` is head-tail"):
        encode_texts(PAIRS, tokenizer, 40, HeadTail(), typed=False)
    with pytest.raises(DataError, match="1 of 2 are"):
        encode_texts([PAIRS[0], "alone"], tokenizer, 40, FIRST, typed=False)
