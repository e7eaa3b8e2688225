"""Containment equals what sets of tuples say, in blocks and rounds of any size; boilerplate proves nothing."""

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from chartune.tasks.containment import held_out
from chartune.tasks.containment import round as rounds_module
from chartune.tasks.containment.held_out import HeldOutTexts, holding
from chartune.tasks.containment.round import LEAST
from chartune.tasks.containment.settings import AUDITED, BOILERPLATE, NearCopies
from chartune.tasks.containment.shingles import WORDS, Masks, shingles

Run = tuple[str, ...]


def runs_of(text: str) -> set[Run]:
    """By hand: sets of tuples of eight words of small letters and digits."""
    words = [word for word in re.split(r"[\W_]+", text.lower()) if word]
    return {tuple(words[n : n + WORDS]) for n in range(len(words) - WORDS + 1)}


def by_hand(
    held: Sequence[tuple[int, str]], documents: Sequence[str], boilerplate: int
) -> tuple[list[int], list[list[float]]]:
    """Rare runs of each held-out text; and for each the share of them in every document, 0 where it is not judged."""
    whose: defaultdict[Run, set[int]] = defaultdict(set)
    for subject, text in held:
        for run in runs_of(text):
            whose[run].add(subject)
    rare = [{run for run in runs_of(text) if len(whose[run]) <= boilerplate} for _, text in held]
    known = [runs_of(document) for document in documents]
    shares = [[len(mine & theirs) / len(mine) if len(mine) >= LEAST else 0.0 for theirs in known] for mine in rare]
    return [len(mine) for mine in rare], shares


def looked(
    folder: Path, held: Sequence[tuple[int, str]], documents: Sequence[str], boilerplate: int = BOILERPLATE,
    block: int = 50, masks: Masks = "unwrapped",
) -> tuple[list[int], list[list[float]]]:  # fmt: skip
    """The same by the engine, texts and documents in blocks."""
    texts = HeldOutTexts(folder / "some.pile", masks, boilerplate)
    frame = pl.DataFrame(held, schema={"subject_id": pl.Int64, "text": pl.String}, orient="row")
    numbers = np.concatenate([texts.add(part) for part in frame.iter_slices(block)])
    sizes, shares = np.zeros(len(texts), dtype=np.int64), np.zeros((len(texts), len(documents)))
    with texts:
        for some in texts.rounds():
            sizes[some.first : some.first + len(some.sizes)] = some.sizes
            for start in range(0, len(documents), block):
                for part in some.look_in(pl.Series(documents[start : start + block], dtype=pl.String)):
                    assert not shares[part.texts, part.documents + start].any()  # every pair comes once
                    shares[part.texts, part.documents + start] = part.shares
    assert not list(folder.iterdir())
    return sizes[numbers].tolist(), shares[numbers].tolist()


def some_text(dice: random.Random, phrases: Sequence[str]) -> str:
    """Words of a small vocabulary, long ones among them, boilerplate, punctuation and masks."""
    parts = []
    for _ in range(dice.randrange(0, 12)):
        if dice.random() < 0.4:
            parts.append(dice.choice(phrases))
        else:
            words = dice.choices(
                ["pain", "no", "Hydrochlorothiazide", "seen", "at", "3.5mg", "[**Hospital 18**]", "x-ray"], k=7
            )
            parts.append(dice.choice([" ", "\n", ". ", "; ", "_"]).join(words))
    return dice.choice([" ", "\n\n", " - "]).join(parts)


def spliced(dice: random.Random, text: str) -> str:
    """Some words of a text that follow each other."""
    words = text.split()
    first = dice.randrange(len(words) + 1)
    return " " + " ".join(words[first : first + dice.randrange(60)])


@pytest.mark.parametrize("seed", range(6))
def test_random_texts_are_contained_as_sets_of_tuples_say(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    phrases = [" ".join(f"Phrase{n}w{word % 17}" for word in range(dice.randrange(3, 25))) for n in range(12)]
    held = [(dice.randrange(8), some_text(dice, phrases)) for _ in range(60)]
    documents = [some_text(dice, phrases) + spliced(dice, dice.choice(held)[1]) for _ in range(80)]
    expected = by_hand([(s, t.replace("[**", "").replace("**]", "")) for s, t in held],
                       [t.replace("[**", "").replace("**]", "") for t in documents], boilerplate=3)  # fmt: skip
    found = looked(tmp_path, held, documents, boilerplate=3, block=dice.choice([1, 7, 80]))
    assert found[0] == expected[0]
    assert np.allclose(found[1], expected[1])
    flat = np.array(expected[1])
    assert ((flat > 0.25) & (flat < 0.9)).sum() > 5  # the texts are such that there is something to get wrong
    assert 0 < sum(size >= LEAST for size in expected[0]) < 60


@pytest.mark.parametrize("seed", range(3))
def test_neither_blocks_nor_rounds_nor_pairs_at_once_change_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    phrases = [" ".join(f"p{n}w{word}" for word in range(20)) for n in range(9)]
    held = [(n % 9, some_text(dice, phrases)) for n in range(70)]
    documents = [some_text(dice, phrases) + spliced(dice, dice.choice(held)[1]) for _ in range(60)]
    whole = looked(tmp_path, held, documents, boilerplate=5)
    monkeypatch.setattr(held_out, "ROUND", 150)
    monkeypatch.setattr(rounds_module, "PAIRS", 40)
    assert looked(tmp_path, held, documents, boilerplate=5, block=9) == whole
    texts = HeldOutTexts(tmp_path / "some.pile", "unwrapped", 5)
    texts.add(pl.DataFrame(held, schema={"subject_id": pl.Int64, "text": pl.String}, orient="row"))
    assert len(list(texts.rounds())) > 5


def words(seed: int, count: int) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}x{n}" for n in range(count)]


