"""Removal: what of a store may go, and how it goes. Never what something that stays is made from.

holdings ─selection─▶ chosen ─something that stays rests on it, or a process writes it?─▶ held back
                             └▶ renamed aside ─▶ its files deleted; a kill between the two is finished by the next time
"""

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chartune.artefact import VERIFIED
from chartune.errors import ConfigError
from chartune.runs.holdings import KINDS, OF_DATA, REMOVED, Holding
from chartune.runs.monitored import MONITORING
from chartune.runs.names import NAMES
from chartune.store import Store, storing
from chartune.writing import fsync

DAY: Final = 86400.0


@dataclass(frozen=True)
class Selection:
    """What somebody wants to be rid of; what is given must all hold."""

    names: tuple[str, ...] = ()
    """Fingerprints, their beginnings, or names of runs."""
    kinds: tuple[str, ...] = ()
    """Shelves."""
    older_than: float | None = None
    """Days since anything in it was changed."""
    unfinished: bool = False
    """Only what killed attempts and removals have left."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return self == Selection()

    def must_be_known(self, every: Sequence[Holding]) -> None:
        """Refuse a slip. Raises ConfigError: no such kind, or a name fits nothing, or several."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(f"a kind must be one of {', '.join(KINDS)}, but got {kind[:40]!a}.")
        for name in self.names:
            fits = {one.key for one in every if _named(one, name)}
            if len(fits) != 1:
                raise ConfigError(
                    f"a name must fit one thing of the store, but {name[:80]!a} fits {len(fits) or 'none'}; give its "
                    f"fingerprint, as `chartune clean` lists it."
                )

    def fits(self, one: Holding, now: float) -> bool:
        """Whether it is chosen. now: seconds since the epoch."""
        return (
            (not self.names or any(_named(one, name) for name in self.names))
            and (not self.kinds or one.kind in self.kinds)
            and (self.older_than is None or now - one.changed >= self.older_than * DAY)
            and (not self.unfinished or one.state != "finished")
        )


@dataclass(frozen=True)
class Removal:
    """What goes, and what was chosen but stays, with the reason."""

    goes: tuple[Holding, ...]
    """What is made from others first."""
    held_back: dict[Holding, str] = field(default_factory=dict)


def removal(every: Sequence[Holding], selection: Selection, now: float | None = None) -> Removal:
    """Judge a selection.

    Token arrays and readings of prepared data that go, and that no run which stays needs, go along.

    Args:
        every: all that the store holds.
        selection: what is wanted.
        now: seconds since the epoch; None: now.

    Raises:
        ConfigError: the selection names what there is not.
    """
    selection.must_be_known(every)
    chosen = [one for one in every if selection.fits(one, time.time() if now is None else now)]
    held = {one: "a living process writes it" for one in chosen if one.in_use}
    while True:
        stays = [one for one in every if one not in chosen or one in held]
        needed = {one: user for one in chosen if one not in held for user in stays if user.rests_on(one)}
        if not needed:
            break
        held |= {one: f"{_called(user)} needs it" for one, user in needed.items()}
    goes = [one for one in chosen if one not in held]
    data = {one.fingerprint for one in goes if one.kind == "data"}
    stays = [one for one in every if one not in goes]
    goes += [one for one in stays if one.kind in OF_DATA and one.of and one.of[0] in data and not one.in_use]
    return Removal(tuple(_in_order(goes)), held)


def remove(store: Store, one: Holding) -> None:
    """Remove a folder: its name first, then its files, so that nothing half removed is ever taken for whole.

    Raises:
        StoreError: a living process writes it, or the store cannot be written.
    """
    shelf = one.path.parent
    if one.state == "half removed":
        shutil.rmtree(one.path, ignore_errors=True)
        return
    with store.lease(one.kind, one.fingerprint), storing(shelf):
        aside = shelf / f"{REMOVED}{secrets.token_hex(8)}"
        os.replace(one.path, aside)
        fsync(shelf)
        if one.state == "finished":
            for ending in (NAMES, MONITORING, VERIFIED):
                (shelf / f"{one.fingerprint}{ending}").unlink(missing_ok=True)
        shutil.rmtree(aside)


def _named(one: Holding, name: str) -> bool:
    return bool(name) and (one.fingerprint.startswith(name) or (bool(one.name) and one.name == name))


def _called(one: Holding) -> str:
    state = "" if one.state == "finished" else f"{one.state} "
    return f"{state}{one.kind}/{one.fingerprint}" + (f" ({one.name})" if one.name else "")


def _in_order(goes: Sequence[Holding]) -> list[Holding]:
    """What others are made from after those: a removal that is killed leaves nothing without its parents."""
    left, ordered = list(goes), []
    while left:
        free = [one for one in left if not any(user.rests_on(one) for user in left)] or left
        ordered += free
        left = [one for one in left if one not in free]
    return ordered
