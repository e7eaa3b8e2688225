"""Cleaning of a chart's text: small steps, each with its reason. They take a polars expression and give one back."""

import re
import unicodedata
from typing import Final

import polars as pl

DEIDENTIFIED: Final = r"\[\*\*.*?\*\*\]"
"""A span that was replaced before release, such as `[**2151-7-16**]`."""
MASKED: Final = r"\[\*\*|___"
"""Where a span was replaced before release, as MIMIC-III and as MIMIC-IV write it."""
_NEITHER: Final = bytes(set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
"""Of ASCII; other characters have been mapped before."""
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Characters of format (category Cf) and others that a page does not show (Default_Ignorable_Code_Point, UAX 44)."""
_FOREIGN: Final = re.compile(r"(?:(?![\x00-\x7f])\W)+")
"""Punctuation and blanks that are not ASCII."""


def collapsed(text: pl.Expr) -> pl.Expr:
    """Runs of blanks and line breaks become one blank: lines of a chart are broken at a fixed width, not by meaning."""
    several = r"\s{2,}|[^\S ]"  # a single blank, which most are, is passed over: three times as fast as all
    return text.str.replace_all(several, " ").str.strip_chars(" ")


def without_markers(text: pl.Expr) -> pl.Expr:
    """`[**Hospital 18**]` → `Hospital 18`: the brackets are the release's typography, no hospital writes them.

    As in the public code of Gema et al. (2023), arXiv:2307.03042.
    """
    return text.str.replace_all("[**", "", literal=True).str.replace_all("**]", "", literal=True)


def adaptation_text(text: pl.Expr) -> pl.Expr:
    """What a language model is adapted on: brackets of de-identified spans dropped, then blanks collapsed."""
    return collapsed(without_markers(text))


def copy_key(text: pl.Expr) -> pl.Expr:
    """A 64-bit key that is equal for duplicates of a text, u64.

    Case, blanks, punctuation and de-identified spans do not count: releases de-identify the same note differently.
    Letters and digits of every alphabet do, however they are encoded (`folded`).
    """
    plain = text.str.to_lowercase().str.replace_all(DEIDENTIFIED, "")
    return plain.map_batches(_letters_and_digits, return_dtype=pl.String).hash(seed=0)


def folded(text: str) -> str:
    """A text in which what reads alike is written alike: NFKC (UAX 15), small letters, no invisible characters.

    Wide letters, ligatures and accents that are characters of their own come from PDFs and from other systems; soft
    hyphens and zero-width blanks stand inside words.
    """
    if text.isascii():
        return text.lower()
    small = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", small)


def word_count(text: pl.Expr) -> pl.Expr:
    """Words of a text as `text.split()` counts them, u32."""
    return text.str.count_matches(r"\S+")


def _letters_and_digits(texts: pl.Series) -> pl.Series:
    """What is left of small texts; by bytes, because a pattern takes three times as long."""
    ascii_texts = (text if text is None or text.isascii() else _FOREIGN.sub("", folded(text)) for text in texts)
    left = [None if text is None else text.encode().translate(None, _NEITHER).decode() for text in ascii_texts]
    return pl.Series(left, dtype=pl.String)
