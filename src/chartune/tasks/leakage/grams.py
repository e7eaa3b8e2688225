"""Words and short phrases of training texts, counted in patients by outcome; memory does not grow with the texts.

    "Pt died; autopsy by Dr. Smith 3/4."  ─▶  pt · died · pt died · autopsy · by · autopsy by · dr

A phrase has letters only and crosses no punctuation, number or mask. Longer ones are looked for among those whose parts
are frequent (Agrawal and Srikant, 1994), in one reading of the texts per length. What is written as names are, with a
capital and small letters, is no word unless enough others write it small.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from chartune.log import progress
from chartune.notes.clean import DEIDENTIFIED
from chartune.tasks.leakage.blocks import Rows

LONGEST: Final = 3
"""Words of a phrase."""
MOST_PATIENTS: Final = 10_000
"""Of either answer; of more, those with the least hashes are taken, which is chance."""
ACRONYM: Final = 4
"""Capitals of a word at most that may be one (`DNR`); longer ones may be names in capitals."""
_MASK: Final = rf"(?s){DEIDENTIFIED}|\[[A-Z_ ]+\]|<[A-Z_ ]+>"
_LETTERS: Final = r"[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*"
_PART: Final = rf"{_LETTERS}|[^\s\p{{L}}\p{{M}}/-]+"
_WORD: Final = r"^[\p{L}\p{M}'’]{2,}$"
_SMALL: Final = rf"^[^\p{{Lu}}]+$|^\p{{Lu}}{{2,{ACRONYM}}}$"
_MERGED: Final = 1_000_000
"""Rows of counts that are held before they are added up."""


def one_each(rows: Rows) -> pl.DataFrame:
    """The training examples that stand for their patients, one each, so that none counts twice: row · asked.

    An example with the outcome if the patient has any, else the first.

    Args:
        rows: training examples, with `subject_id` and `label`, 1 for the outcome.
    """
    people = rows.columns("subject_id", "label").with_row_index("row").drop_nulls("label")
    each = people.sort("label", descending=True, maintain_order=True).unique(
        "subject_id", keep="first", maintain_order=True
    )
    some = each.sort(pl.col("subject_id").hash(seed=0)).group_by("label", maintain_order=True).head(MOST_PATIENTS)
    return some.select("row", asked=pl.col("label") == 1)


def counted(rows: Rows, patients: pl.DataFrame, support: int) -> pl.DataFrame:
    """In how many patients' texts each phrase stands.

    Args:
        rows: training examples.
        patients: of `one_each`.
        support: patients at least in whose texts a phrase stands.

    Returns:
        phrase · present (patients with the outcome) · absent (others), by phrase.
    """
    levels: list[pl.DataFrame] = []
    with progress("looking for phrases") as meter:
        for length in range(1, LONGEST + 1):
            every = _added_up(_phrases(texts, levels) for texts in _texts(rows, patients))
            enough = pl.col("present") + pl.col("absent") >= support
            levels.append(every.filter(enough & (pl.col("small") >= support) if length == 1 else enough))
            meter.advance(1)
    return pl.concat(levels).select("phrase", "present", "absent").sort("phrase")


def _texts(rows: Rows, patients: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Texts that are counted, block by block: row · text · asked."""
    start = 0
    for block in rows.blocks("text"):
        yield block.with_row_index("row", offset=start).join(patients, on="row", how="inner", maintain_order="left")
        start += block.height


def words_of(texts: pl.DataFrame) -> pl.DataFrame:
    """The words of some texts in order: row · asked · word (null: a phrase ends here) · small (written small)."""
    text = pl.col("text").fill_null("")
    text = pl.when(text.str.contains(r"\p{Ll}")).then(text).otherwise(text.str.to_lowercase())
    parts = text.str.replace_all(_MASK, " . ").str.extract_all(_PART)
    each = texts.select("row", "asked", part=parts).explode("part", empty_as_null=True)
    return each.select(
        "row", "asked",
        word=pl.when(pl.col("part").str.contains(_WORD)).then(pl.col("part").str.to_lowercase()),
        small=pl.col("part").str.contains(_SMALL).fill_null(False),
    )  # fmt: skip


def _phrases(texts: pl.DataFrame, shorter: list[pl.DataFrame]) -> pl.DataFrame:
    """In how many of these texts each phrase of the next length stands: phrase · present · absent · small."""
    frame = words_of(texts).with_columns(phrase=pl.col("word"))
    for length, known in enumerate(shorter, 1):
        frequent = known.select("phrase", frequent=True)
        frame = frame.join(frequent, on="phrase", how="left", maintain_order="left")
        both = pl.col("frequent") & pl.col("frequent").shift(-1)
        goes_on = both & (pl.col("row") == pl.col("row").shift(-length))
        longer = pl.concat_str("phrase", pl.lit(" "), pl.col("word").shift(-length))
        frame = frame.with_columns(phrase=pl.when(goes_on).then(longer)).drop("frequent")
    each = frame.drop_nulls("phrase").group_by("row", "phrase").agg(pl.col("asked").first(), pl.col("small").any())
    asked = pl.col("asked").cast(pl.Int64)
    return each.group_by("phrase").agg(present=asked.sum(), absent=(1 - asked).sum(), small=pl.col("small").sum())


def _added_up(parts: Iterator[pl.DataFrame]) -> pl.DataFrame:
    held: list[pl.DataFrame] = []
    limit = _MERGED
    for part in parts:
        held.append(part)
        if sum(frame.height for frame in held) > limit:
            held = [_sums(held)]
            limit = _MERGED + 2 * held[0].height
    return _sums(held)


def _sums(held: list[pl.DataFrame]) -> pl.DataFrame:
    count = dict.fromkeys(("present", "absent", "small"), pl.Int64)
    none = pl.DataFrame(schema={"phrase": pl.String, **count})
    cast = [frame.with_columns(pl.col(*count).cast(pl.Int64)) for frame in held]
    return pl.concat([none, *cast]).group_by("phrase").sum()
