"""Made-up charts are thin; real ones are thick with what is not asked for. This makes them as thick.

                                    made-up     MIMIC-III    thickened
    notes of a stay                 4           35           35
    of them discharge summaries     1 in 4      1 in 35      1 in 32
    characters of a summary         2,000       9,600        9,600
    rows of events of an ICU stay   80          5,400        600, one in ten about breathing

Paragraphs go behind the heading of the hospital course, where real summaries are long, and behind other notes. They are
phrases of the base's ward notes in any order: made-up notes repeat whole sentences, and gzip would make too little of
them (7 : 1; NOTEEVENTS 3.6 : 1).
"""

from random import Random
from typing import Final

import polars as pl

AGAIN: Final = "_again"
"""Column of notes: which of the notes it is that come from one of the base."""
SUMMARY: Final = "Discharge summary"
LENGTHS: Final = {
    SUMMARY: 9600, "Radiology": 1500, "Nursing": 1700, "Nursing/other": 1100, "ECG": 220, "Physician ": 6500,
    "Echo": 2900, "Respiratory ": 1200,
}  # fmt: skip
"""Category → characters of a note: guesses with which MIMIC-III's 2,083,180 notes come to its 4 GB."""
WARD_NOTES: Final = 10
"""Notes for each ward note of the base."""
VITAL_SIGNS: Final = ("211", "646", "220045", "220277")
OTHER_ITEMS: Final = (
    "51", "52", "113", "161", "198", "212", "455", "456", "618", "677", "742", "787", "220050", "220051", "220052",
    "220179", "220180", "220181", "220210", "223761", "223900", "223901", "224054", "226512",
)  # fmt: skip
"""Items of MIMIC-III that are charted as often as a pulse and say nothing about breathing."""
PHRASE: Final = 3
"""Words that stay together in a paragraph."""
CHOICES: Final = 128
"""Paragraphs of a category to choose from."""


def thickened(cells: pl.DataFrame) -> pl.DataFrame:
    """A raw table with more of the rows that real charts have most of: ward notes, vital signs; others as they are."""
    if "TEXT" in cells.columns:
        times = pl.when(pl.col("CATEGORY") == SUMMARY).then(1).otherwise(WARD_NOTES)
        return cells.with_columns(pl.int_ranges(times).alias(AGAIN)).explode(AGAIN, empty_as_null=True)
    if "CHARTTIME" in cells.columns and "ITEMID" in cells.columns:
        item, others = pl.col("ITEMID"), pl.lit(list(OTHER_ITEMS), pl.List(pl.String))
        items = pl.when(item.is_in(VITAL_SIGNS)).then(pl.concat_list(item, others)).otherwise(pl.concat_list(item))
        return _with_values(cells.with_columns(items.alias("ITEMID")).explode("ITEMID", empty_as_null=True))
    return cells


def _with_values(events: pl.DataFrame) -> pl.DataFrame:
    """Events with values of their own for the further items: equal rows would be nothing to gzip."""
    tenths = pl.int_range(pl.len()) * 7919 % 1543
    value = pl.concat_str((tenths // 10).cast(pl.String), pl.lit("."), (tenths % 10).cast(pl.String))
    return events.with_columns(
        pl.when(pl.col("ITEMID").is_in(OTHER_ITEMS)).then(value).otherwise(pl.col(name)).alias(name)
        for name in ("VALUE", "VALUENUM")
    )


def paragraphs(cells: pl.DataFrame) -> dict[str, list[str]]:
    """Category → `CHOICES` texts, drawn from its ward notes, with which its notes come to their length.

    Lengths vary as those of charts do: from half to double.
    """
    random = Random(0)
    ward = cells.filter((pl.col("CATEGORY") != SUMMARY) & (pl.col(AGAIN) == 0))["TEXT"].drop_nulls().to_list()
    phrases = _phrases(ward)
    mean = dict(cells.group_by("CATEGORY").agg(pl.col("TEXT").str.len_chars().mean()).iter_rows())
    return {
        category: [
            _drawn(random, phrases, (length - mean[category]) * random.uniform(0.4, 1.6)) for _ in range(CHOICES)
        ]
        for category, length in LENGTHS.items()
        if category in mean
    }


def filler(choices: dict[str, list[str]], rows: pl.DataFrame, copy: int) -> pl.Series:
    """What is put into each note of a copy, str: the same into the same text, so that identical texts stay identical.

    Args:
        choices: from `paragraphs`.
        rows: with CATEGORY, TEXT and `AGAIN`.
        copy: its number.
    """
    every = pl.DataFrame(
        [(category, place, text) for category, texts in choices.items() for place, text in enumerate(texts)],
        schema={"CATEGORY": pl.String, "place": pl.UInt64, "more": pl.String}, orient="row",
    )  # fmt: skip
    place = (pl.col("TEXT").hash(seed=0) % 1009 + pl.col(AGAIN) * 7 + copy * 13) % CHOICES
    asked = rows.select("CATEGORY", place.cast(pl.UInt64).alias("place"))
    return asked.join(every, on=["CATEGORY", "place"], how="left", maintain_order="left")["more"].fill_null("")


def _phrases(texts: list[str]) -> list[str]:
    """Runs of `PHRASE` words, quotes doubled; without colons, which would begin a section."""
    words = " ".join(texts).replace('"', '""').replace(":", ",").split()
    return [" ".join(words[place : place + PHRASE]) for place in range(0, len(words), PHRASE)]


def _drawn(random: Random, phrases: list[str], length: float) -> str:
    """Phrases in any order, of about so many characters, broken into lines."""
    chosen: list[str] = []
    while length > 0:
        chosen.append(random.choice(phrases))
        length -= len(chosen[-1]) + 1
    return "".join(f"{' '.join(chosen[place : place + 4])}\n" for place in range(0, len(chosen), 4))
