r"""Line breaks that an export wrote out: a backslash and an n in place of each, so that a text is one long line.

    Chief Complaint:\nFever\n\nAllergies:\nlatex   ─repaired─▶   Chief Complaint:
                                                                 Fever
                                                                 ...

A text is taken for such where more of these stand in it than line breaks. What looks like a path (`C:\new\notes`,
`\\server\notes`) is not counted, and a few in running text (`\n` in a note about software) are outnumbered by the
lines of the note. Not distinguished: a text of one line with a single `\n` in it, which becomes two lines.
"""

import re
from typing import Final, Literal

import polars as pl

from chartune.notes.traced import Traced

Breaks = Literal["repaired", "as-written"]
"""What becomes of line breaks that are written out: line breaks, or what stands there is read, as by CORe's code."""
_WRITTEN_OUT: Final = r"(?:\\+r)?\\+n"
r"""`\n` and `\r\n`, each backslash once or, where an export was exported again, doubled."""
_PATH: Final = r"\b[A-Za-z]:(?:\\[\w.$-]+)+|\\\\[\w.$-]+(?:\\[\w.$-]+)+"
r"""A drive or a server, and names between backslashes. Headings of one letter (`S:\n...`) look like it, too: they are
not counted, but where others are enough they are repaired like them."""
_BREAK: Final = r"\r\n|\r|\n"


def written_out(texts: pl.Series) -> pl.Series:
    """Whether the line breaks of each text are written out, bool; of no text: no.

    Args:
        texts: str.
    """
    suspect = texts.str.contains(r"\n", literal=True).fill_null(False)
    if not suspect.any():  # as nearly always: searched without a pattern, it costs nothing
        return suspect
    counted = texts.str.replace_all(_PATH, "").str.count_matches(_WRITTEN_OUT)
    return suspect & (counted > texts.str.count_matches(_BREAK)).fill_null(False)


def repaired(texts: pl.Series) -> pl.Series:
    """The texts, each line break that is written out a line break. Args as `written_out`, which decides of whom."""
    return texts.str.replace_all(_WRITTEN_OUT, "\n")


def traced(text: str, breaks: Breaks) -> Traced:
    """One text as it is read, blanks at its ends taken off, with its places in the text as it was given."""
    given = Traced.of(text)
    if breaks == "repaired" and written_out(pl.Series([text], dtype=pl.String)).item():
        given = given.replaced(re.compile(_WRITTEN_OUT), "\n")
    return given.stripped()
