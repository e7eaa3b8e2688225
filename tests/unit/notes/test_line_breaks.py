"""Line breaks that are written out: whose texts are repaired, and whose backslashes mean what they say."""

import polars as pl
import pytest

from chartune.notes.line_breaks import repaired, written_out


@pytest.mark.parametrize(
    ("text", "out"),
    [
        (r"Chief Complaint:\nFever\n\nAllergies:\nlatex", True),
        (r"Chief Complaint:\r\nFever\r\n\r\nAllergies:\r\nlatex", True),
        ("Chief Complaint:\\nFever\\n\\nAllergies:\\nlatex\n", True),  # the file's own line end
        ("Complaint:\\nFever\\n\nHer note says \\n and then ends.\nNothing\nelse.\n", False),
        ("one\\ntwo\nthree", False),  # as many of both
        (r"Images lie in C:\new\notes and \\nas1\notes only.", False),
        (r"S:\nfever since two days\nO: T 38\n", True),
        (r"fever \newer than before", True),  # not told apart, as is said
        ("Fever\nand cough", False),
        ("nothing", False),
        ("", False),
        (None, False),
    ],
)
def test_a_text_of_more_written_out_line_breaks_than_line_breaks_is_known(text: str | None, out: bool) -> None:
    assert written_out(pl.Series([text, "other"], dtype=pl.String)).to_list() == [out, False]


@pytest.mark.parametrize("end", [r"\n", r"\r\n", r"\\n", r"\\r\\n"])
def test_each_becomes_one_line_break(end: str) -> None:
    assert repaired(pl.Series([f"Fever{end}{end}S:{end}well"])).to_list() == ["Fever\n\nS:\nwell"]
