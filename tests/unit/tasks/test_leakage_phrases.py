"""Phrases of the outcome, learnt: what goes along with it is listed, what chance or one patient does is not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.blocks import Rows
from chartune.tasks.leakage.examples import Prepared, look_at
from chartune.tasks.leakage.fisher import discoveries, p_values, strengths
from chartune.tasks.leakage.grams import counted, one_each, words_of
from chartune.tasks.leakage.phrases import Learning, Phrases, phrases
from chartune.tasks.leakage.shares import Share, hidden, share
from chartune.tasks.leakage.verdicts import PHRASES, Verdict, verdicts

BINARY = LabelSpace("binary", ("survived", "died"), ("survived", "died"))
DEAD, LIVING = 86, 657
WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "nu") for b in ("ra", "se", "ti", "vo", "zu") for c in "xyzwq"]
PLAIN = "the patient came with pain and fever"


def ward(seed: int, words: int = 30, dead: int = DEAD, living: int = LIVING) -> dict[str, Any]:
    """Training patients, the dead first, whose texts are words of chance."""
    chance = np.random.default_rng(seed)
    texts = [" ".join(chance.choice(WORDS, words)) for _ in range(dead + living)]
    people = range(dead + living)
    return {
        "subject_id": list(people),
        "split": ["train"] * len(people),
        "label": [1] * dead + [0] * living,
        "text": texts,
    }


def ended(rows: dict[str, Any], ending: str, people: Sequence[int]) -> dict[str, Any]:
    """The rows with some more words in the texts of some."""
    texts = [f"{text} {ending}" if n in people else text for n, text in enumerate(rows["text"])]
    return {**rows, "text": texts}


def prepared(folder: Path, rows: dict[str, Any]) -> Rows:
    pl.DataFrame(rows).write_parquet(folder / "some.parquet")
    return Rows(folder / "some.parquet", ("train",))


def learnt(folder: Path, rows: dict[str, Any], how: Learning | None = None) -> Phrases:
    return phrases(prepared(folder, rows), BINARY, how or Learning())


def named(phrases: Phrases) -> list[str]:
    return [one.phrase for one in phrases.shown]


def judged(phrases: Phrases, folder: Path) -> Verdict:
    seen = look_at(Prepared("some", "as-given", BINARY, folder / "some.parquet"), (), {})
    (verdict,) = [one for one in verdicts((), (), [seen], ()) if one.law == PHRASES]
    return verdict


def test_a_word_of_nine_of_86_dead_and_of_nobody_who_lives_is_listed(tmp_path: Path) -> None:
    found = learnt(tmp_path, ended(ward(0), "an autopsy was done", range(9)))
    assert named(found)[0] == "autopsy"
    assert (found.rare[0].present, found.rare[0].absent) == (share(9, DEAD), share(0, LIVING))
    assert found.label == "died"
    verdict = judged(found, tmp_path)
    assert verdict.standing == "look"
    assert "'autopsy' 9 of 86 (10.5 %), others 0 of 657" in verdict.detail


def test_words_of_chance_are_not_listed_and_the_law_holds(tmp_path: Path) -> None:
    found = learnt(tmp_path, ward(1))
    assert found.tested > 100
    assert (found.passed, found.shown) == (0, ())
    assert judged(found, tmp_path).standing == "pass"


def test_of_shuffled_labels_nothing_is_listed_in_twenty_shuffles_though_single_tests_would_list_some() -> None:
    """Four hundred phrases in ten to four hundred of 743 patients."""
    chance = np.random.default_rng(7)
    has = chance.random((400, DEAD + LIVING)) < chance.uniform(0.015, 0.5, (400, 1))
    listed, single = 0, 0
    for _ in range(20):
        dead = chance.permutation(DEAD + LIVING) < DEAD
        p = p_values(has[:, dead].sum(axis=1), has[:, ~dead].sum(axis=1), DEAD, LIVING)
        listed, single = listed + int(discoveries(p, 0.01).sum()), single + int((p <= 0.01).sum())
    assert (listed, single > 30) == (0, True)


def test_of_phrases_that_are_listed_few_are_there_by_chance(tmp_path: Path) -> None:
    rows = ward(2)
    for n in range(10):
        rows = ended(rows, f"telling{WORDS[n]}", range(3 * n, 3 * n + 12))
    found = learnt(tmp_path, rows, Learning(false_discovery=0.2))
    assert sum(one.phrase.startswith("telling") or "telling" in one.phrase for one in found.shown) >= 9
    assert sum("telling" not in one.phrase for one in found.shown) <= 4


def test_the_p_values_are_those_of_scipy() -> None:
    chance = np.random.default_rng(3)
    present, absent = chance.integers(0, 41, 60), chance.integers(0, 91, 60)
    ours = p_values(present, absent, 40, 90)
    theirs = [fisher_exact(np.array([[a, b], [40 - a, 90 - b]]))[1] for a, b in zip(present, absent, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert p_values(np.array([9]), np.array([0]), DEAD, LIVING)[0] == pytest.approx(
        fisher_exact(np.array([[9, 0], [DEAD - 9, LIVING]]))[1], rel=1e-9
    )


@pytest.mark.parametrize("level", [0.01, 0.1, 0.5])
def test_what_is_believed_is_what_scipy_believes(level: float) -> None:
    p = np.random.default_rng(4).beta(0.3, 2, 200)
    np.testing.assert_array_equal(discoveries(p, level), false_discovery_control(p, method="bh") <= level)
    assert not discoveries(np.array([]), level).size


def test_a_patient_counts_once_however_many_admissions_have_the_word(tmp_path: Path) -> None:
    rows = ended(ward(5), "zebra", range(40))
    rows["subject_id"] = [0] * 40 + rows["subject_id"][40:]  # forty admissions of one who died
    assert named(learnt(tmp_path, rows)) == []
    found = counted(prepared(tmp_path, rows), one_each(prepared(tmp_path, rows)), 1)
    (row,) = found.filter(pl.col("phrase") == "zebra").to_dicts()
    assert (row["present"], row["absent"]) == (1, 0)


def test_a_patient_is_looked_at_by_the_admission_with_the_outcome(tmp_path: Path) -> None:
    rows = {"subject_id": [1, 1, 2, 2], "split": ["train"] * 4, "label": [0, 1, 0, 0], "text": ["aa", "bb", "cc", "dd"]}
    patients = one_each(prepared(tmp_path, rows))
    assert sorted(patients.rows()) == [(1, True), (2, False)]


def test_validation_and_test_texts_are_not_looked_at(tmp_path: Path) -> None:
    rows = ward(6)
    held = {**ended(ward(6), "autopsy", range(60)), "subject_id": list(range(5000, 5000 + DEAD + LIVING))}
    for split in ("validation", "test"):
        both = {name: rows[name] + ([split] * len(rows["split"]) if name == "split" else held[name]) for name in rows}
        prepared(tmp_path, both)
        found = look_at(Prepared("some", "as-given", BINARY, tmp_path / "some.parquet"), (), {}).phrases
        assert found == learnt(tmp_path, rows)
        assert found is not None
        assert (found.tested > 0, found.shown) == (True, ())


@pytest.mark.parametrize(("people", "listed"), [(10, ["autopsy"]), (9, [])])
def test_of_real_patients_a_phrase_is_named_only_where_ten_share_it(
    people: int, listed: list[str], tmp_path: Path
) -> None:
    shown = hidden(learnt(tmp_path, ended(ward(0), "autopsy", range(people))))
    assert named(shown) == listed
    assert shown.withheld == (0 if listed else 1)
    if listed:
        assert shown.listed[0].present == Share(10, 80, 14.5 / 84.5, rounded=True)
        assert shown.listed[0].absent.count == 0


def test_of_real_patients_the_order_tells_no_more_than_the_classes(tmp_path: Path) -> None:
    rows = ended(ended(ward(0), "zulu", range(18)), "alfa", range(40, 52))
    found = learnt(tmp_path, rows)
    assert named(found)[:2] == ["zulu", "alfa"]
    assert named(hidden(found))[:2] == ["alfa", "zulu"]


def test_a_phrase_below_the_support_is_not_tried(tmp_path: Path) -> None:
    rows = ended(ward(0), "autopsy", range(9))
    assert "autopsy" in named(learnt(tmp_path, rows, Learning(support=9)))
    assert "autopsy" not in named(learnt(tmp_path, rows, Learning(support=10)))


def test_phrases_of_two_and_three_words_are_learnt_where_their_words_alone_tell_nothing(tmp_path: Path) -> None:
    rows = {**ward(0), "text": ["care was seen withdrawn"] * (DEAD + LIVING)}
    rows["text"][:30] = ["seen care was withdrawn"] * 30
    found = learnt(tmp_path, rows)
    assert {"seen care", "was withdrawn"} <= set(named(found))
    (row,) = (
        counted(prepared(tmp_path, rows), one_each(prepared(tmp_path, rows)), 5)
        .filter(pl.col("phrase") == "care was withdrawn")
        .to_dicts()
    )
    assert (row["present"], row["absent"]) == (30, 0)


def test_a_phrase_is_not_listed_again_within_a_longer_one_and_at_most_twenty_are(tmp_path: Path) -> None:
    rows = ended(ward(0), "an autopsy was done", range(20))
    assert named(learnt(tmp_path, rows))[0] == "autopsy"  # all are as strong: fewest words, most letters
    many = ended(ward(0), ". ".join(f"sign{a}{b}" for a in "abcde" for b in "abcde"), range(20))
    found = learnt(tmp_path, many)
    assert (found.passed, len(found.listed)) == (25, 20)


def test_what_is_strong_comes_before_what_is_frequent() -> None:
    rare, frequent = strengths(np.array([9, 40]), np.array([0, 120]), DEAD, LIVING)
    assert rare > frequent > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Pt died; AUTOPSY done", ["pt", "died", None, "autopsy", "done"]),
        ("seen [**Name 12**] and [**2151-7-16**] left", ["seen", None, "and", None, "left"]),
        ("by [NAME] or <DATE> or ___ or 3/4 ok", ["by", None, "or", None, "or", None, "or", None, None, "ok"]),
        ("trach/peg brain-dead\nfamily's", ["trach", "peg", "brain", "dead", "family's"]),
        ("a 65yo q6h", [None, None, "yo", None, None, None]),
        ("nicht überlebt", ["nicht", "überlebt"]), ("", []), (None, []),
    ],
)  # fmt: skip
def test_words_are_letters_and_a_phrase_ends_at_all_else(text: str | None, words: list[str | None]) -> None:
    frame = pl.DataFrame({"row": [0], "asked": [True], "text": [text]}, schema_overrides={"text": pl.String})
    found = words_of(frame)["word"].to_list()
    assert [word for n, word in enumerate(found) if word or (n and found[n - 1])] == [
        word for n, word in enumerate(words) if word or (n and words[n - 1])
    ]


def test_what_is_written_as_names_are_is_not_named(tmp_path: Path) -> None:
    """Half of the dead were seen by one physician, and had an order that is written in capitals."""
    rows = ended(ward(0), "seen by Smith and JOHNSON was DNR", range(40))
    found = learnt(tmp_path, rows)
    every = counted(prepared(tmp_path, rows), one_each(prepared(tmp_path, rows)), 5)["phrase"].to_list()
    assert not [phrase for phrase in every if "smith" in phrase or "johnson" in phrase]
    assert "dnr" in every
    assert found.passed > 0


def test_a_word_that_others_write_small_counts_with_a_capital_too(tmp_path: Path) -> None:
    rows = ended(ended(ward(0), "Hospice called", range(20)), "on hospice", range(20, 25))
    (row,) = (
        counted(prepared(tmp_path, rows), one_each(prepared(tmp_path, rows)), 5)
        .filter(pl.col("phrase") == "hospice")
        .to_dicts()
    )
    assert row["present"] == 25


def test_texts_in_capitals_throughout_are_learnt_from(tmp_path: Path) -> None:
    rows = ward(0)
    rows["text"] = [f"{text} AUTOPSY".upper() if n < 12 else text.upper() for n, text in enumerate(rows["text"])]
    assert named(learnt(tmp_path, rows))[0] == "autopsy"


def test_no_phrase_joins_two_texts(tmp_path: Path) -> None:
    rows = {
        "subject_id": range(40),
        "split": ["train"] * 40,
        "label": [1, 0] * 20,
        "text": ["one two", "three four"] * 20,
    }
    every = counted(prepared(tmp_path, rows), one_each(prepared(tmp_path, rows)), 2)["phrase"].to_list()
    assert every == ["four", "one", "one two", "three", "three four", "two"]


def test_only_questions_of_yes_or_no_are_learnt_from(tmp_path: Path) -> None:
    rows = {"subject_id": [1], "split": ["train"], "label": [0], "text": [PLAIN]}
    prepared(tmp_path, rows)
    three = LabelSpace("multiclass", ("a", "b", "c"), ("", "", ""))
    assert look_at(Prepared("some", "as-given", three, tmp_path / "some.parquet"), (), {}).phrases is None
    assert learnt(tmp_path, rows) == Phrases("died", 0, 0, ())
