"""A note: one document of the chart, and the columns in which every source hands its notes on."""

from typing import Final

import polars as pl

SCHEMA: Final[dict[str, pl.DataType]] = {
    "note_id": pl.String(),
    "note_seq": pl.Int64(),
    "subject_id": pl.Int64(),
    "hadm_id": pl.Int64(),
    "chartdate": pl.Date(),
    "charttime": pl.Datetime("us"),
    "storetime": pl.Datetime("us"),
    "category": pl.String(),
    "category_padded": pl.Boolean(),
    "description": pl.String(),
    "is_error": pl.Boolean(),
    "text": pl.String(),
}
"""Columns of a frame of notes. `hadm_id` is null for notes written outside any admission; `note_seq` orders the notes
of one day, because a discharge summary has a date and no clock time; `category_padded`: in the table blanks stand
around the category, which are stripped here; `description`: as it stands in the table; `is_error`: somebody at the
bedside withdrew it. `charttime`: when it was written, `storetime`: when it was saved; null where unknown, as for
MIMIC-III's discharge summaries, which have a `chartdate` only.
"""

PLAIN: Final = "Note"
"""The category of a text that no chart has put into one."""

NOTES: Final = pl.DataFrame(schema=SCHEMA)
"""No notes at all, with the right columns."""
