"""Remade: an adapter that a ledger lists and that was trained again here; its weights differ in their last digits.

    ledger: clinical ─▶ weights A ─▶ cells on A      here: clinical, the same fingerprint ─▶ weights B ─▶ cells on B

Cells on A are answers to the same question as cells on B: what stands below them was asked for in the same words. So
they count as done, as any cell of a ledger does that was trained on another machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from chartune.stages.identity import Identity

Remade = Mapping[str, Mapping[str, Any]]
"""SHA-256 of the weights of an adapter in this store → content of the ledger's, the answer to the same question."""


def named(identity: Identity, remade: Remade) -> Iterator[Identity]:
    """The identities that a cell has: its own first, then as it is on the adapters of the ledger, if it stands on any.

    Args:
        identity: of the cell on what is in this store.
        remade: the adapters of its parents that were trained again.
    """
    yield identity
    adapters = identity.settings.get("adapters") or ()
    listed = [remade.get(layer["sha256"], layer) if layer else None for layer in adapters]
    if listed != list(adapters):
        yield replace(identity, settings={**identity.settings, "adapters": listed})
