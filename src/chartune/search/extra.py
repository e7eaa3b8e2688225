"""Extra: optuna, where it is installed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from chartune.extras import installed


@cache
def optuna() -> ModuleType:
    """The package, without what it says of each trial.

    Raises:
        ConfigError: it is not installed.
    """
    with installed("search", "a search needs the package optuna"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def experimental() -> Iterator[None]:
    """Without a word on parts of optuna that may still change; they are pinned below its next major version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna().exceptions.ExperimentalWarning)
        yield
