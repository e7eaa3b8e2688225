"""Documents that hold a held-out text of other data are found; phrases of the house and the control prove nothing."""

import random

import numpy as np
import polars as pl
import pytest

from chartune.tasks.decontamination import Decontamination, Fingerprints, left_out

WORDS = [f"w{n}" for n in range(5000)]


def text(seed: int, words: int = 120) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


HELD_OUT = [text(n) for n in range(40)]


def prints() -> Fingerprints:
    return Fingerprints([pl.Series(HELD_OUT[:25]), pl.Series(HELD_OUT[25:])], "unwrapped")


def test_a_document_that_quotes_a_held_out_text_is_found_whatever_its_case_and_blanks() -> None:
    quoting = f"{text(900, 300)} {HELD_OUT[3].upper().replace(' ', chr(10))} {text(901, 300)}"
    documents = pl.Series([text(1000), quoting, HELD_OUT[30], text(1001)])
    assert prints().held(documents, 0.5).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("words", "found"), [(90, True), (40, False)])
def test_half_of_a_text_is_needed(words: int, found: bool) -> None:
    part = " ".join(HELD_OUT[7].split()[:words])
    assert prints().held(pl.Series([f"{part} {text(77)}"]), 0.5).tolist() == [found]


def test_phrases_of_the_house_lead_to_nobody() -> None:
    phrase = text(5, 60)
    shared = [f"{phrase} {text(2000 + n, 40)}" for n in range(30)]
    alike = Fingerprints([pl.Series(shared)], "unwrapped")
    assert alike.held(pl.Series([f"{phrase} {text(3000, 40)}"]), 0.5).tolist() == [False]
    assert alike.held(pl.Series([shared[4]]), 0.5).tolist() == [True]


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = pl.Series([HELD_OUT[n] if n % 3 == 0 else text(5000 + n) for n in range(39)])
    whole = prints().held(documents, 0.5)
    monkeypatch.setattr("chartune.tasks.decontamination.BLOCK", 4)
    assert np.array_equal(prints().held(documents, 0.5), whole)
    assert whole.sum() == 13
    assert prints().held(pl.Series([], dtype=pl.String), 0.5).tolist() == []


def test_the_control_leaves_out_as_many_others() -> None:
    documents = pl.DataFrame({"note_id": [f"n{n}" for n in range(50)]})
    held = pl.Series("note_id", ["n3", "n4", "n5"])
    assert sorted(left_out(documents, held, control=False)["note_id"]) == ["n3", "n4", "n5"]
    others = left_out(documents, held, control=True)["note_id"].to_list()
    assert len(set(others) - {"n3", "n4", "n5"}) == 3
    assert others == left_out(documents.reverse(), held, control=True)["note_id"].to_list()


def test_data_to_compare_with_must_be_named() -> None:
    with pytest.raises(ValueError, match="against"):
        Decontamination(against=())