def test_a_run_of_more_than_so_many_patients_is_a_phrase_of_the_house_however_often_one_has_it(tmp_path: Path) -> None:
    phrase = " ".join(words(0, 40))
    of_some = [
        (subject, f"{phrase} {' '.join(words(subject * 9 + copy + 1, 5))}") for subject in range(4) for copy in range(9)
    ]
    assert min(looked(tmp_path, of_some, [phrase], boilerplate=4)[0]) == 40 - 7 + 5
    assert max(looked(tmp_path, of_some, [phrase], boilerplate=3)[0]) == 5 + 7 - 7


@pytest.mark.parametrize(("length", "judged"), [(15, True), (14, False), (3, False), (0, False)])
def test_a_text_of_fewer_than_eight_runs_is_not_judged(tmp_path: Path, length: int, judged: bool) -> None:
    text = " ".join(words(1, length))
    sizes, shares = looked(tmp_path, [(1, text), (2, " ".join(words(2, 30)))], [text])
    assert (sizes[0] >= LEAST, shares[0][0]) == (judged, float(judged))


def test_letters_of_every_alphabet_count(tmp_path: Path) -> None:
    """Of a text in Cyrillic letters, small and capital ones, the words are kept apart and no other text is the same."""
    text = "Больной поступил в стационар с жалобами на боль в груди, одышку и слабость; курит с детства, не пьёт."
    other = "Пациентка жалуется на головную боль и тошноту после еды — три дня, лихорадки нет, кашля нет, отёков нет."
    (size, _), (shares, others) = looked(tmp_path, [(1, text), (2, other)], [text.upper().replace(" ", "  ")])
    assert size == len(runs_of(text))
    assert (shares, others) == ([1.0], [0.0])


@pytest.mark.parametrize("masks", ["dropped", "unwrapped"])
def test_how_letters_are_encoded_hides_no_text(tmp_path: Path, masks: Masks) -> None:
    """Soft hyphens, wide letters, accents of their own: beside the same text in plain letters it had shared nothing."""
    text = " ".join(f"Fièvre{n} et toux{n}" for n in range(20))
    wide = "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)
    documents = ["\u00ad".join(text), wide, unicodedata.normalize("NFD", text), text.replace("e", "e\u200b")]
    (shares,) = looked(tmp_path, [(1, text)], documents, masks=masks)[1]
    assert shares == [1.0] * 4


def test_masks_of_two_releases_hide_nothing_where_they_are_dropped(tmp_path: Path) -> None:
    text = "seen at {} by Dr. {} for chest pain and given aspirin after which the pain went away at once, slept well"
    masked, other = text.format("[**Hospital 18**]", "[**Name (NI) 3**]"), text.format("___", "___")
    assert looked(tmp_path, [(1, masked)], [other], masks="dropped")[1] == [[1.0]]
    assert looked(tmp_path, [(1, masked)], [masked.replace("[**", "").replace("**]", "")])[1] == [[1.0]]


def test_a_text_of_no_words_and_none_at_all_are_no_error(tmp_path: Path) -> None:
    assert looked(tmp_path, [(1, ""), (2, " ?! ")], ["", "one two"]) == ([0, 0], [[0.0, 0.0], [0.0, 0.0]])
    assert looked(tmp_path, [(1, " ".join(words(1, 30)))], [])[0] == [23]
    empty = HeldOutTexts(tmp_path / "some.pile", "unwrapped", 16)
    assert list(empty.rounds()) == []
    assert shingles(pl.Series(["x"], dtype=pl.String), "dropped")[1].tolist() == [0]


def test_the_documents_that_hold_a_share_are_told_in_their_order(tmp_path: Path) -> None:
    text = words(1, 47)  # forty runs
    documents = [" ".join(words(9, 30)), *(" ".join(text[: 7 + runs]) for runs in (9, 10, 20, 40)), "", None]
    frame = pl.DataFrame({"text": documents}, schema={"text": pl.String})
    with HeldOutTexts(tmp_path / "some.pile", "unwrapped", 16) as held:
        held.add(pl.DataFrame({"subject_id": [1], "text": [" ".join(text)]}))
        found = [holding(held, lambda: frame.iter_slices(2), share, "looking") for share in (0.25, 0.5, 1.0)]
    assert [flags.nonzero()[0].tolist() for flags in found] == [[2, 3, 4], [3, 4], [4]]
    assert len(found[0]) == len(documents)


def test_preparation_never_lets_pass_what_the_audit_fails() -> None:
    assert (NearCopies().containment, AUDITED, NearCopies().boilerplate) == (0.25, 0.5, 16)
    with pytest.raises(ValidationError, match="containment"):
        NearCopies(containment=0.51)
