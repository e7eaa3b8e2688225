"""Patterns that do not mind case: the same matches at the same places, whichever letters stand around them."""

import pytest

from chartune.notes.caseless import caseless


@pytest.mark.parametrize("text", ["No FEVER.", "no fever.", "İİ no Fever.", "Fièvre: FEVER.", "FEVER. Straße"])
def test_a_match_stands_where_it_stands_in_the_text(text: str) -> None:
    found = [text[match.start() : match.end()] for match in caseless(r"\bfever\S*")(text)]
    assert [words.lower() for words in found] == ["fever."]


def test_letters_that_count_as_others_are_found_beyond_ascii_only() -> None:
    assert [match[0] for match in caseless("mask")("MAſK on")] == ["MAſK"]
