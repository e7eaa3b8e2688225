"""Tokenising: how much of a text was read is known exactly, and arrays are kept privately."""

import shutil
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chartune.batches.collate import length_groups, token_groups
from chartune.batches.tokenize import encode, encode_once, load_tokenizer, save_tokenizer, train_tokenizer
from chartune.errors import AdapterError, StoreError
from chartune.models.backbone import LocalBackbone, inspect
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


class PanicException(BaseException):
    """What a library in Rust raises; its words quote the text that it was at."""


class Failing:
    """A tokenizer that stops at its first text."""

    cls_token_id, sep_token_id, is_fast = 0, 1, True

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __call__(self, texts: list[str], *_: object, **__: object) -> None:
        raise self.error(f"byte index 3 is not a char boundary; it is inside {texts[0]}")


@pytest.mark.parametrize("error", [PanicException, RuntimeError])
def test_a_tokenizer_that_stops_at_a_text_does_not_say_its_words(error: type[BaseException]) -> None:
    with pytest.raises(AdapterError, match=f"transformers .* stops with {error.__name__}; use the tokenizer") as caught:
        encode(TEXTS, Failing(error), None)
    assert "patient" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_signal_while_tokenising_ends_it(error: type[BaseException]) -> None:
    with pytest.raises(error):
        encode(TEXTS, Failing(error), None)


def test_a_second_stage_maps_the_same_arrays(llama: LocalBackbone, store: Store) -> None:
    first = encode_once(TEXTS, llama, 16, store, data="d")
    second = encode_once(TEXTS, llama, 16, store, data="d")
    assert np.array_equal(first.ids, second.ids)
    assert isinstance(second.ids, np.memmap)
    assert len(store.artefacts("tokens")) == 1
    folder = store.artefacts("tokens")[0].path
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_damaged_array_of_tokens_is_not_trained_on(llama: LocalBackbone, store: Store) -> None:
    encode_once(TEXTS, llama, 16, store, data="d")
    file = store.artefacts("tokens")[0].path / "ids.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 0x40  # beyond any vocabulary
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"ids\.npy .*run the same command again"):
        encode_once(TEXTS, llama, 16, store, data="d")


def test_token_ids_without_a_row_in_the_embedding_are_refused(llama: LocalBackbone, store: Store) -> None:
    highest = int(encode_once(TEXTS, llama, 16, store, data="d").ids.max())
    enough, few = ({**llama.config, "vocab_size": highest + more} for more in (1, 0))
    encode_once(TEXTS, replace(llama, config=enough), 16, store, data="d")
    with pytest.raises(AdapterError, match=f" {highest}, .* {highest} rows"):
        encode_once(TEXTS, replace(llama, config=few), 16, store, data="d")


def test_another_length_or_tokenizer_is_tokenised_anew(llama: LocalBackbone, store: Store, tmp_path: Path) -> None:
    folder = shutil.copytree(llama.folder, tmp_path / "other")
    train_tokenizer([" ".join(TEXTS)] * 3, 300, folder)  # the same weights, other words
    other = inspect(folder, name=llama.name, licence=llama.licence, exposure=llama.exposure)
    for base in (llama, other):
        for length in (6, 16, None):
            for special in (True, False):
                kept = encode_once(TEXTS, base, length, store, data="d", special=special)
                fresh = encode(TEXTS, load_tokenizer(base), length, special=special)
                assert kept.ids.tolist() == fresh.ids.tolist()
    turned = TEXTS[::-1]
    again = encode_once(turned, llama, 16, store, data="turned")
    assert again.ids.tolist() == encode(turned, load_tokenizer(llama), 16).ids.tolist()
    assert len(store.artefacts("tokens")) == 13


def test_length_groups_hold_every_row_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    groups = length_groups(lengths, 1024)
    assert sorted(np.concatenate(groups).tolist()) == list(range(500))
    assert all(len(group) == 1 or lengths[group].max() * len(group) <= 1024 for group in groups)
    padded = sum(int(lengths[group].max()) * len(group) for group in groups)
    assert padded / lengths.sum() < 1.05


def test_groups_without_padding_hold_tokens_within_the_budget_and_cells_within_four_times_that() -> None:
    lengths = np.array([3, 60, 5, 40, 100, 1, 1, 1])
    assert [group.tolist() for group in token_groups(lengths, 100)] == [[4], [1, 3], [2, 0, 7, 6, 5]]
    assert [len(group) for group in token_groups(np.array([90, *[1] * 8]), 100)] == [4, 5]  # 5 rows of 90 are 450 cells
    assert [group.tolist() for group in token_groups(np.array([300, 300]), 100)] == [[1], [0]]
    assert token_groups(np.array([], dtype=np.int64), 100) == []


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


def test_a_text_without_a_letter_has_a_token_to_be_read_by(tmp_path: Path) -> None:
    """A decoder without a token of its own before each text would otherwise have nothing to pool."""
    tokenizer = train_tokenizer(["chest pain and fever"], 270, tmp_path)
    read = encode(["", "fever", ""], tokenizer, 8, special=False)
    assert read.lengths.tolist()[::2] == [1, 1]
    assert read.words_seen.tolist()[::2] == [0, 0]
    assert not read.truncated.any()
