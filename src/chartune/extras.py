"""Optional packages: each comes with an extra of chartune, is imported where it is used, and refused by name."""

from collections.abc import Iterator
from contextlib import contextmanager

from chartune.errors import ConfigError


@contextmanager
def installed(extra: str, need: str, otherwise: str = "") -> Iterator[None]:
    """Meanwhile an optional package is imported.

    Args:
        extra: of chartune, with which it comes.
        need: who needs what, as in `a search needs the package optuna`.
        otherwise: what else can be done; empty: nothing.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        yield
    except ImportError:
        instead = f", or {otherwise}" if otherwise else ""
        raise ConfigError(f"{need}, which is not installed; run `pip install 'chartune[{extra}]'`{instead}.") from None
