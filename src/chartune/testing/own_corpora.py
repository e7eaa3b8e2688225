"""Made-up corpora of one's own: words with tags in columns, and documents with brat's annotations.

Nobody's words. What is a problem or a drug can be learnt in some steps: a type has words of its own.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chartune.testing.downloads import write_loose

Tagged = list[tuple[str, str]]
SIZES: Final = (("train", 96), ("dev", 24), ("test", 24))
_PROBLEMS: Final = (("severe", "pain"), ("fever",), ("pain",))
_DRUGS: Final = (("aspirin",), ("insulin", "glargine"))


def sentences(count: int, seed: int) -> list[Tagged]:
    """Sentences of words with tags in IOB2."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        words: Tagged = [(word, "O") for word in chance.choice(["he has", "she reports", "exam showed"]).split()]
        for _ in range(chance.randint(1, 2)):
            type_, names = chance.choice([("Problem", _PROBLEMS), ("Drug", _DRUGS)])
            first, *rest = chance.choice(names)
            words += [(first, f"B-{type_}"), *((word, f"I-{type_}") for word in rest)]
            words.append((chance.choice(["and", "after", "today"]), "O"))
        made.append([*words, (f"n{seed}x{number}", "O"), (".", "O")])
    return made


def columns(every: Sequence[Tagged], *, each: int | None = None) -> str:
    """A file of words and tags; `each`: sentences of a document, None: no document is marked."""
    lines = []
    for number, sentence in enumerate(every):
        lines += ["-DOCSTART-\tO\n"] if each and number % each == 0 else []
        lines += [*(f"{word}\t{tag}" for word, tag in sentence), ""]
    return "\n".join(lines) + "\n"


def write_conll(folder: Path, *, sizes: Sequence[tuple[str, int]] = SIZES, each: int | None = 2) -> Path:
    """`train.tsv`, `dev.tsv` and `test.tsv`, and a page that is none of them."""
    files = {f"{part}.tsv": columns(sentences(size, seed), each=each) for seed, (part, size) in enumerate(sizes)}
    return write_loose(folder, {**files, "SOURCE.txt": "Made up for tests.\n"})


def write_brat(folder: Path, *, sizes: Sequence[tuple[str, int]] = SIZES) -> Path:
    """The same sentences as documents, in folders that are called for their splits."""
    files: dict[str, str] = {}
    for seed, (part, size) in enumerate(sizes):
        for number, sentence in enumerate(sentences(size, seed)):
            text, marks = standoff(sentence)
            files |= {f"{part}/{part}-{number:03}.txt": text, f"{part}/{part}-{number:03}.ann": marks}
    return write_loose(folder, files)


def standoff(sentence: Tagged) -> tuple[str, str]:
    """A document, and its annotations."""
    text, spans = "", list[tuple[int, int, str]]()
    for word, tag in sentence:
        start = len(text)
        text += f"{word} "
        begins, _, type_ = tag.partition("-")
        if begins == "B":
            spans.append((start, start + len(word), type_))
        elif begins == "I":
            spans[-1] = (spans[-1][0], start + len(word), type_)
    lines = [f"T{n}\t{type_} {start} {end}\t{text[start:end]}\n" for n, (start, end, type_) in enumerate(spans, 1)]
    return text, "".join(lines)


def related(count: int, seed: int) -> list[tuple[str, str]]:
    """Documents of two lines with annotations: a drug treats a problem where it is given for it, and not beside it.

    A line of each document has one relation or none; in every tenth document a relation joins both lines.
    """
    chance, made = random.Random(seed), []
    for number in range(count):
        text, marks = "", list[str]()
        for line in range(2):
            drug, problem = chance.choice(("aspirin", "insulin")), chance.choice(("pain", "fever"))
            treats = chance.random() < 0.5
            start = len(text)
            text += f"n{seed}x{number} {drug} {'for' if treats else 'beside'} {problem} .\n"
            places = [(word, start + text[start:].index(word)) for word in (drug, problem)]
            first, second = 2 * line + 1, 2 * line + 2
            marks += [f"T{first}\tDrug {places[0][1]} {places[0][1] + len(drug)}\t{drug}",
                      f"T{second}\tProblem {places[1][1]} {places[1][1] + len(problem)}\t{problem}"]  # fmt: skip
            marks += [f"R{line + 1}\tTreats Arg1:T{first} Arg2:T{second}"] if treats else []
        marks += ["R9\tTreats Arg1:T1 Arg2:T4"] if number % 10 == 0 else []
        made.append((text, "".join(f"{mark}\n" for mark in marks)))
    return made


def write_related(folder: Path, *, sizes: Sequence[tuple[str, int]] = SIZES) -> Path:
    """These documents, in folders that are called for their splits."""
    files: dict[str, str] = {}
    for seed, (part, size) in enumerate(sizes):
        for number, (text, marks) in enumerate(related(size, seed)):
            files |= {f"{part}/{part}-{number:03}.txt": text, f"{part}/{part}-{number:03}.ann": marks}
    return write_loose(folder, files)
