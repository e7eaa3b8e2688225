"""Plain text that a user names: a file, or a folder of them. Each file is a document.

PATH/**/*.txt, *.txt.gz ─UTF-8─▶ texts in the order of their paths
"""

import gzip
import zlib
from pathlib import Path
from typing import Final

from chartune.errors import DataError

SUFFIXES: Final = (".txt", ".txt.gz")
LARGEST: Final = 1 << 28
"""Bytes of text: far more than is scored, far less than memory."""


def plain_texts(path: Path) -> list[str]:
    """The texts of a file, or of all files below a folder that end in `.txt` or `.txt.gz`.

    Raises:
        DataError: there is none, they hold no words or too many bytes, or one is not UTF-8 or damaged.
    """
    files = _files(path)
    texts: list[str] = []
    left = LARGEST
    for file in files:
        texts.append(_text(file, left))
        left -= len(texts[-1].encode())
    if not any(text.strip() for text in texts):
        raise DataError(f"plain text must hold words, but the {len(files)} files of {path} hold none; name others.")
    return [text for text in texts if text.strip()]


def _files(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())
    except OSError:
        files = []
    if not files:
        raise DataError(
            f"plain text must be a file, or a folder with files that end in {' or '.join(SUFFIXES)}, but {path} is "
            f"neither; name another."
        )
    return files


def _text(file: Path, most: int) -> str:
    """The text of a file of at most so many bytes."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            content = opened.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise DataError(f"plain text must be readable, but {file} is not, or is damaged; leave it out.") from None
    if len(content) > most:
        raise DataError(
            f"plain text must have at most {LARGEST >> 20} MiB in all, but up to {file} it has more; name a part."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:  # it holds the whole text
        wrong = error.start
    raise DataError(f"plain text must be UTF-8, but byte {wrong} of {file} is not; convert it (`iconv -t utf-8`).")
