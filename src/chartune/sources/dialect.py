"""How a program has written a table: what stands between cells, how bytes are letters, how a quote stands in a text.

RFC 4180, the default    cells between commas, a quote within quotes doubled, UTF-8
Excel in Germany         cells between semicolons, in cp1252
Spark, MySQL             a quote within quotes behind a backslash
"""

from dataclasses import dataclass
from typing import Final, Literal

Escape = Literal["doubled", "backslash"]
"""How a quote stands within a quoted cell: as two of them, or behind a backslash."""
Delimiter = Literal[",", ";", "\t", "|"]
"""What stands between two cells."""
Encoding = Literal[
    "utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15", "cp1250", "iso-8859-2", "cp1251", "cp437", "cp850",
    "mac-roman", "shift-jis", "gb18030",
]  # fmt: skip
"""How bytes are letters, by the names of Python's codecs."""

LONGEST_ROW: Final = 16 * 2**20
"""Bytes of a row, and so of a line and of a cell, above which it is no row of notes but damage or a bomb: the longest
notes of MIMIC have some 100,000."""
NULL_MARKS: Final = (
    "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "Null", "null", "None", "\\N", ".",
)  # fmt: skip
"""What programs write where nothing is known: R, pandas, Excel, Python, SQL, SAS and Stata. `none` is a word."""
NEVER_VALUES: Final = ("#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "\\N")
"""Those of them that no chart holds as a value."""


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    delimiter: Delimiter | None = None
    """None: a comma, or a tab in a file that ends in `.tsv`."""
    encoding: Encoding = "utf-8"
    escape: Escape = "doubled"
    longest_row: int = LONGEST_ROW
    """Bytes of a row; longer ones are refused before they fill the memory."""
    null_marks: tuple[str, ...] = ()
    """What means nothing, beside an empty cell."""


PLAIN: Final = Dialect()
"""What RFC 4180 says, in UTF-8."""
