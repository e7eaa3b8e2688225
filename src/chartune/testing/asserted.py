"""A made-up corpus of assertions in the format of i2b2 2010: two problems in a line, of which one is denied.

Nobody's words. A line without its signs answers nothing: of both problems the same is read.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chartune.testing.downloads import write_loose

SIZES: Final = (("train", 60), ("test", 20))
_PROBLEMS: Final = ("pain", "fever", "nausea", "cough")


def write_asserted(folder: Path, *, sizes: Sequence[tuple[str, int]] = SIZES) -> Path:
    """Notes of two lines in folders that are called for their splits, and a note that nobody has annotated."""
    files = {"train/plain.txt": "Nothing is marked here .\n"}
    chance = random.Random(0)
    for part, size in sizes:
        for number in range(size):
            files |= _note(f"{part}/{part}{number:03}", chance)
    return write_loose(folder, files)


def _note(name: str, chance: random.Random) -> dict[str, str]:
    lines, concepts, claims = list[str](), list[str](), list[str]()
    for line in (1, 2):
        has, denies = chance.sample(_PROBLEMS, 2)
        halves = [("has", has, "present"), ("denies", denies, "absent")]
        chance.shuffle(halves)
        words = [f"n{chance.randrange(10**6)}"]
        for verb, problem, claim in halves:
            words += [verb, problem]
            place = f'c="{problem}" {line}:{len(words) - 1} {line}:{len(words) - 1}||t="problem"'
            concepts.append(place)
            claims.append(f'{place}||a="{claim}"')
        lines.append(f"{' '.join(words)} .")
    parts = {".txt": lines, ".con": concepts, ".ast": claims}
    return {f"{name}{ending}": "\n".join(content) + "\n" for ending, content in parts.items()}
