"""Identity: all that determines a run, and the fingerprint that names it.

kind, revision, stage without paths and names, data, inputs by content, numerics, versions ─SHA-256─▶ 16 digits
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

from chartune.config import Config, fingerprint

DECIDING: Final = ("torch", "peft", "transformers", "scikit-learn")
"""Packages whose minor version decides on the numbers of a run."""


@dataclass(frozen=True)
class Identity:
    """What determines a run."""

    kind: str
    """`pretrain`, `finetune`, `tfidf` or `evaluate`."""
    revision: int
    """Of such runs."""
    settings: Mapping[str, Any]
    """Plain JSON: `stage`, `data`, the content of further inputs, numerics, versions."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        return fingerprint(self.kind, self.revision, self.settings)


def identified(stage: Config, data: str, *, kind: str, revision: int, parts: Mapping[str, Any]) -> Identity:
    """The identity of a run.

    Args:
        stage: its config.
        data: fingerprint of its prepared data.
        kind: of the run.
        revision: of such runs.
        parts: hashes of further inputs, and resolved numerics.
    """
    return Identity(kind, revision, {"stage": stage.hashable(), "data": data, **parts, **minor_versions()})


@cache
def minor_versions() -> Mapping[str, str]:
    """Of the packages as this process has loaded them: read once, for a study asks for hundreds of identities."""
    return MappingProxyType({name: ".".join(version(name).split(".")[:2]) for name in DECIDING})
