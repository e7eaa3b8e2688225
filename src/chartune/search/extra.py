"""Extra: optuna, where it is installed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from chartune.errors import ConfigError


@cache
def optuna() -> ModuleType:
    """The package, without what it says of each trial.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "a search needs the package optuna, which is not installed; run `pip install 'chartune[search]'`."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def experimental() -> Iterator[None]:
    """Without a word on parts of optuna that may still change; they are pinned below its next major version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna().exceptions.ExperimentalWarning)
        yield
