"""How this process was launched: alone, or with others by torchrun, which says so in the environment."""

import os


def processes() -> int:
    """How many processes were launched together; 1: this one alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0"))
