"""Packing: full blocks, no sight of a neighbour, every token but the first of a piece predicted."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chartune.batches.pack import Blocks, first_tokens, pack
from chartune.batches.tokenize import Encoded
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved

TOKENIZER = SimpleNamespace(bos_token_id=0, eos_token_id=1)


def documents(*lengths: int) -> Encoded:
    ids = np.concatenate([np.arange(10, 10 + n, dtype=np.int32) for n in lengths])
    flat = np.zeros(len(lengths))
    return Encoded(ids, np.cumsum([0, *lengths]), flat.astype(np.int32), flat.astype(np.bool_))


def test_every_token_is_kept_and_only_the_last_block_is_padded() -> None:
    blocks = pack(documents(5, 3, 9), TOKENIZER, 8)
    assert blocks.ids.shape == (3, 8)  # 17 tokens, 3 starts, 3 ends: 23 of 24
    assert blocks.ids.ravel()[:7].tolist() == [0, 10, 11, 12, 13, 14, 1]


def test_positions_restart_with_every_document_and_every_block() -> None:
    blocks = pack(documents(3, 6), TOKENIZER, 8)
    assert blocks.positions[0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert blocks.positions[1][:5].tolist() == [0, 1, 2, 3, 4]


def test_the_first_token_of_a_piece_is_never_predicted() -> None:
    blocks = pack(documents(3, 6), TOKENIZER, 8)
    assert blocks.predicts[0].tolist() == [True, True, True, True, False, True, True, False]
    assert 0 not in blocks.targets().tolist()
    assert int(blocks.predicted_tokens.sum()) == len(blocks.targets())


def test_as_published_only_the_beginning_of_each_document_is_read() -> None:
    blocks = first_tokens(documents(3, 0, 20, 7), TOKENIZER, 8)
    assert blocks.ids.tolist() == [
        [0, 10, 11, 12, 0, 0, 0, 0], [0, *range(10, 17)], [0, *range(10, 17)],
    ]  # fmt: skip
    assert blocks.predicted_tokens.tolist() == [3, 7, 7]
    assert blocks.targets().tolist() == [10, 11, 12, *range(10, 17), *range(10, 17)]
    assert blocks.positions[0].tolist() == [0, 1, 2, 3, 0, 0, 0, 0]


@pytest.mark.parametrize("made", [pack, first_tokens])
def test_a_corpus_shorter_than_one_block_is_one_padded_block_and_what_predicts_nothing_is_none(
    made: Callable[..., Blocks],
) -> None:
    short = made(documents(3), TOKENIZER, 64)
    assert (short.ids.shape, int(short.predicted_tokens.sum())) == ((1, 64), 4 if made is pack else 3)
    bare = SimpleNamespace(bos_token_id=None, eos_token_id=None)
    assert len(made(documents(1, 1), bare, 64)) == 0


def test_a_document_reads_the_same_alone_and_packed(llama: LocalBackbone) -> None:
    body = load_body(llama, Resolved("cpu", "fp32", "sdpa", "a test"), language_model=True)
    assert body.lm_head is not None
    model = body.language_model(body.module).eval()
    together, alone = pack(documents(6, 7), TOKENIZER, 32), pack(documents(7), TOKENIZER, 32)

    def nll(blocks: Blocks) -> torch.Tensor:
        with torch.no_grad():
            return model.nll(**blocks.batch(np.arange(len(blocks))))

    assert torch.allclose(nll(together)[7:15], nll(alone)[:8], atol=1e-5)
