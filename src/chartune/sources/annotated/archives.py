"""Raw files of a corpus, from a folder or from zip and tar archives in it. Nothing is ever unpacked to disk.

    corpus/                               virtual path of a member
      test_data.tar.gz ─▶ 0001.txt        test_data.tar.gz/test_data/0001.txt
      beth/concept/record-13.con          beth/concept/record-13.con

An archive comes from outside, so it is read as if it were hostile: no member may be a link, lie outside the archive or
be larger than a corpus can be, and the whole may not unpack to hundreds of times its size. Every limit holds for the
bytes that come out, not for what a header claims.
"""

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from chartune.errors import SchemaError
from chartune.sources.reading import sanitised

PACKED: Final = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_MEMBERS: Final = 20_000
MOST_BYTES: Final = 1 << 30
"""Bytes that an archive may unpack to; the largest corpus here has some 60 MB."""
LARGEST: Final = 1 << 28
"""Bytes of one file."""
RATIO: Final = 500
"""Times its size that an archive may unpack to. Text comes to ten; DEFLATE cannot pass 1,032, and a bomb tries to."""
HARMLESS: Final = 1 << 20
"""Bytes below which nobody asks for the ratio: a tar of short files is mostly padding."""
T = TypeVar("T")
_UNWANTED: Final = re.compile(r"(^|/)(\._[^/]*|__MACOSX(/.*)?|\.DS_Store)$")
"""What a Mac adds to archives and folders; `._0001.con` is no annotation."""
_DRIVE: Final = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """A file within the corpus, not read yet."""

    path: str
    """Where it is within the corpus, with `/` between the parts; an archive counts as a folder."""
    read: Callable[[], bytes]
    """Its bytes. Ask before the next member is asked for."""


@dataclass(frozen=True)
class RawFile:
    """A file of the corpus in memory."""

    path: str
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.path.rpartition("/")[2]


