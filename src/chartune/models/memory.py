"""Memory that runs out: known by a GPU's type of error and a processor's words, and said with what helps."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOMEM
from typing import Final

from chartune.errors import RunError

EXHAUSTED: Final = (RuntimeError, MemoryError)
"""What may mean that memory has run out; `out_of_memory` tells."""
GPU_ERROR: Final = "OutOfMemoryError"
"""What torch calls it; this file is read where torch is not loaded."""
WORDS: Final = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: a GPU says it mostly by type, a processor only in words, a system by a number."""
    by_type = isinstance(error, MemoryError) or any(kind.__name__ == GPU_ERROR for kind in type(error).__mro__)
    by_number = isinstance(error, OSError) and error.errno == ENOMEM
    return by_type or by_number or any(word in str(error) for word in WORDS)


@contextmanager
def within_memory() -> Iterator[None]:
    """Say of work that no smaller batch can help that it must fit into memory; also as a decorator.

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
        "a command must fit into memory, but it ran out where a smaller batch does not help (weights, the optimizer's "
        "state, scores); take a smaller base model or a method with fewer weights that learn, or free some memory. "
        "The same command resumes from the last checkpoint, where there is one."
    )
