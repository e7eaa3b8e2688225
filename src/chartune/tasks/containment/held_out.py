"""Held-out texts: their rare runs of eight words, and which share of them stands in a text that is learnt from.

    add ─▶ pile: text · run ─▶ runs of many patients set apart ─▶ rounds ◀─look_in─ documents, block by block

The pile lies on disk and some `ROUND` runs of it in memory, so that memory grows neither with the held-out texts nor
with what is learnt from, and what is found does not depend on the rounds. A run and the number of its text share 64
bits in memory, 42 of them the run's: two runs are taken for one in some millionths of all cases.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.log import progress
from chartune.tasks.containment.round import LOW, Ints, Round, among, keyed, numbers, once
from chartune.tasks.containment.shingles import Masks, shingles
from chartune.tasks.frames import add_frame, read_pile

ROUND: Final = 1 << 24
"""Runs that are held at once, eight bytes each: more are looked for in several rounds."""

Blocks = Callable[[], Iterable[pl.DataFrame]]
"""Documents that are learnt from, with `text`; read anew for each round."""


class HeldOutTexts:
    """The runs of held-out texts, on disk until they are looked for."""

    def __init__(self, pile: Path, masks: Masks, boilerplate: int) -> None:
        """Begin without texts.

        Args:
            pile: a new file for the runs.
            masks: what becomes of de-identified spans, on both sides.
            boilerplate: runs in texts of more patients are boilerplate.
        """
        self._pile, self.masks, self._boilerplate = pile, masks, boilerplate
        self._known: dict[tuple[int, int], int] = {}
        self._patients: dict[int, int] = {}
        self._whose: list[int] = []
        self._sizes: list[Ints] = []
        self._common: NDArray[np.uint64] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pile.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._whose)

    @property
    def sizes(self) -> Ints:
        """Runs of each text, boilerplate and what it says twice included: [n]."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._sizes])

    def add(self, block: pl.DataFrame) -> Ints:
        """Take in texts; equal texts of a patient count once, since most tasks about an admission read the same note.

        Args:
            block: subject_id · text, some hundreds of rows.

        Returns:
            The number of each text: [n].

        Raises:
            StoreError: the pile cannot be written.
        """
        keys = list(zip(block["subject_id"].to_list(), block["text"].hash(seed=0).to_list(), strict=True))
        fresh = [place for place, key in enumerate(keys) if self._is_new(key)]
        if fresh:
            runs, counts = shingles(block["text"].gather(fresh), self.masks)
            text = np.repeat(np.arange(len(self) - len(fresh), len(self), dtype=np.uint32), counts)
            add_frame(pl.DataFrame({"text": text, "run": runs}), self._pile)
            self._sizes.append(counts)
        return np.array([self._known[key] for key in keys], dtype=np.int64)

    def _is_new(self, key: tuple[int, int]) -> bool:
        if key in self._known:
            return False
        self._known[key] = len(self._whose)
        self._whose.append(self._patients.setdefault(key[0], len(self._patients)))
        return True

    def rounds(self) -> Iterator[Round]:
        """The texts in rounds of some `ROUND` runs. Raises StoreError: the pile is damaged."""
        ends = np.cumsum(self.sizes)  # [n]: runs of all texts up to and with each
        if self._common is None:
            self._common = self._of_many(parts=-(-int(ends[-1]) // ROUND) if len(ends) else 0)
        rounds = np.maximum(ends - 1, 0) // ROUND + np.arange(len(ends)) // int(LOW)  # [n]: number of its round
        cuts = np.flatnonzero(np.diff(rounds)) + 1
        before = np.append(0, ends)  # [n + 1]: runs of all texts before each
        for first, last in pairwise(np.unique([0, *cuts, len(ends)]).tolist()):
            yield self._round(first, last, int(before[last] - before[first]))

    def _round(self, first: int, last: int, size: int) -> Round:
        """Texts first … last - 1, which have so many runs."""
        keys, filled = np.empty(size, dtype=np.uint64), 0  # allocated once: the largest array there is
        for text, run in self._runs():
            inside = (text >= first) & (text < last)
            block = keyed(run[inside], text[inside] - np.uint32(first))
            keys[filled : filled + len(block)] = block
            filled += len(block)
        keys = once(keys)
        if self._common is not None and len(self._common):
            keys = keys[~among(self._common, keys & ~LOW)]
        return Round(first, self.masks, keys, np.bincount(numbers(keys), minlength=last - first))

    def _of_many(self, parts: int) -> NDArray[np.uint64]:
        """The runs in texts of more than `boilerplate` patients, ascending; one of so many parts is held at once."""
        common = [np.zeros(0, dtype=np.uint64), *(self._of_many_in(part, parts) for part in range(parts))]
        return np.sort(np.concatenate(common))

    def _of_many_in(self, part: int, parts: int) -> NDArray[np.uint64]:
        """Those of one part, each once: a run that stands `boilerplate` places further on again is of more patients."""
        patients, keys = np.array(self._whose, dtype=np.uint32), []  # [texts], blocks of run and patient
        for text, run in self._runs():
            inside = run % parts == part
            keys.append(keyed(run[inside], patients[text[inside]]))
        runs = once(np.concatenate(keys)) & ~LOW  # ascending, a place for each patient
        further = runs[self._boilerplate :]
        return np.unique(further[further == runs[: -self._boilerplate]])

    def _runs(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint64]]]:
        """Whose they are, by number of the text, and the runs: a block at a time."""
        for block in read_pile(self._pile) if self._pile.is_file() else ():
            yield block["text"].to_numpy(), block["run"].to_numpy()


def holding(held: HeldOutTexts, documents: Blocks, containment: float, title: str) -> NDArray[np.bool_]:
    """Which documents hold that share of a held-out text.

    Args:
        held: the texts.
        documents: read once per round.
        containment: least share of the rare runs of a text.
        title: what is done, for the progress.

    Returns:
        A flag for each document, in their order: [n].
    """
    flags: list[NDArray[np.bool_]] = []
    for number, some in enumerate(held.rounds()):
        with progress(title) as meter:
            for place, block in enumerate(documents()):
                if not number:
                    flags.append(np.zeros(block.height, dtype=np.bool_))
                for shared in some.look_in(block["text"]):
                    flags[place][shared.documents[shared.shares >= containment]] = True
                meter.advance(block.height)
        del some  # before the next round is read
    return np.concatenate([np.zeros(0, dtype=np.bool_), *flags])
