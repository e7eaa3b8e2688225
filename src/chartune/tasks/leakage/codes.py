"""Codes: does a text name the very codes that it is to be labelled with?

    label 428 (heart failure)      "... CHF (428.0)", "dx 4280", "428.21"     named
                                   "bed 428", "WBC 42.8"                      not: three digits may be anything

Numbers look like codes, so some are found by chance. How many is measured by asking each text for the labels of the
next one of its split: only what exceeds that is a leak.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from chartune.notes.clean import DEIDENTIFIED
from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.shares import Share, enough, share

LOOKS_LIKE_CODE: Final = re.compile(r"[A-Z]?\d[0-9A-Z]{1,6}")
"""A label that is a code or a group of codes: `428`, `V458`, `I50`, `0DT`, and `66` as published for procedures."""
NAMED: Final = (
    r"\b(?:\d{2,3}\.\d{1,2}|\d{4,5}|[A-Z]\d{2}[0-9A-Z]?(?:\.[0-9A-Z]{1,4}|[0-9A-Z]{1,3})?|[0-9][0-9A-Z]{6})\b"
)
"""What may be a code in a text: `428.0`, `33.31`, `4280`, `I50`, `I50.23`, `V45.81`, `E880.9`, `0DT60ZZ`."""
TELLING: Final = 2.0
"""So many times more often than by chance."""


@dataclass(frozen=True)
class Codes:
    """Texts that name a code of a label that they bear."""

    split: str
    own: Share
    """Of the texts with a label."""
    by_chance: Share
    """The same, each text with the labels of another."""
    telling: bool
    """Whether more texts than by chance name their codes; decided before small counts are hidden."""


def asks_for_codes(space: LabelSpace) -> bool:
    """Whether the labels of a task are codes."""
    return bool(space.labels) and all(LOOKS_LIKE_CODE.fullmatch(label) for label in space.labels)


def named(block: pl.DataFrame, space: LabelSpace) -> pl.DataFrame:
    """Whether each text names a code of its labels, and of those of the next text of its split.

    Args:
        block: `split`, `text`, `label` (a number or a list of numbers into the space).
        space: its labels are codes.

    Returns:
        `labelled`, `own`, `by_chance`: booleans [n].
    """
    rows = block.with_row_index("row")
    mentioned = _named(rows, sorted({len(label) for label in space.labels}))
    following = pl.col("row").shift(-1).fill_null(pl.col("row").first()).over("split")
    borne = _borne(rows, space.labels)
    others = rows.select("row", other=following).join(borne, left_on="other", right_on="row").select("row", "code")
    own, chance = (labels.join(mentioned, on=["row", "code"], how="semi")["row"] for labels in (borne, others))
    here = {"labelled": borne["row"], "own": own, "by_chance": chance}
    return rows.select(pl.col("row").is_in(those.unique().implode()).alias(name) for name, those in here.items())


def codes(marks: pl.DataFrame) -> tuple[Codes, ...]:
    """How many texts name their codes. marks: `split` and the columns of `named`."""
    labelled = marks.filter("labelled")
    groups = labelled.group_by("split", maintain_order=True)
    return tuple(_codes(str(split), group["own"], group["by_chance"]) for (split,), group in groups)


def _codes(split: str, own: pl.Series, by_chance: pl.Series) -> Codes:
    own_count, chance = int(own.sum()), int(by_chance.sum())
    telling = enough(own_count) and own_count > TELLING * chance
    return Codes(split, share(own_count, len(own)), share(chance, len(own)), telling)


def _named(rows: pl.DataFrame, lengths: Sequence[int]) -> pl.DataFrame:
    """The beginnings, of these lengths, of whatever may be a code, dots dropped: row · code."""
    seen = pl.col("text").fill_null("").str.replace_all(DEIDENTIFIED, "").str.to_uppercase().str.extract_all(NAMED)
    each = rows.select("row", code=seen).explode("code", empty_as_null=True).drop_nulls("code")
    plain = each.with_columns(pl.col("code").str.replace(".", "", literal=True)).unique()
    begins = [plain.filter(pl.col("code").str.len_chars() >= length) for length in lengths]
    parts = [part.with_columns(pl.col("code").str.slice(0, n)) for part, n in zip(begins, lengths, strict=True)]
    return pl.concat(parts).unique()


def _borne(rows: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
    """The labels that each row bears, by name: row · code."""
    numbers = rows.select("row", "label")
    if isinstance(numbers.schema["label"], pl.List):
        numbers = numbers.explode("label", empty_as_null=True)
    numbers = numbers.drop_nulls("label")
    names = pl.Series("code", list(labels), dtype=pl.String)
    return numbers.select("row", code=names.gather(numbers["label"].cast(pl.UInt32)))
