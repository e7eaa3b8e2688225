"""Masks: which tokens an encoder guesses, drawn from what is known, and never a special one."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from chartune.batches.masking import Masker, Masking
from chartune.batches.pack import Blocks, rows
from chartune.batches.tokenize import Encoded
from chartune.errors import AdapterError, ConfigError

CLS, SEP, PAD, MASK, UNKNOWN = 0, 1, 2, 3, 4
SPECIAL = (CLS, SEP, PAD, MASK, UNKNOWN)
VOCABULARY = 400


class Tokenizer(SimpleNamespace):
    """Puts [CLS] and [SEP] around a text."""

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [CLS, 77, SEP] if add_special_tokens else [77]}

    def get_vocab(self) -> dict[str, int]:
        return {f"<{number}>": number for number in range(VOCABULARY)}


TOKENIZER = Tokenizer(
    all_special_ids=list(SPECIAL), mask_token_id=MASK, pad_token_id=PAD, eos_token_id=None, unk_token_id=UNKNOWN,
    bos_token_id=None,
)  # fmt: skip


def documents(*lengths: int) -> Encoded:
    """Texts in which every tenth token is unknown, as a name may be."""
    ids = np.random.default_rng(7).integers(5, VOCABULARY, sum(lengths)).astype(np.int32)
    ids[::10] = UNKNOWN
    flat = np.zeros(len(lengths))
    return Encoded(ids, np.cumsum([0, *lengths]), flat.astype(np.int32), flat.astype(np.bool_))


def masker(**fields: float) -> Masker:
    return Masker.of(TOKENIZER, Masking.parse(fields), "a base")


@pytest.fixture(scope="module")
def many() -> Blocks:
    return rows(documents(*[500] * 40, 3, 1), TOKENIZER, 102)


def drawn(many: Blocks, which: Any, *, seed: int = 1, step: int = 0, **fields: float) -> dict[str, torch.Tensor]:
    return masker(**fields).trained(many, seed, np.asarray(which), step)


def test_a_document_is_cut_into_rows_of_its_own_between_special_tokens() -> None:
    made, given = rows(documents(12, 0, 3), TOKENIZER, 10), documents(12, 0, 3)
    assert made.ids.tolist() == [
        [CLS, *given[0][:8], SEP], [CLS, *given[0][8:], SEP, *[PAD] * 4], [CLS, *given[2], SEP, *[PAD] * 5],
    ]  # fmt: skip
    assert made.lengths.tolist() == [10, 6, 5]
    assert made.positions[1].tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 0, 0]
    assert set(made.target_documents().tolist()) == {0, 2}
    assert not np.isin(made.targets(), SPECIAL).any()
    assert len(made.targets()) == int((~np.isin(given.ids, SPECIAL)).sum())
    assert rows(documents(12, 0, 3), TOKENIZER, 10, first_only=True).ids.tolist() == made.ids[[0, 2]].tolist()


def test_no_row_is_longer_in_a_batch_than_its_longest(many: Blocks) -> None:
    batch = drawn(many, [len(many) - 1, len(many) - 2])
    assert tuple(batch["input_ids"].shape) == (2, 5)


def test_what_is_guessed_is_text_and_stands_where_it_is_guessed(many: Blocks) -> None:
    which = np.arange(len(many))
    batch = drawn(many, which)
    truth = torch.from_numpy(many.ids.astype(np.int64)).flatten()
    assert torch.equal(truth[batch["predicting"]], batch["targets"])
    assert not np.isin(batch["targets"], SPECIAL).any()
    elsewhere = torch.ones_like(truth, dtype=torch.bool)
    elsewhere[batch["predicting"]] = False
    assert torch.equal(batch["input_ids"].flatten()[elsewhere], truth[elsewhere])


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_of_each_row_the_same_share_is_guessed_and_at_least_one(many: Blocks, rate: float) -> None:
    batch = drawn(many, np.arange(len(many)), rate=rate)
    row = (batch["predicting"] // batch["input_ids"].shape[1]).numpy()
    expected = [max(1, round(rate * int(each.sum()))) for each in many.predicts]
    assert np.bincount(row).tolist() == expected == Masking(rate=rate).guessed(many).tolist()
    assert expected[-1] == 1
    assert expected[0] == round(rate * 90)


def test_of_those_four_fifths_are_masked_and_a_tenth_is_replaced_by_another_token_of_the_text(many: Blocks) -> None:
    shares = [0, 0, 0]
    for step in range(4):
        batch = drawn(many, np.arange(len(many)), step=step)
        shown, truth = batch["input_ids"].flatten()[batch["predicting"]], batch["targets"]
        other = (shown != MASK) & (shown != truth)
        assert not np.isin(shown[other], SPECIAL).any()
        shares = [a + int(b.sum()) for a, b in zip(shares, (shown == MASK, other, shown == truth), strict=True)]
    n = sum(shares)
    for count, share in zip(shares, (0.8, 0.1, 0.1), strict=True):
        assert count == pytest.approx(share * n, abs=4 * np.sqrt(n * share * (1 - share)))


def test_masks_of_training_depend_on_seed_step_and_row_alone(many: Blocks) -> None:
    one = drawn(many, [5])
    beside = drawn(many, [9, 5])
    width = one["input_ids"].shape[1]
    assert torch.equal(one["input_ids"][0], beside["input_ids"][1])
    assert torch.equal(one["predicting"], beside["predicting"][beside["predicting"] >= width] - width)
    again = Blocks(many.ids[[5, 5]], many.positions[[5, 5]], many.predicts[[5, 5]], many.first[[5, 5]], many.numbers,
                   ahead=0)  # fmt: skip
    others = [drawn(many, [5], seed=2), drawn(many, [5], step=1), drawn(again, [1])]
    assert all(not torch.equal(one["predicting"], other["predicting"]) for other in others)


def test_what_is_evaluated_has_the_same_masks_in_every_run_and_in_every_sample(many: Blocks) -> None:
    usual, other = masker().evaluated(many), masker(rate=0.5, mask_token=0.2).evaluated(many)
    assert np.array_equal(usual.predicts, other.predicts)
    sample = masker().evaluated(many.some(3))
    assert np.array_equal(sample.predicts, usual.some(3).predicts)
    longer = rows(documents(*[500] * 40, 3, 1), TOKENIZER, 102)
    assert np.array_equal(masker().evaluated(longer).predicts, usual.predicts)
    assert usual.shown is not None
    assert (usual.shown[usual.predicts] == MASK).all()
    assert usual.predicted_tokens.tolist() == Masking().guessed(many).tolist()
    assert not np.array_equal(usual.predicts[0], usual.predicts[1])


def test_shares_that_exceed_the_whole_and_a_tokenizer_without_a_mask_token_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"must not exceed 1 together, got 0\.95 and 0\.1; lower"):
        Masking.parse({"mask_token": 0.95})
    without = Tokenizer(**{**vars(TOKENIZER), "mask_token_id": None})
    with pytest.raises(AdapterError, match="the tokenizer of a base has none; copy"):
        Masker.of(without, Masking(), "a base")
