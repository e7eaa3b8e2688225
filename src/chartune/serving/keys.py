"""Keys: who may ask what, as a file of salted hashes says. Without a key only `/livez` answers.

keys.yaml     ward-7: {salt: …, sha256: …, tasks: [mortality], may: [explain]}
a request     Authorization: Bearer ct_…  ─▶  sha256(salt + key) of every entry, compared in constant time

A key is 256 random bits, so one round of SHA-256 keeps it: nobody can try that many. A slow hash such as scrypt
protects what people think up; here it would let anybody keep the processor busy by asking with wrong keys.
"""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from chartune.config import Config
from chartune.errors import ChartuneError, ConfigError
from chartune.log import say
from chartune.names import valid_name
from chartune.writing import write_bytes

Scope = Literal["explain", "metrics", "admin"]
"""What a key may beside asking tasks."""
FIRST: Final = "ct_"
"""Begins every key, so that one that lies about is recognised."""
MOST_LETTERS: Final = 200
"""Of a key that somebody sends; a longer one is no key."""
Hexadecimal = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Key(Config):
    """What one key may; of the key itself only a salted hash is kept."""

    salt: Hexadecimal
    sha256: Hexadecimal
    """Of the salt's bytes and the key."""
    tasks: list[str] | Literal["all"] = Field(default_factory=list)
    """Tasks that it may ask."""
    may: list[Scope] = Field(default_factory=list)
    """`explain`, `metrics`, `admin`."""

    @model_validator(mode="after")
    def _must_allow_something(self) -> "Key":
        if not self.tasks and not self.may:
            raise ValueError("a key must allow a task or something else, but allows nothing")
        return self

    def asks(self, task: str) -> bool:
        """Whether it may ask a task."""
        return self.tasks == "all" or task in self.tasks


class KeyFile(Config):
    """The keys of a service."""

    keys: dict[Annotated[str, AfterValidator(valid_name)], Key]
    """By a name, which stands in the audit log."""


class Holder:
    """Who asks: the name of a key, and what it may."""

    def __init__(self, name: str, key: Key | None) -> None:
        """key: None: there are no keys, and whoever reaches the service may ask everything."""
        self.name, self.key = name, key

    def asks(self, task: str) -> bool:
        """Whether a task may be asked."""
        return self.key is None or self.key.asks(task)

    def may(self, scope: Scope) -> bool:
        """Whether something else may be done."""
        return self.key is None or scope in self.key.may


ANYBODY: Final = Holder("", None)
"""Whoever reaches a service without keys."""


class Keys:
    """The keys of a file, which is read again when it has changed."""

    def __init__(self, file: Path) -> None:
        """Read them.

        Raises:
            ConfigError: the file is missing, is not as `KeyFile` says, holds no key, or others may read it.
        """
        self.file = file
        self._held, self._seen = read_keys(file).keys, _state(file)
        if not self._held:
            raise ConfigError(f"{file} must hold a key, but holds none; make one with `chartune serve-key`.")

    def holder(self, presented: str) -> Holder | None:
        """Whose key it is; None: nobody's. Every entry is compared, whichever fits."""
        self._refresh()
        holder = None
        for name, key in self._held.items():
            if hmac.compare_digest(hashed(presented[:MOST_LETTERS], key.salt), key.sha256):
                holder = Holder(name, key)
        return holder

    def _refresh(self) -> None:
        """Read a file that has changed; where it cannot be read, the keys of before go on to be in force."""
        if (now := _state(self.file)) == self._seen:
            return
        self._seen = now
        try:
            self._held = read_keys(self.file).keys
        except ChartuneError as error:
            say(f"warning: the keys of before stay in force, because the file of keys cannot be read: {error}")


def hashed(key: str, salt: str) -> str:
    """The hash under which a key is kept. salt: hexadecimal."""
    return hashlib.sha256(bytes.fromhex(salt) + key.encode("utf-8", "surrogatepass")).hexdigest()


def read_keys(file: Path) -> KeyFile:
    """A file of keys. Raises ConfigError: it is missing, is not as `KeyFile` says, or others may read it."""
    try:
        known = file.stat()
    except OSError as error:
        raise ConfigError(
            f"{file} must be a file of keys, but cannot be read ({error.strerror}); make one with `chartune serve-key`."
        ) from None
    if not stat.S_ISREG(known.st_mode) or known.st_mode & 0o027:
        raise ConfigError(
            f"{file} must be a file that its owner writes and nobody else may read but its group, but its mode is "
            f"{stat.S_IMODE(known.st_mode):04o}; chmod 600 it."
        )
    return KeyFile.read(file)


def new_key(file: Path, name: str, tasks: list[str] | Literal["all"], may: list[Scope]) -> str:
    """Make a key and keep its hash.

    Args:
        file: of keys; made where there is none.
        name: of the key.
        tasks: that it may ask.
        may: what else it may.

    Returns:
        The key, which is kept nowhere.

    Raises:
        ConfigError: the name is taken, the key would allow nothing, or the file is no file of keys.
    """
    held = dict(read_keys(file).keys) if file.exists() else {}
    if name in held:
        raise ConfigError(
            f"every key must have a name of its own, but {name!r} is taken; choose another, or revoke it."
        )
    key, salt = FIRST + secrets.token_urlsafe(32), secrets.token_hex(32)
    entry = {"salt": salt, "sha256": hashed(key, salt), "tasks": tasks, "may": may}
    _write(file, KeyFile.parse({"keys": {**held, name: entry}}))
    return key


def revoke(file: Path, name: str) -> None:
    """Take a key away; a running service notices with its next request. Raises ConfigError: there is no such key."""
    held = dict(read_keys(file).keys)
    if name not in held:
        raise ConfigError(f"a key must be in {file} to be revoked, but {ascii(name)[:80]} is not; see its names there.")
    del held[name]
    _write(file, KeyFile(keys=held))


def _write(file: Path, keys: KeyFile) -> None:
    """Write all keys, at once; the group of the file stays, and may read what it could."""
    before = file.stat() if file.exists() else None
    write_bytes(file, keys.to_yaml().encode())
    if before is not None:
        os.chown(file, -1, before.st_gid)
        os.chmod(file, stat.S_IMODE(before.st_mode))


def _state(file: Path) -> tuple[int, ...]:
    """What changes with a file; empty: it cannot be looked at."""
    try:
        known = file.stat()
    except OSError:
        return ()
    return known.st_mtime_ns, known.st_size, known.st_ino, known.st_mode
