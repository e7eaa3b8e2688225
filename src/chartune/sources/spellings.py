"""Spellings of a label: `Died`, `died` and ` DIED` are one class to a person, and so are TRUE, true and 1.

labels        asked alike     unified
Died, died    died            died
TRUE, 1, no   true, true, no  true, true, no
é, e + ´      é               é: one letter as one or two characters, wide digits, characters of no width
0, 1, 2       as they are     a number stands for true or false only beside such a word
"""

import unicodedata
from typing import Final, Literal

import polars as pl

from chartune.errors import SchemaError

Spellings = Literal["unify", "apart"] | None
"""Whether labels that differ in spelling only are one class; None: they are refused."""
_BOOLEAN: Final = {"1": "true", "0": "false", "t": "true", "f": "false", "y": "yes", "n": "no"}
"""Short for → the word, where the labels hold that word or its opposite."""
_PAIRS: Final = {"true": "false", "false": "true", "yes": "no", "no": "yes"}


def spelled(labels: pl.Series, where: str, spellings: Spellings) -> pl.Series:
    """Labels of which each class is spelled in one way.

    Args:
        labels: text; null: not labelled.
        where: of the file and column, for the error.
        spellings: `unify`: those that are one class but for case, blanks and the form of a truth value get one
            spelling, in lower case; `apart`: each stays a class.

    Raises:
        SchemaError: a class is spelled in several ways and nobody has said what is meant; the message counts.
    """
    if spellings == "apart":
        return labels
    written = labels.drop_nulls().unique().to_list()
    alike = {label: _to_a_reader(label) for label in written}
    alike = {label: _word(plain, set(alike.values())) for label, plain in alike.items()}
    several = [name for name in set(alike.values()) if sum(plain == name for plain in alike.values()) > 1]
    if not several:
        return labels
    changed = {label: plain for label, plain in alike.items() if plain in several}
    if spellings is None:
        rows = int(labels.is_in(list(changed)).sum())
        raise SchemaError(
            f"{where} must spell each class in one way, but {len(changed)} labels in {rows} rows are {len(several)} "
            f"classes that differ only in case, in blanks, in how a letter is coded, or as TRUE, true and 1 do; "
            f"correct them, or say whether they are one: --set data.source.spellings=unify (for prepare "
            f"source.spellings=unify), or =apart."
        )
    return labels.replace(changed)


def _to_a_reader(label: str) -> str:
    """In small letters, with single blanks, without what cannot be seen: letters that look alike are alike."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", label) if unicodedata.category(letter) != "Cf")
    return " ".join(seen.casefold().split())


def _word(plain: str, words: set[str]) -> str:
    """The truth value that a short form stands for beside such words; else the label as it is."""
    word = _BOOLEAN.get(plain, plain)
    return word if word == plain or words & {word, _PAIRS.get(word, word)} else plain
