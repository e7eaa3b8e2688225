"""Outputs: files and folders that a user names, outside the store. Whole or not at all, and nothing else is touched.

    a file     FOLDER/.chartune-<16 hex>/{holder.json, file} ─────rename──▶ FOLDER/NAME
    a folder   PARENT/.chartune-<16 hex>/{holder.json, folder/} ──rename──▶ PARENT/NAME
                                    └─ of a process that was killed: removed by the next one that writes into PARENT,
                                       or, where a store keeps a list of them, by the next one that opens the store

Names aside are drawn and opened exclusively, so that nobody can have put a link there.
"""

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from chartune.errors import ConfigError, StoreError
from chartune.holder import Holder
from chartune.writing import ASIDE, REFUSALS, fsync, write_exclusively

HOLDER: Final = "holder.json"
PLACES: Final = frozenset(
    {*REFUSALS, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.EBUSY, errno.EXDEV, errno.EINVAL}
)
"""What can be wrong with a place. A missing file may be anybody's."""
OUTGOING: Final = "outgoing"
"""In a store: a file for each folder of patients' data that is being written outside it."""


def write_output(path: Path, data: bytes, option: str = "--out") -> None:
    """Write a file that a user names, whole or not at all.

    Args:
        path: the file; its folder is made if needed. A link is replaced, not followed.
        data: its content.
        option: what names it, for the error.

    Raises:
        ConfigError: a folder, a device or a pipe has that name.
        StoreError: it cannot be written, or there is no room.
    """
    with new_file(path, option) as file:
        write_exclusively(file, data)


@contextmanager
def new_file(path: Path, option: str = "--out") -> Iterator[Path]:
    """A private file that takes the name `path` at the end, or vanishes; yields where it is to be written.

    Args:
        path: the file; its folder is made if needed. A link is replaced, not followed.
        option: what names it, for the errors.

    Raises:
        ConfigError: a folder, a device or a pipe has that name.
        StoreError: it cannot be written, or there is no room.
    """
    must_be_a_file(path, option)
    with _aside(path.parent, path, option) as aside, _refused(path, option):
        yield aside / "file"
        (aside / "file").chmod(0o600)
        fsync(aside / "file")
        os.replace(aside / "file", path)


def must_be_a_file(path: Path, option: str = "--out") -> None:
    """Refuse a name that a folder, a device or a pipe has, or that cannot be given, before any work is done.

    Raises:
        ConfigError: it has.
        StoreError: nothing may be written there.
    """
    _must_be_writable(path, option)
    try:
        mode = path.stat().st_mode
    except OSError:  # none of that name, or a link that leads nowhere
        return
    if stat.S_ISDIR(mode):
        raise ConfigError(f"{option} must be a file, but {path} is a folder; name a file in it.")
    if not stat.S_ISREG(mode) or _is_open_file(path):
        raise ConfigError(
            f"{option} must be a plain file, but {path} is a device or a pipe; give `-` for standard output."
        )


def _must_be_writable(path: Path, option: str) -> None:
    """Refuse a place whose nearest folder is not one to write into. Raises StoreError."""
    folder = next(place for place in path.absolute().parents if os.path.exists(place))
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise StoreError(
            f"{option} must be writable, but {folder} is {'read-only' if folder.is_dir() else 'no folder'}; choose "
            f"another place with {option}."
        )


def _is_open_file(path: Path) -> bool:
    """Whether a name leads through what processes hold open: `/dev/stdout` is a plain file once it is redirected."""
    while path.is_symlink():
        parent = path.parent.resolve()
        if parent == Path("/dev") or parent.is_relative_to("/proc"):
            return True
        path = parent / path.readlink()
    return False


def placed(out: Path, option: str) -> Path:
    """The whole path of what a user names.

    Raises:
        ConfigError: the home folder in it is not known.
    """
    try:
        return out.expanduser().absolute()
    except RuntimeError:
        raise ConfigError(
            f"{option} must lead to a folder, but the home folder in {out} is not known; write its whole path."
        ) from None


