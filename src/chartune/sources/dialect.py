"""How a program has written a table: what stands between cells, how bytes are letters, how a quote stands in a text.

RFC 4180, the default    cells between commas, a quote within quotes doubled, UTF-8
Excel in Germany         cells between semicolons, in cp1252
Spark, MySQL             a quote within quotes behind a backslash
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from chartune.config import Config, Unhashed

Escape = Literal["doubled", "backslash"]
"""How a quote stands within a quoted cell: as two of them, or behind a backslash."""
Delimiter = Literal[",", ";", "\t", "|"]
"""What stands between two cells."""
Encoding = Literal[
    "utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15", "cp1250", "iso-8859-2", "cp1251", "cp437", "cp850",
    "mac-roman", "shift-jis", "gb18030",
]  # fmt: skip
"""How bytes are letters, by the names of Python's codecs."""

GLUE: Final = "\n"
"""Stands between the items of a list in one cell: paragraphs of a text, labels of a document."""
LONGEST_ROW: Final = 16 * 2**20
"""Bytes of a row, and so of a line, above which it is no row of notes but damage or a bomb: the longest notes of MIMIC
have some 100,000."""
LONGEST_CELL: Final = LONGEST_ROW
"""Bytes of a cell: a table without other cells may have one that fills its row."""
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
    longest_cell: int = LONGEST_CELL
    """Bytes of a cell; of Parquet, which has no lines, the bound of a row holds for each cell, too."""
    null_marks: tuple[str, ...] = ()
    """What means nothing, beside an empty cell."""


PLAIN: Final = Dialect()
"""What RFC 4180 says, in UTF-8."""


class Bounds(Config):
    """How long rows and cells of a source may be: a switch of every reader, that says nothing of what is read."""

    longest_row: Annotated[int, Unhashed()] = Field(LONGEST_ROW, ge=1)
    """Bytes of a row, and so of a line; a longer one is refused before it fills the memory."""
    longest_cell: Annotated[int, Unhashed()] = Field(LONGEST_CELL, ge=1)
    """Bytes of a cell; a longer one is refused: of Parquet before its rows are read, where the file's footer tells."""