def raw_files(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Path within the corpus → archive, or loose file with one of these endings; sorted.

    Raises:
        SchemaError: there is no such folder or archive, it holds none of these files, or too many.
    """
    if is_archive(folder):
        return {folder.name: folder}
    if not folder.is_dir():
        raise SchemaError(
            f"a corpus must be a folder or one of {', '.join(PACKED)}, but {folder} is neither; correct the path."
        )
    files = {path: file for path, file in _walk(folder) if path.lower().endswith((*PACKED, *endings))}
    if not files:
        raise SchemaError(
            f"the corpus must hold {', '.join(f'*{ending}' for ending in endings)} or archives of them, but {folder} "
            f"holds none; give the folder into which it was downloaded."
        )
    return files


def members(folder: Path, endings: tuple[str, ...]) -> Generator[Member, None, None]:
    """Every file of the corpus with one of these endings, archives looked into; in the order of their paths.

    An archive is open until the next one is; whoever may stop before the end, by an error of a member, closes this.

    Raises:
        SchemaError: as `raw_files`, or an archive is damaged, hostile or too large.
    """
    for path, file in raw_files(folder, endings).items():
        if not is_archive(file):
            yield Member(path, _loose(file))
            continue
        for member in archive_members(file):
            if member.path.lower().endswith(endings):
                yield Member(f"{path}/{member.path}", member.read)


def read_corpus(folder: Path, endings: tuple[str, ...]) -> list[RawFile]:
    """All these files in memory, sorted by path. Raises SchemaError as `members`."""
    with closing(members(folder, endings)) as every:
        return sorted((RawFile(member.path, member.read()) for member in every), key=lambda file: file.path)


def is_archive(file: Path) -> bool:
    """Whether a path leads to an archive, by its name."""
    return file.name.lower().endswith(PACKED) and file.is_file()


def archive_members(file: Path) -> Iterator[Member]:
    """The plain files of an archive.

    Raises:
        SchemaError: it is damaged, too large, or holds a link or a path that leads out of it.
    """
    return _zip_members(file) if file.name.lower().endswith(".zip") else _tar_members(file)


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Plain files below a folder, sorted; links to folders are not followed."""
    count = 0
    for place, inner, names in os.walk(folder, onerror=_unreadable):
        inner.sort()
        for name in sorted(names):
            file = Path(place, name)
            path = file.relative_to(folder).as_posix()
            if _UNWANTED.search(path) or not file.is_file():
                continue
            count += 1
            if count > MOST_MEMBERS:
                raise SchemaError(
                    f"a corpus must have at most {MOST_MEMBERS} files, but {folder} has more; give the corpus's own "
                    f"folder."
                )
            yield path, file


def _unreadable(error: OSError) -> None:
    raise SchemaError(f"a corpus must be readable, but the folder {error.filename} is not; ask its owner for access.")


def _loose(file: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        if sanitised(file, file.stat).st_size > LARGEST:
            raise _too_large(file)
        return sanitised(file, file.read_bytes)

    return read


class _Reader(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Counted(io.RawIOBase):
    """A stream that counts what comes out of it and stops at the limit."""

    def __init__(self, stream: _Reader, file: Path, packed: int) -> None:
        self._stream, self._file, self._packed, self._out = stream, file, packed, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        content = self._stream.read(size)
        self._out += len(content)
        _within(self._file, self._out, self._packed)
        return content


def _within(file: Path, out: int, packed: int) -> None:
    """Refuse what unpacks to more than a corpus can be."""
    if out > MOST_BYTES:
        raise _too_large(file)
    if out > HARMLESS and out > RATIO * max(1, packed):
        raise SchemaError(
            f"an archive may unpack to at most {RATIO} times its size, but {file.name} goes beyond that; it is no "
            f"corpus. Get it again from its owner."
        )


def _too_large(file: Path) -> SchemaError:
    return SchemaError(
        f"a corpus must unpack to at most {MOST_BYTES >> 20} MiB and a file of it to {LARGEST >> 20} MiB, but "
        f"{file.name} is larger; give the corpus as its owner ships it."
    )


def _tar_members(file: Path) -> Iterator[Member]:
    with _opened(file) as archive:
        count = 0
        while (info := _asked(file, archive.next)) is not None:
            count += 1
            _allowed(file, info.name, count, info.size, link=info.issym() or info.islnk())
            if info.issparse() or not (info.isdir() or info.isfile()):
                raise SchemaError(
                    f"an archive must hold plain files, but member {count} of {file.name} is a device or has holes; do "
                    f"not use it, and get it again from its owner."
                )
            if info.isfile() and not _UNWANTED.search(info.name):
                yield Member(_tidy(info.name), _tar_read(file, archive, info))


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """The archive as a stream: nothing is sought, so that each byte that comes out is counted once."""
    packed = sanitised(file, file.stat).st_size
    with sanitised(file, lambda: file.open("rb")) as raw:
        stream = raw if file.suffix.lower() == ".tar" else gzip.GzipFile(fileobj=raw)
        counted = _Counted(stream, file, packed)
        with _asked(file, lambda: tarfile.open(fileobj=counted, mode="r|")) as archive:
            yield archive


def _tar_read(file: Path, archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        stream = archive.extractfile(info)
        content = stream.read() if stream else b""
        if len(content) != info.size:
            raise EOFError
        return content

    return lambda: _asked(file, read)


def _zip_members(file: Path) -> Iterator[Member]:
    packed = sanitised(file, file.stat).st_size
    with _asked(file, lambda: zipfile.ZipFile(file)) as archive:
        out = 0
        for count, info in enumerate(archive.infolist(), start=1):
            link = stat.S_ISLNK(info.external_attr >> 16)
            _allowed(file, info.filename, count, info.file_size, link=link)
            if info.flag_bits & 1:
                raise SchemaError(f"an archive must open without a password, but {file.name} has one; unpack it first.")
            out += info.file_size
            _within(file, out, packed)
            if not info.is_dir() and not _UNWANTED.search(info.filename):
                yield Member(_tidy(info.filename), _zip_read(file, archive, info))


def _zip_read(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as stream:  # gives at most the size in the header, and checks the CRC of that
            return stream.read()

    return lambda: _asked(file, read)


def _allowed(file: Path, name: str, count: int, size: int, *, link: bool) -> None:
    """Refuse a member that is a link, leads out of the archive, or is too large, or one too many."""
    parts = re.split(r"[/\\]", name)
    if link or ".." in parts or name.startswith(("/", "\\")) or _DRIVE.match(name) or "\0" in name:
        what = "a link" if link else "a path that leads out of it"
        raise SchemaError(
            f"an archive must hold plain files within itself, but member {count} of {file.name} is {what}; do not use "
            f"it, and get it again from its owner."
        )
    if count > MOST_MEMBERS or size > LARGEST:
        raise _too_large(file)


def _tidy(name: str) -> str:
    return "/".join(part for part in re.split(r"[/\\]", name) if part not in ("", "."))


_DAMAGED: Final = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
"""What the libraries raise on broken archives; zipfile a RuntimeError on a packing method that it does not know."""


def _asked(file: Path, step: Callable[[], T]) -> T:
    try:
        return step()
    except _DAMAGED:
        damaged = f"an archive must be whole, but {file.name} is damaged, cut off or packed in a way that is not read"
    raise SchemaError(f"{damaged}; compare its SHA-256 with its owner's, or unpack it and give the folder.")
