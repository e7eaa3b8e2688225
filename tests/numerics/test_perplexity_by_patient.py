"""Perplexity by patient: sums and bytes by hand, intervals, the same tokens for every method, the papers' formula."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chartune.adapters.method import Method
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.batches.pack import Blocks, first_tokens, pack
from chartune.batches.tokenize import Encoded, encode, load_tokenizer
from chartune.metrics.perplexity import Sums, mean_of_batches, summed
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.prediction.predictions import token_nll
from chartune.runs.nll import nll_rows, sums_of
from chartune.testing.support import CATALOG
from chartune.testing.twins import EXACT

TEXTS = ["chest pain — 37 °C", "", "fever  and\n\nchills ", "naïve 漢字 😀", "the patient was admitted"]
NATS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
OWNERS = [7, 7, 9, 9, 9]


def test_sums_are_those_of_the_hand() -> None:
    sums = summed(OWNERS, {"before": 2 * NATS, "after": NATS}, np.array([4, 4, 2, 3, 0], dtype=np.int32))
    assert (sums.patients.tolist(), sums.tokens.tolist(), np.asarray(sums.bytes).tolist()) == ([7, 9], [2, 3], [8, 5])
    measured = sums.measured()
    assert list(measured) == [
        "perplexity_before", "perplexity", "perplexity_ratio", "bits_per_byte_before", "bits_per_byte",
    ]  # fmt: skip
    assert measured["perplexity"].value == pytest.approx(np.exp(15 / 5))
    assert measured["perplexity_ratio"].value == pytest.approx(np.exp(-3))
    assert measured["bits_per_byte"].value == pytest.approx(15 / np.log(2) / 13)
    assert {estimate.n for estimate in measured.values()} == {5}
    # Two patients are drawn: one of them alone, or both, so that the ends are those of each.
    assert (measured["perplexity"].low, measured["perplexity"].high) == pytest.approx((np.exp(1.5), np.exp(4)))
    assert (measured["perplexity_ratio"].low, measured["perplexity_ratio"].high) == pytest.approx(
        (np.exp(-4), np.exp(-1.5))
    )


def test_of_one_patient_there_is_no_interval_and_without_bytes_no_bits() -> None:
    measured = summed([3] * 5, {"after": NATS}).measured()
    assert list(measured) == ["perplexity"]
    assert (measured["perplexity"].low, measured["perplexity"].high) == (None, None)


def test_rows_of_a_run_give_the_sums_again() -> None:
    sums = summed(OWNERS, {"after": NATS})
    again = sums_of(nll_rows("test", sums), "test")
    assert isinstance(again, Sums)
    assert (again.bytes, set(again.nats)) == (None, {"after"})
    assert again.draws("perplexity").samples.tolist() == sums.draws("perplexity").samples.tolist()
    assert sums_of(nll_rows("test", sums), "validation") is None


def test_as_published_is_a_mean_of_batches() -> None:
    tokens = np.array([1, 2, 2])
    assert mean_of_batches(NATS, tokens, 2) == pytest.approx(np.exp((6 / 3 + 9 / 2) / 2))
    assert mean_of_batches(NATS, tokens, 1) == pytest.approx(np.exp((1 + 5 / 2 + 9 / 2) / 3))
    assert mean_of_batches(NATS, tokens, 99) == pytest.approx(np.exp(3))


def scored(base: LocalBackbone, width: int, texts: list[str]) -> Blocks:
    tokenizer = load_tokenizer(base)
    return pack(encode(texts, tokenizer, None, special=False, count_bytes=True), tokenizer, width)


def test_the_bytes_of_all_tokens_of_a_text_are_its_own(llama: LocalBackbone) -> None:
    encoded = encode(TEXTS, load_tokenizer(llama), None, special=True, count_bytes=True)
    for place, text in enumerate(TEXTS):
        # Blanks behind the last token are of none; an empty text is read as a blank.
        assert len(text.rstrip().encode()) <= encoded.bytes_of(place).sum() <= len((text or " ").encode())
    assert encoded.take(np.array([3, 0])).bytes_of(0).tolist() == encoded.bytes_of(3).tolist()


def test_bytes_are_of_the_scored_tokens_alone(llama: LocalBackbone) -> None:
    """In one block all but special tokens; across blocks not those that begin one."""
    text, tokenizer = TEXTS[4], load_tokenizer(llama)
    whole = scored(llama, 64, [text])
    assert whole.target_bytes().sum() == len(text)
    assert whole.target_bytes()[-1] == 0  # the end token
    cut, spans = scored(llama, 3, [text]), tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    offsets = [(0, 0)] * (1 - (spans[0] == (0, 0))) + spans  # with the start token
    lost = [offsets[at] for at in range(3, len(offsets), 3)]
    assert cut.target_bytes().sum() == len(text) - sum(
        stop - max((end for _, end in offsets[: offsets.index((start, stop))]), default=0) for start, stop in lost
    )


@pytest.mark.parametrize("ends", [(0, 1), (None, None)])
def test_every_scored_token_knows_its_document(ends: tuple[int | None, int | None]) -> None:
    """Also where a document has no token, and where it goes over several blocks."""
    lengths, tokenizer = [5, 0, 9, 1, 3, 0], SimpleNamespace(bos_token_id=ends[0], eos_token_id=ends[1])
    ids = np.repeat(np.arange(100, 106, dtype=np.int32), lengths)  # of document d all tokens are 100 + d
    flat = np.zeros(6)
    documents = Encoded(ids, np.cumsum([0, *lengths]), flat.astype(np.int32), flat.astype(np.bool_), ids % 100)
    for made in (pack, first_tokens):
        for width in (4, 7, 64):
            blocks = made(documents, tokenizer, width)
            targets, owners = blocks.targets(), blocks.target_documents()
            assert len(owners) == len(targets) == len(blocks.target_bytes())
            assert (owners[targets >= 100] == targets[targets >= 100] - 100).all()
            assert (blocks.target_bytes()[targets >= 100] == targets[targets >= 100] - 100).all()
            assert (blocks.target_bytes()[targets < 100] == 0).all()
            few = blocks.some(2)
            assert set(few.target_documents()) <= set(owners)
            assert len(few) == min(2, len(blocks))


@pytest.mark.parametrize("method", CATALOG, ids=lambda method: method.kind)
def test_every_method_is_scored_on_the_very_same_tokens(llama: LocalBackbone, method: Method) -> None:
    """Each target has a likelihood of its own that depends on itself and on what stands before it, and on no more."""
    blocks = scored(
        llama, 8, ["the patient was admitted with chest pain and fever after a fall at home", "denies stroke"]
    )
    body = load_body(llama, EXACT, language_model=True)
    attached = attach(Stack(layers=(Fresh(method=method),)), body.module, [None], 1, lambda text: [5] if text else [])
    with torch.no_grad():
        for tensor in attached.trainable().values():
            tensor.add_(0.05 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)))
    model = body.language_model(attached.module)
    nats = token_nll(model, blocks, EXACT)
    assert nats.shape == blocks.targets().shape
    at = np.flatnonzero(blocks.predicts[1])[2]  # of the second block, inside a piece
    ids = blocks.ids.copy()
    ids[1, at + 1] = 17 if ids[1, at + 1] != 17 else 18
    changed = token_nll(model, replace(blocks, ids=ids), EXACT)
    place = int(blocks.predicted_tokens[0]) + 2
    assert np.allclose(changed[:place], nats[:place], atol=1e-5)
    assert blocks.predicts[1, at + 1]
    assert abs(changed[place] - nats[place]) > 1e-4  # the token that is scored
    assert abs(changed[place + 1] - nats[place + 1]) > 1e-4  # the state before the next one: not a virtual token's
