"""Offsets against the words that they should lead to."""

import pytest

from chartune.sources.annotated.documents import Rows
from chartune.sources.annotated.findings import Findings
from chartune.sources.annotated.placing import Marked, place
from chartune.sources.annotated.spelling import WINDOW, Span, found_shift, key, spelt, tidied
from chartune.sources.annotated.tokens import ELSEWHERE, SINGLE, Lines

TEXT = "Pain and pain, chest\n pressure; Johnson & Johnson"


@pytest.mark.parametrize(
    ("pieces", "words", "right"),
    [
        ([(0, 4)], "pain", True),
        ([(15, 30)], "chest pressure", True),
        ([(32, 49)], "Johnson and Johnson", True),
        ([(15, 20), (22, 30)], "chest pressure", True),
        ([(15, 18), (18, 20)], "che st", True),
        ([(0, 4)], "pains", False),
        ([(0, 4)], "", False),
        ([(4, 4)], "", False),
        ([(45, 60)], "nson", False),
        ([(-4, 0)], "", False),
    ],
)
def test_case_blanks_and_ampersands_do_not_count(pieces: list[Span], words: str, right: bool) -> None:
    assert spelt(TEXT, pieces, words) is right


def test_entities_of_xml_spell_what_they_stand_for() -> None:
    assert key("patient&apos;s &quot;x&quot;") == key('Patient\'s "X"')


@pytest.mark.parametrize(
    ("pieces", "words", "usual", "shift"),
    [
        ([(9, 13)], "pain", 0, 0),
        ([(13, 17)], "pain", 0, -4),
        ([(5, 9)], "pain", 4, 4),
        ([(19, 24)], "chest", 0, -4),
        ([(15, 20)], "fever", 0, None),
        ([(15 + WINDOW, 20 + WINDOW)], "chest", 0, -WINDOW),
        ([(16 + WINDOW, 21 + WINDOW)], "chest", 0, None),
    ],
)
def test_offsets_that_are_a_little_off_are_moved(pieces: list[Span], words: str, usual: int, shift: int | None) -> None:
    assert found_shift(TEXT, pieces, words, usual) == shift


def test_words_that_stand_left_and_right_equally_near_are_nowhere() -> None:
    assert found_shift("ab--ab", [(2, 4)], "ab") is None


def test_pieces_are_joined_over_blanks_and_cut_to_their_words() -> None:
    assert tidied("left \n arm  and leg ", [(0, 5), (7, 12), (16, 20)]) == [(0, 10), (16, 19)]


def test_an_annotation_that_cannot_be_placed_is_counted_with_its_reason() -> None:
    rows, findings = Rows(), Findings()
    marked = [
        Marked("T1", "G", "a", ((0, 4),), "pain"),
        Marked("T1", "G", "a", ((0, 4),), "pain"),
        Marked("T2", "G", "a", ((9, 9),), ""),
        Marked("T3", "G", "a", (), "pain"),
        Marked("T4", "G", "a", ((15, 20),), "fever"),
        Marked("T5", "G", "new", ((15, 20),), "chest"),
    ]
    assert place("d", TEXT, marked, frozenset({"a"}), rows, findings) == {"T1", "T5"}
    assert findings.count("entities") == 4
    assert [finding.count for finding in findings.all()] == [1] * 5
    findings.reconcile({"entities": len(rows.entities)})


NOTE = " He  has pain\n\nlast  line"


@pytest.mark.parametrize(
    ("first", "last", "words", "span", "remark"),
    [
        ("1:0", "1:0", "he", (1, 3), ""),
        ("1:1", "1:2", "has pain", (5, 13), ""),
        ("1:3", "1:3", "has", (5, 8), SINGLE),
        ("1:2", "3:0", "pain last", (9, 19), ""),
        ("1:0", "1:0", "pain", (9, 13), ELSEWHERE),
        ("1:0", "3:1", "line", (21, 25), ELSEWHERE),
        ("1:0", "1:0", "fever", None, ""),
        ("1:9", "1:9", "", None, ""),
        ("9:0", "9:0", "he", None, ""),
        ("0:0", "0:0", "he", None, ""),
        ("2:0", "2:0", "he", None, ""),
    ],
)
def test_places_in_lines_and_tokens_become_characters(
    first: str, last: str, words: str, span: Span | None, remark: str
) -> None:
    assert Lines(NOTE).span(first, last, words) == (span, remark)
