"""Runs in use: TF-IDF of one outcome, of several classes and of many labels, and notes that come later."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from chartune.runs.run import Run
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store

WORDS: Final = ("septic", "afebrile", "stable", "fall", "stroke", "pain", "cough", "walks")
NEW: Final = ("zebrafinch", "quokka")
ROWS: Final = 2000
OWN: Final = tuple(f"own{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
"""Words of the first rows alone, one of each."""


def later_notes(rows: int, seed: int, *, longest: int = 12, new: float = 0.0, grave: float = 0.125) -> list[str]:
    """Texts of three words and more.

    Args:
        rows: how many.
        seed: of them.
        longest: words of a text, excluded.
        new: share of words that no text of the runs has.
        grave: share of the word after which an outcome is likely.
    """
    chance = np.random.default_rng(seed)
    known = np.asarray([grave, *[(1 - grave) / (len(WORDS) - 1)] * (len(WORDS) - 1)])
    shares = [*((1 - new) * known), *[new / len(NEW)] * len(NEW)]
    return [" ".join(chance.choice([*WORDS, *NEW], chance.integers(3, longest), p=shares)) for _ in range(rows)]


def came_true(texts: list[str], seed: int, *, shift: float = 0.0, by_chance: bool = False) -> list[bool]:
    """Whether the outcome came; by_chance: whatever the text says."""
    chance = np.random.default_rng(seed)
    odds = np.asarray([shift - 1.5 + 1.5 * text.count(WORDS[0]) - 0.5 * text.count(WORDS[2]) for text in texts])
    odds = chance.permutation(odds) if by_chance else odds
    came: list[bool] = (chance.random(len(texts)) < 1 / (1 + np.exp(-odds))).tolist()
    return came


def labels_of(answer: str, texts: list[str], came: list[bool]) -> list[str]:
    """As a table has them: `died`, beside that two words of the texts, or where they begin."""
    if answer == "binary":
        return ["died" if each else "survived" for each in came]
    both = list(zip(texts, came, strict=True))
    if answer == "multiclass":
        firsts = [text.split()[0] for text in texts]
        return ["died" if each else first if first in WORDS[3:5] else "home"
                for first, each in zip(firsts, came, strict=True)]  # fmt: skip
    return [";".join([*["died"] * each, *sorted({*text.split()} & {*WORDS[3:5]})]) for text, each in both]


def runs_in_use(folder: Path) -> tuple[Store, dict[str, Run]]:
    """A store and a run of each answer, by its name. folder: gets all of it."""
    store, texts = Store(folder / "store").open(), later_notes(ROWS, 0)
    came = came_true(texts, 1)
    texts = [f"{text} {word}" for text, word in zip(texts, OWN, strict=False)] + texts[len(OWN) :]
    return store, {each: _run(folder, store, each, texts, came) for each in ("binary", "multiclass", "multilabel")}


def _run(folder: Path, store: Store, answer: str, texts: list[str], came: list[bool]) -> Run:
    file = folder / f"{answer}.csv"
    rows = {"subject_id": range(len(texts)), "text": texts, "label": labels_of(answer, texts, came)}
    pl.DataFrame(rows).write_csv(file)
    source: dict[str, Any] = {"kind": "tabular", "file": str(file)}
    source |= {"separator": ";"} if answer == "multilabel" else {}
    splits = {"kind": "hash", "train": 0.5, "validation": 0.1, "test": 0.4}
    data = {"source": source, "tasks": [{"kind": "labels", "answer": answer}], "splits": splits, "near_copies": None}
    return tfidf(Tfidf.parse({"data": data, "name": answer}), store)