def must_be_new_outside_repositories(folder: Path, option: str) -> None:
    """Refuse a place that must not be written into. Raises ConfigError: it is taken, or may end in a repository."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"an export must be a new folder, but {folder} exists and is not empty; choose another with {option}."
        )
    tree = next((place for place in (folder, *folder.resolve().parents) if (place / ".git").exists()), None)
    if tree is not None:
        raise ConfigError(
            f"an export must not lie in a git working tree, where it may be committed with the rest, but {tree} is "
            f"one; choose another folder with {option}."
        )


@contextmanager
def new_folder(out: Path, option: str = "--out", store: Path | None = None) -> Iterator[Path]:
    """A private folder that takes the name `out` at the end, or vanishes.

    Args:
        out: a name that nothing has, or an empty folder; its parent is made if needed.
        option: what names it, for the errors.
        store: the root of a store that lists the folder while it is written, for `swept` to find after a kill.

    Raises:
        ConfigError: the name is that of a link, or another process has taken it meanwhile.
        StoreError: it cannot be written, or there is no room.
    """
    final = placed(out, option)
    if final.is_symlink():
        raise ConfigError(f"{option} must be a new or empty folder, but {final} is a link; name what it leads to.")
    with _aside(final.parent, out, option, store) as aside, _refused(out, option, PLACES):
        (aside / "folder").mkdir(mode=0o700)
        yield aside / "folder"
        _publish(aside / "folder", final, option)


def swept(store: Path) -> None:
    """Remove what killed processes left outside a store while they wrote there, as far as the store lists it."""
    for entry in (store / OUTGOING).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            aside = Path(json.loads(entry.read_text(encoding="utf-8"))["folder"])
            if aside.name.startswith(ASIDE) and (not aside.exists() or _dead(entry)):
                shutil.rmtree(aside, ignore_errors=True)
                if not aside.exists() and _dead(entry):
                    entry.unlink(missing_ok=True)


@contextmanager
def _aside(parent: Path, out: Path, option: str, store: Path | None = None) -> Iterator[Path]:
    """A private folder beside what is to be written, which says whose it is; what killed processes left there goes."""
    aside, entry = parent / f"{ASIDE}{secrets.token_hex(8)}", None
    try:
        with _refused(out, option):
            parent.mkdir(parents=True, exist_ok=True)
            _sweep(parent)
            entry = _listed(store, aside) if store else None
            aside.mkdir(mode=0o700)
            write_exclusively(aside / HOLDER, json.dumps(asdict(Holder.here())).encode())
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if entry:
            entry.unlink(missing_ok=True)


def _listed(store: Path, aside: Path) -> Path:
    shelf = store / OUTGOING
    shelf.mkdir(parents=True, exist_ok=True, mode=0o700)
    entry = shelf / f"{aside.name.removeprefix(ASIDE)}.json"
    write_exclusively(entry, json.dumps({"folder": str(aside), **asdict(Holder.here())}).encode())
    return entry


def _sweep(parent: Path) -> None:
    """Remove what killed processes left beside what is to be written."""
    for aside in parent.glob(f"{ASIDE}*"):
        if aside.is_dir() and not aside.is_symlink() and _dead(aside / HOLDER):
            shutil.rmtree(aside, ignore_errors=True)


def _dead(file: Path) -> bool:
    """Whether the process that a file names is dead for certain: one of here."""
    with contextlib.suppress(OSError):
        holder = Holder.read(file.read_bytes())
        return holder is not None and holder.lives() is False
    return False


def _publish(folder: Path, final: Path, option: str) -> None:
    """Give the folder its name; what is on the disk is there to stay."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            fsync(path)
    try:
        os.replace(folder, final)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise ConfigError(
                f"{option} must be a new or empty folder, but {final} was taken meanwhile; choose another one, or "
                f"check whether what is there is what was asked for."
            ) from None
        if error.errno not in (errno.EXDEV, errno.EBUSY) or not final.is_dir() or any(final.iterdir()):
            raise
        _move(folder, final)
    with contextlib.suppress(OSError):
        fsync(final.parent)


def _move(folder: Path, final: Path) -> None:
    """Move the content into an empty folder that cannot be replaced: a disk of its own is mounted there."""
    try:
        for path in sorted(folder.iterdir()):
            shutil.move(path, final / path.name)
    except BaseException:
        for path in final.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


@contextmanager
def _refused(path: Path, option: str, codes: frozenset[int] | None = None) -> Iterator[None]:
    """Say of a refusal to write what was written, and which option leads elsewhere; of these errors, or of all."""
    try:
        yield
    except OSError as error:
        if codes and error.errno not in codes:
            raise
        raise StoreError(
            f"{option} must be writable and have room, but writing {path} failed: "
            f"{error.strerror or type(error).__name__}; free some space or choose another place with {option}."
        ) from error
