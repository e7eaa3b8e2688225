"""Tokenising: how much of a text was read is known exactly, and arrays are kept privately."""

from pathlib import Path

import numpy as np
import pytest

from chartune.batches.collate import length_groups
from chartune.batches.tokenize import encode, encode_once, load_tokenizer, save_tokenizer
from chartune.errors import StoreError
from chartune.models.backbone import LocalBackbone
from chartune.store import Store

TEXTS = ["the patient was admitted with chest pain", "fever", "denies history of stroke after a fall on the stairs"]


def test_an_uncut_text_is_seen_whole(bert: LocalBackbone) -> None:
    encoded = encode(TEXTS, load_tokenizer(bert), None)
    assert encoded.words_seen.tolist() == [7, 1, 10]
    assert not encoded.truncated.any()


def test_words_seen_counts_whole_words_only(llama: LocalBackbone) -> None:
    tokenizer = load_tokenizer(llama)
    for limit in range(2, 14):
        encoded = encode(TEXTS, tokenizer, limit)
        for index, text in enumerate(TEXTS):
            told = tokenizer.decode(encoded[index], skip_special_tokens=True).split()
            whole = [word for word, truth in zip(told, text.split(), strict=False) if word == truth]
            assert encoded.words_seen[index] == len(whole)
            assert encoded.truncated[index] == (len(whole) < len(text.split()))


def test_a_second_stage_maps_the_same_arrays(llama: LocalBackbone, store: Store) -> None:
    first = encode_once(TEXTS, llama, 16, store, data="d")
    second = encode_once(TEXTS, llama, 16, store, data="d")
    assert np.array_equal(first.ids, second.ids)
    assert isinstance(second.ids, np.memmap)
    assert len(store.artefacts("tokens")) == 1
    folder = store.artefacts("tokens")[0].path
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_length_groups_hold_every_row_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    groups = length_groups(lengths, 1024)
    assert sorted(np.concatenate(groups).tolist()) == list(range(500))
    assert all(len(group) == 1 or lengths[group].max() * len(group) <= 1024 for group in groups)
    padded = sum(int(lengths[group].max()) * len(group) for group in groups)
    assert padded / lengths.sum() < 1.05


def test_a_full_disk_is_told_although_the_library_raises_a_bare_exception(tmp_path: Path) -> None:
    class Full:
        def save_pretrained(self, folder: Path) -> None:
            raise Exception("No space left on device (os error 28)")

    class Broken:
        def save_pretrained(self, folder: Path) -> None:
            raise Exception("something else")

    with pytest.raises(StoreError, match="free some space"):
        save_tokenizer(Full(), tmp_path)
    with pytest.raises(Exception, match="something else"):
        save_tokenizer(Broken(), tmp_path)
