"""Cleaning: small steps on the text of the chart."""

import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Final

import polars as pl
import pytest

from chartune.notes.clean import DEIDENTIFIED, adaptation_text, copy_key, folded, word_count


def cleaned(step: pl.Expr, *texts: str) -> list[object]:
    return pl.DataFrame({"text": texts}).select(step).to_series().to_list()


def test_adaptation_text_has_single_blanks_and_no_brackets_of_deidentification() -> None:
    text = "  Seen at [**Hospital 18**]\r\n on [**2151-7-16**],\n\n\twell [sic]. "
    assert cleaned(adaptation_text(pl.col("text")), text) == ["Seen at Hospital 18 on 2151-7-16, well [sic]."]


@pytest.mark.parametrize("blanks", [" ", "\n", "\t", "\u00a0", " \n", "\n ", "   ", "\r\n\r\n", "\u2003\n"])
def test_any_blanks_become_one(blanks: str) -> None:
    text = blanks.join(["", "seen", "well", ""])
    assert cleaned(adaptation_text(pl.col("text")), text) == ["seen well"]


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


SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    "soft hyphens": lambda text: "\u00ad".join(text),
    "zero-width blanks": lambda text: "\u200b".join(text),
    "variation selectors": lambda text: text.replace("e", "e\ufe0f"),
    "accents of their own": lambda text: unicodedata.normalize("NFD", text),
    "wide letters": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "ligatures": lambda text: text.replace("fi", "\ufb01"),
    "letterlike signs": lambda text: text.replace("TM", "\u2122"),
    "capitals": lambda text: text.upper(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_reads_alike_is_folded_alike_and_a_copy(spelling: str) -> None:
    text = "Fièvre à 39, infiltrat fin au café; Straße. Πρωΐ: ΐ, XTM"
    other = SPELLINGS[spelling](text)
    assert other != text
    assert folded(other) == folded(text)
    one, same, another = cleaned(copy_key(pl.col("text")), text, other, text.replace("39", "40"))
    assert one == same
    assert one != another


def test_every_character_of_format_is_invisible() -> None:
    formats = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    assert len(formats) > 100
    assert folded("a".join(formats)) == "a" * (len(formats) - 1)


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
    bare = [re.sub(r"[\W_]+", "", folded(str(text))) for text in small]
    assert cleaned(copy_key(pl.col("text")), *texts) == pl.Series(bare).hash(seed=0).to_list()
