"""Downloads as they come: files of a made-up corpus as an archive, or loose in a folder."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes]


def write_tar(file: Path, files: Files) -> Path:
    """A `.tar.gz` of these members; returns it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            data = _bytes(content)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def write_zip(file: Path, files: Files) -> Path:
    """A `.zip` of these members; returns it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, _bytes(content))
    return file


def write_loose(folder: Path, files: Files) -> Path:
    """The same as plain files; returns the folder."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_bytes(content))
    return folder


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
