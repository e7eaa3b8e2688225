"""Documents in a folder: plain texts that are scored, and spans that are written beside them as brat has them.

FOLDER/ward/report-17.txt ─score─▶ OUT/ward/report-17.txt, the same, and OUT/ward/report-17.ann

T1<TAB>Drug 10 17<TAB>aspirin          what an .ann file says: place, type and the words that stand there
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import polars as pl

from chartune.errors import ConfigError, DataError, SchemaError
from chartune.hashing import stamp_of
from chartune.outputs import new_folder
from chartune.prediction.texts import CHUNK, EXACT, Chunk, Texts, as_read, rows_named
from chartune.sources.facts import changed_meanwhile, content_hash
from chartune.sources.reading import sanitised
from chartune.store import Store, write_bytes

TEXT: Final = ".txt"
MARKS: Final = ".ann"
_LINE: Final = re.compile(r"[^\r\n]+")
_SAFE: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)*")


class FolderTexts(Texts):
    """Each `.txt` file of a folder, in the order of their paths; an id is the path without its ending."""

    otherwise: ClassVar[str] = f"give a folder of {TEXT} files"

    def __init__(self, folder: Path) -> None:
        """Look which files there are. Raises SchemaError: there is none."""
        self.folder = folder
        files = sorted(file for file in folder.rglob(f"*{TEXT}") if file.is_file())
        if not files:
            raise SchemaError(f"a folder of documents must hold {TEXT} files, but {folder} holds none; name another.")
        self._files = {file.relative_to(folder).as_posix().removesuffix(TEXT): file for file in files}
        self._stamps = self._stamped()

    def digest(self, store: Store) -> str:
        """Of paths and bytes."""
        known = [(name, content_hash(file)) for name, file in self._files.items()]
        return hashlib.sha256(repr(known).encode()).hexdigest()

    def must_be_unchanged(self) -> None:
        """By size, times and inode of each file."""
        if self._stamped() != self._stamps:
            raise SchemaError(changed_meanwhile(self.folder.name))

    def chunks(self) -> Iterator[Chunk]:
        """The documents, to the character. Raises SchemaError: one is not UTF-8, or cannot be read."""
        names = list(self._files)
        for first in range(0, len(names), CHUNK):
            some = names[first : first + CHUNK]
            texts = pl.Series("text", [self._text(self._files[name]) for name in some], dtype=pl.String)
            yield Chunk(first + 1, pl.Series("id", some, dtype=pl.String), as_read(texts, EXACT))

    def _stamped(self) -> list[Any]:
        return [sanitised(file, partial(stamp_of, file)) for file in self._files.values()]

    @staticmethod
    def _text(file: Path) -> str:
        try:
            return sanitised(file, file.read_bytes).decode("utf-8-sig")
        except UnicodeDecodeError:  # it quotes bytes of the text
            wrong = f"a document must be text in UTF-8, but some bytes of {file} are none"
        raise SchemaError(f"{wrong}; convert it (`iconv -t utf-8`).")


def standoff(text: str, spans: Iterable[Mapping[str, Any]]) -> str:
    """The lines of an `.ann` file. spans: start, end, type; one that goes over line breaks has a piece in each line."""
    lines = []
    for number, span in enumerate(spans, start=1):
        start, end = span["start"], span["end"]
        pieces = [(start + line.start(), start + line.end()) for line in _LINE.finditer(text[start:end])]
        places = ";".join(f"{first} {last}" for first, last in pieces)
        words = " ".join(text[first:last] for first, last in pieces)
        lines.append(f"T{number}\t{span['type']} {places}\t{words}\n")
    return "".join(lines)


def write_standoff(frames: Iterable[pl.DataFrame], texts: Texts, out: Path, store: Store) -> None:
    """Write a folder with each document and the spans that were predicted in it.

    Args:
        frames: id, spans of the chunks of `texts`, in their order.
        texts: the documents.
        out: the folder; it must not exist or be empty. It quotes the documents.
        store: lists the folder while it is written.

    Raises:
        ConfigError: the folder cannot be taken, or two documents would have one name there.
        DataError: an id cannot be the name of a file.
        StoreError: there is no room.
    """
    with new_folder(out, "--out", store.root) as folder:
        for frame, chunk in zip(frames, texts.chunks(), strict=True):
            ids = chunk.ids.cast(pl.String)
            _must_be_names(ids, chunk.first)
            for name, text, spans in zip(ids, chunk.texts, frame["spans"].to_list(), strict=True):
                _write(folder / name, text or "", spans or [])


def _must_be_names(ids: pl.Series, first: int) -> None:
    wrong = pl.Series([_SAFE.fullmatch(name) is None or ".." in name.split("/") for name in ids], dtype=pl.Boolean)
    if wrong.any():
        raise DataError(
            f"ids must be names of files (letters, digits, `_`, `.`, `-`) to become documents of brat, but "
            f"{rows_named(wrong, first)} are none; correct them, or write .jsonl."
        )


def _write(document: Path, text: str, spans: Sequence[Mapping[str, Any]]) -> None:
    document.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_bytes(document.with_name(f"{document.name}{TEXT}"), text.encode())
    write_bytes(document.with_name(f"{document.name}{MARKS}"), standoff(text, spans).encode())


def is_folder(out: Path) -> bool:
    """Whether an output is a folder of brat's files: a name without an ending, or a folder that is there."""
    return out != Path("-") and (out.is_dir() or not out.suffix)


def must_be_of_spans(out: Path, *, whole_text: bool) -> None:
    """Refuse a folder for anything but spans and relations of given entities. Raises ConfigError."""
    if whole_text and is_folder(out):
        raise ConfigError(
            f"--out must end in .csv, .jsonl, .ndjson, .parquet, or be -, because only spans and relations are "
            f"written into a folder, but got {out.name}; name such a file."
        )
