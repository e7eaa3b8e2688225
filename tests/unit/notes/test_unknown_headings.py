"""Headings that no rule knows."""

import pytest

from chartune.notes.unknown_headings import unknown_headings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Anamnese:\nStolperte\n\nKörperlicher  Befund: T 38\n", {"anamnese", "körperlicher befund"}),
        ("Text\n \nHISTORY\nfell\n\nAlone\n", {"history"}),
        ("Befund (1):\n\nSeen on 3:\n\nLab 2:\n", set()),
        ("Chief Complaint:\nfall\n\nHPI: fell\n\nHospital Course:\nlong\n\nDischarge Instructions:\nrest\n", set()),
        ("Text\nNot after an empty line:\nwords\n", set()),
        ("\n\nHe said to his wife on the way:\nwords\n", set()),
        ("\n\nAbcdefghij klmnopqrst uvwxyzabcd efghijklmn:\nwords\n", set()),
    ],
)
def test_a_heading_is_a_short_line_of_letters_that_no_rule_knows(text: str, found: set[str]) -> None:
    assert unknown_headings(text) == found


def test_a_variant_is_unknown_where_only_the_papers_headings_are_known() -> None:
    assert unknown_headings("HPI:\nfell\n\nChief Complaint:\nfall", "core") == {"hpi"}
