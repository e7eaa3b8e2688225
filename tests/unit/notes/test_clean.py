"""Cleaning: small steps on the text of the chart."""

import re

import polars as pl
import pytest

from chartune.notes.clean import DEIDENTIFIED, adaptation_text, copy_key, word_count


def cleaned(step: pl.Expr, *texts: str) -> list[object]:
    return pl.DataFrame({"text": texts}).select(step).to_series().to_list()


def test_adaptation_text_has_single_blanks_and_no_brackets_of_deidentification() -> None:
    text = "  Seen at [**Hospital 18**]\r\n on [**2151-7-16**],\n\n\twell [sic]. "
    assert cleaned(adaptation_text(pl.col("text")), text) == ["Seen at Hospital 18 on 2151-7-16, well [sic]."]


@pytest.mark.parametrize("text", ["", " ", "a", "a b\n c", "[**x**] y"])
def test_words_are_counted_as_python_splits_them(text: str) -> None:
    assert cleaned(word_count(pl.col("text")), text) == [len(text.split())]


def test_copies_share_a_key_whatever_their_masks_case_and_line_breaks() -> None:
    one, two, other = cleaned(
        copy_key(pl.col("text")),
        "Seen by [**Doctor 1**] on\n[**2151-7-16**]. Well.",
        "SEEN BY [**Name (NI) 77**] ON [**2188-1-1**]  Well",
        "Seen by [**Doctor 1**] on [**2151-7-16**]. Unwell.",
    )
    assert one == two
    assert one != other


def test_texts_in_another_alphabet_are_no_copies_of_each_other() -> None:
    one, same, other = cleaned(
        copy_key(pl.col("text")), "Боль в груди – с утра.", "БОЛЬ\n в груди, с утра", "Одышка при ходьбе, три дня."
    )
    assert one == same
    assert one != other


def test_a_key_is_that_of_the_small_letters_and_digits_alone() -> None:
    texts = [
        "",
        "  \n",
        "A1-b2",
        "\u212aelvin \u0130 \u00e9t\u00e9",
        "\x00z\uffff\U0001f600 9",
        "[**x\ny**] [**z**]q",
        "\u0661\u00b2",
    ]
    small = cleaned(pl.col("text").str.to_lowercase().str.replace_all(DEIDENTIFIED, ""), *texts)
    bare = [re.sub(r"[\W_]+", "", str(text)) for text in small]
    assert cleaned(copy_key(pl.col("text")), *texts) == pl.Series(bare).hash(seed=0).to_list()
