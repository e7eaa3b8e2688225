"""Span modes: how far predicted spans agree with annotated ones, by the four measures of nervaluate.

    truth      [problem........]                  strict  both ends and the type       exact    both ends
    predicted      [problem....]   [drug]         partial both ends, half for overlap  type     the type, any overlap

They go back to MUC-5 (Chinchor and Sundheim, 1993) and SemEval-2013 task 9.1 (Segura-Bedmar et al., 2013). A predicted
span is paired with at most one annotated span, in the order of both lists; numbers equal nervaluate 1.2's.

    precision = credit / predicted     recall = credit / annotated     credit = right, and of `partial` half the partly
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chartune.metrics.tagging import Labelled

MODES: Final = ("strict", "exact", "partial", "type")
Pair = Callable[[Labelled, Labelled], bool]


def credits_of(truth: Collection[Labelled], predicted: Collection[Labelled]) -> tuple[float, ...]:
    """What a document's predicted spans earn in each of `MODES`.

    Args:
        truth: annotated spans; the same span twice counts once.
        predicted: spans that a model says.
    """
    true, made = sorted(set(truth)), sorted(set(predicted))
    return (
        _paired(true, made, lambda a, b: a == b), _paired(true, made, _ends_alike),
        _paired(true, made, _ends_alike, 0.5), _of_type(true, made),
    )  # fmt: skip


def mode_credits(
    truth: Sequence[Collection[Labelled]], predicted: Sequence[Collection[Labelled]]
) -> NDArray[np.float64]:
    """The same of each document, [n, 4]."""
    rows = [credits_of(true, made) for true, made in zip(truth, predicted, strict=True)]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(MODES))


def _paired(true: Sequence[Labelled], made: Sequence[Labelled], right: Pair, partly: float = 0.0) -> float:
    """Each predicted span takes the first free true one that is right, else the first that it overlaps."""
    free, credit = dict.fromkeys(range(len(true))), 0.0
    for span in made:
        near = [number for number in free if _overlaps(true[number], span)]
        match = next((number for number in near if right(true[number], span)), None)
        if match is not None:
            credit += 1
            del free[match]
        elif near:
            credit += partly
            del free[near[0]]
    return credit


def _of_type(true: Sequence[Labelled], made: Sequence[Labelled]) -> float:
    """Each predicted span takes the free true one of its type whose ends are nearest, else the first it overlaps."""
    free, credit = dict.fromkeys(range(len(true))), 0.0
    for span in made:
        near = [number for number in free if _overlaps(true[number], span)]
        alike = [number for number in near if true[number][2] == span[2]]
        if alike:
            credit += 1
            del free[min(alike, key=lambda number: _apart(true[number], span))]
        elif near:
            del free[near[0]]
    return credit


def _ends_alike(a: Labelled, b: Labelled) -> bool:
    return a[:2] == b[:2]


def _overlaps(a: Labelled, b: Labelled) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _apart(a: Labelled, b: Labelled) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
