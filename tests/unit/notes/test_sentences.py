"""Sentences: where they end, that their places are exact, and how neighbours are joined."""

import random
import re

import pytest

from chartune.notes.line_breaks import traced
from chartune.notes.sentences import Span, grouped, sentences
from chartune.notes.traced import Traced


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("He was septic. BP fell! Why?", ["He was septic.", "BP fell!", "Why?"]),
        ("He saw Dr. Lee at 3 p.m. She left.", ["He saw Dr. Lee at 3 p.m. She left."]),  # said to go on
        ("Seen vs. before, K 3.5 and rising. (Repeat.) Then home.", ["Seen vs. before, K 3.5 and rising.", "(Repeat.)",
                                                                    "Then home."]),
        ("a line that is\nbroken at its width. next goes on", ["a line that is\nbroken at its width. next goes on"]),
        ("Chief Complaint:\nFever\n\nAllergies: latex", ["Chief Complaint:\nFever", "Allergies: latex"]),
        ("Plan\n- fluids\n- lactate 4\n1. Home\n2) rest", ["Plan", "- fluids", "- lactate 4", "1. Home", "2) rest"]),
        ("well\nFamily History: none", ["well", "Family History: none"]),
        ("well\nas his note said: fine", ["well\nas his note said: fine"]),
        ('"I am ill." He said so.', ['"I am ill."', "He said so."]),
        ("seen by Dr.\n\nshe left.\n\nand p.o.\n- rest", ["seen by Dr.", "she left.", "and p.o.", "- rest"]),
        ("Grade 3. He is well.", ["Grade 3.", "He is well."]),
        ("At 38.5\N{DEGREE SIGN}. 😀 Well. \U0001f9ec", ["At 38.5\N{DEGREE SIGN}.", "😀 Well.", "\U0001f9ec"]),
        (" \n\t \n", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_sentence_ends_where_the_rule_says(text: str, parts: list[str]) -> None:
    assert [text[slice(*span)] for span in sentences(text)] == parts


def test_places_are_in_order_and_nothing_but_blanks_lies_between() -> None:
    chance = random.Random(3)
    for _ in range(300):
        text = "".join(chance.choice(["He ", "is", " ", "\n", "\n\n", ".", "! ", "- ", "A:", "1. ", "\t", "😀", ")"])
                       for _ in range(40))  # fmt: skip
        spans = sentences(text)
        outside, reached = "", 0
        for start, end in spans:
            assert reached <= start < end
            assert text[start:end] == text[start:end].strip()
            outside, reached = outside + text[reached:start], end
        assert not (outside + text[reached:]).strip()


def test_neighbours_are_joined_as_evenly_as_can_be() -> None:
    spans = [Span(10 * n, 10 * n + 5) for n in range(7)]
    assert grouped(spans, 9) == [(span, 1) for span in spans]
    assert grouped(spans, 3) == [(Span(0, 15), 2), (Span(20, 35), 2), (Span(40, 65), 3)]
    assert grouped([], 3) == []


def test_a_place_is_followed_back_through_repairs() -> None:
    text = r"  Fever.\n\nS:\r\nwell 😀  "
    read = traced(text, "repaired")
    assert read.text == "Fever.\n\nS:\nwell 😀"
    assert text[read.origin(read.text.index("well")) :].startswith("well")
    assert text[read.origin(0) :].startswith("Fever")
    assert [text[read.origin(span.start) : read.origin(span.end - 1) + 1] for span in sentences(read.text)] == [
        "Fever.", r"S:\r\nwell 😀",
    ]  # fmt: skip
    assert traced(text, "as-written").text == text.strip()


def test_every_character_is_followed_back() -> None:
    chance = random.Random(0)
    for _ in range(200):
        text = "".join(chance.choice(["a", "b", "\r\n", " ", "\n"]) for _ in range(30))
        once = Traced.of(text).replaced(re.compile("\r\n"), "\n").stripped().replaced(re.compile("ab"), "x")
        for place, letter in enumerate(once.text):
            before = text[once.origin(place) :]
            assert before.startswith({"x": "ab"}.get(letter, letter)) or (letter == "\n" and before[:1] == "\r")
