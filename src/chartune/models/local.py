"""LocalBackbone: a base model that was found on this machine, with the hash of every file that is read of it.

    config.json · model*.safetensors · index · tokenizer files ─SHA-256─▶ content_hash
                             └─links in a private folder─▶ the only folder that a library is ever shown

What a library would pick up beside the hashed files (an adapter, settings of generation, another weights' file) is not
in that folder, and a file that has changed since it was hashed is refused.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from chartune import hashing
from chartune.errors import AdapterError, StoreError
from chartune.hashing import Stamp
from chartune.models.families import Family

INDEX: Final = "model.safetensors.index.json"
T = TypeVar("T")


@dataclass(frozen=True)
class ModelFile:
    """A file of a model folder, as it was when it was hashed."""

    path: Path
    sha256: str
    stamp: Stamp

    def must_be_unchanged(self) -> None:
        """Refuse a file that is not the one that was hashed.

        Raises:
            AdapterError: it was touched since.
        """
        if _readable(self.path, hashing.stamp_of) != self.stamp:
            raise AdapterError(
                f"a base model must stay as it was when it was hashed, but {self.path} has changed since; "
                f"run the command again when nothing writes to it."
            )


def hashed(path: Path) -> ModelFile:
    """A file and its hash.

    Raises:
        AdapterError: it cannot be read, or changes while it is hashed.
    """
    known = _readable(path, hashing.hashed)
    made = ModelFile(path, known.sha256, known.stamp)
    made.must_be_unchanged()
    return made


@dataclass(frozen=True)
class LocalBackbone:
    """A base model found on this machine, its content hashed."""

    name: str
    """What to call it in tables."""
    folder: Path
    """Hugging Face layout: `config.json`, `*.safetensors`, tokenizer files."""
    family: Family
    """What its architecture is."""
    config: dict[str, Any]
    """`config.json`."""
    content_hash: str
    """SHA-256 over config, weights, index and tokenizer: the identity that adapters are bound to."""
    licence: str
    """Licence of the weights."""
    exposure: str
    """What clinical text it may have seen."""
    files: tuple[ModelFile, ...] = ()
    """All that is ever read of it."""
    former_hash: str | None = None
    """Its content hash as versions reckoned it that left the index out; adapters of theirs are bound to that."""
    memory: Path | None = None
    """Where is kept which weights were seen to be finite; None: nowhere."""

    @property
    def max_positions(self) -> int:
        """The longest sequence that it can read, in tokens."""
        return self.family.max_positions(self.config)

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold its tensors."""
        return tuple(file.path for file in self.files if file.path.suffix == ".safetensors")

    def moved(self, folder: Path) -> "LocalBackbone":
        """The same base model after its folder was renamed."""
        return replace(
            self, folder=folder, files=tuple(replace(file, path=folder / file.path.name) for file in self.files)
        )


def identity(files: Sequence[ModelFile]) -> str:
    """SHA-256 over the names and hashes of files, in their order."""
    return hashlib.sha256("".join(f"{file.path.name}:{file.sha256}\n" for file in files).encode()).hexdigest()


@contextmanager
def unchanged(files: Sequence[ModelFile]) -> Iterator[None]:
    """Files that are read meanwhile are those that were hashed.

    Raises:
        AdapterError: one is not, before or after.
    """
    for file in files:
        file.must_be_unchanged()
    yield
    for file in files:
        file.must_be_unchanged()


@contextmanager
def only(files: Sequence[ModelFile]) -> Iterator[Path]:
    """A private folder of links to exactly these files, for a library that reads more than it is given.

    Raises:
        AdapterError: a file is no longer the one that was hashed, before or after it was read.
        StoreError: no temporary folder can be made.
    """
    try:
        place = tempfile.TemporaryDirectory(prefix="chartune-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StoreError(
            f"a temporary folder must be writable, but making one failed ({error.strerror}); set TMPDIR to a folder "
            f"that can be written."
        ) from None
    with place as name, unchanged(files):
        for file in files:
            (Path(name) / file.path.name).symlink_to(file.path.absolute())
        yield Path(name)


def _readable(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except OSError as error:
        raise AdapterError(
            f"{path} must be readable, but it is not ({error.strerror}); correct its rights, or copy it again."
        ) from None
