"""Memory that runs out: known by a GPU's type of error and a processor's words, and said with what helps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from chartune.errors import RunError

EXHAUSTED: Final = (RuntimeError, MemoryError)
"""What may mean that memory has run out; `out_of_memory` tells."""
WORDS: Final = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: a GPU says it mostly by type, a processor only in words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in WORDS)


@contextmanager
def within_memory() -> Iterator[None]:
    """Say of work that no smaller batch can help that it must fit into memory.

    Raises:
        RunError: memory has run out.
    """
    try:
        yield
        return
    except EXHAUSTED as error:
        if not out_of_memory(error):
            raise
    raise RunError(
        "a stage must fit into memory, but it ran out where a smaller batch does not help (weights, the optimizer's "
        "state, scores); take a smaller base model or a method with fewer weights that learn, or free some memory. "
        "The same command resumes from the last checkpoint, where there is one."
    )
