"""How this process was launched: alone, or with others by torchrun, which says so in the environment."""

import os

from chartune.errors import ConfigError


def processes() -> int:
    """How many processes were launched together; 1: this one alone. Raises ConfigError: the environment names none."""
    return _number("WORLD_SIZE", 1)


def rank() -> int:
    """Number of this process among them, from 0. Raises as `processes`."""
    return _number("RANK", 0)


def _number(variable: str, alone: int) -> int:
    text = os.environ.get(variable) or str(alone)
    if not (text.isascii() and text.isdigit() and int(text) >= alone):
        raise ConfigError(
            f"{variable} must be a whole number of at least {alone}, as torchrun sets it, but is {ascii(text)[:40]}; "
            f"unset it, or start with torchrun."
        )
    return int(text)
