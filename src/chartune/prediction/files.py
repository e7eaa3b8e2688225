"""Files of predictions, written chunk by chunk: a process that is killed resumes at a chunk's edge, byte for byte.

chunk ─score─▶ STORE/predictions/<what determines them>.partial/000017-….parquet ─all there─▶ OUT, whole or not at all
"""

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import polars as pl
import polars.selectors as cs

from chartune.config import fingerprint
from chartune.errors import ConfigError
from chartune.log import progress
from chartune.outputs import must_be_a_file, must_be_new_outside_repositories, new_file
from chartune.prediction.folders import is_folder, must_be_of_spans, write_standoff
from chartune.prediction.related import RelatedTexts, write_relations
from chartune.prediction.rows import Choices, prediction_rows
from chartune.prediction.scorer import Scorer
from chartune.prediction.texts import CHUNK, Checked, Texts
from chartune.runs.holdings import MADE_FROM
from chartune.store import Store, sha256, storing, write_bytes, write_json
from chartune.tasks.frames import read_frame, write_frame, write_joined

SHELF: Final = "predictions"
REVISION: Final = 2
"""Raised when a bug fix changes what predictions hold."""
JOINED: Final = ";"
"""Stands between the labels of a row in CSV; spans are JSON there."""
STANDARD_OUTPUT: Final = Path("-")
_DIGITS: Final = 16
"""Hexadecimal digits of the hash of a chunk's file."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    rows: int
    chunks: int
    """Chunks of the input."""
    resumed: int
    """Those of them that an earlier attempt had scored."""


def must_be_writable(out: Path, source: Path | None = None, *, folders: bool = False) -> None:
    """Refuse an output before any work is done.

    Args:
        out: the file, or standard output.
        source: what is read; None: no file.
        folders: whether a folder may be written, too.

    Raises:
        ConfigError: its ending is none of those that are written; a device or a pipe has its name, or a folder that is
            not empty; it is the input, or lies in the folder of tables that is the input.
    """
    if out == STANDARD_OUTPUT:
        return
    if source is not None and source.is_dir() and out.parent.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"--out must lie outside of the folder that is read, but {out} is in {source}; name another.")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise ConfigError(f"--out must be another file than the input, but both are {out}; name a new one.")
    if folders and is_folder(out):
        must_be_new_outside_repositories(out, "--out")
        return
    if _ending(out) not in _ENDINGS:
        raise ConfigError(f"--out must end in {', '.join(_ENDINGS)}, or be -, but got {out.name}; name such a file.")
    must_be_a_file(out)


@dataclass(frozen=True)
class Wanted:
    """What one scorer is to write."""

    scorer: Scorer
    out: Path
    """CSV, JSON Lines or Parquet by its ending; `-`: standard output; of spans a folder, for brat's files."""
    choices: Choices
    """How probabilities become rows."""


def write_predictions_of(
    scorer: Scorer, texts: Texts, seen: Checked, out: Path, store: Store, choices: Choices, *, as_json: bool = False
) -> Written:
    """Score an input into a file; arguments and errors as of `write_predictions_of_all`."""
    return write_predictions_of_all([Wanted(scorer, out, choices)], texts, seen, store, as_json=as_json)[0]


def write_predictions_of_all(
    wanted: Sequence[Wanted], texts: Texts, seen: Checked, store: Store, *, as_json: bool = False
) -> list[Written]:
    """Score an input by several scorers, each into a file of its own, chunk by chunk: the input is read once.

    Args:
        wanted: the scorers, and where their rows go; no two of the same rows.
        texts: the input.
        seen: what `checked` has seen of it.
        store: keeps the chunks until all are there.
        as_json: whether standard output gets JSON Lines in place of CSV.

    Raises:
        StoreError: another process writes the same, or there is no room.
        RunError: one text alone does not fit into memory.
    """
    for each in wanted:
        each.choices.must_suit(each.scorer)
        related = isinstance(texts, RelatedTexts)
        must_be_of_spans(each.out, whole_text=each.scorer.form.whole_text and not related)
    digest = texts.digest(store)
    with ExitStack() as held:
        folders = [held.enter_context(_folder(each, digest, store)) for each in wanted]
        scored = _scored(wanted, texts, seen, folders)
        for each, folder, (made, _) in zip(wanted, folders, scored, strict=True):
            _write_out(each.out, made, texts, store, as_json=as_json)
            shutil.rmtree(folder)
        texts.forget()
    return [
        Written(each.out, seen.rows, len(made), resumed) for each, (made, resumed) in zip(wanted, scored, strict=True)
    ]


@contextmanager
def _folder(wanted: Wanted, digest: str, store: Store) -> Iterator[Path]:
    """Meanwhile the folder of a scorer's chunks is one's own."""
    origin = wanted.scorer.origin
    parts = {"run": origin.fingerprint, "weights": origin.weights, "input": digest, "choices": asdict(wanted.choices),
             "environment": wanted.scorer.environment, "chunk": CHUNK}  # fmt: skip
    name = fingerprint(SHELF, REVISION, parts)
    with store.lease(SHELF, name):
        folder = store.partial(SHELF, name)
        with storing(folder):
            write_json(folder / MADE_FROM, {"run": origin.fingerprint})
        yield folder


def _write_out(out: Path, made: list[Path], texts: Texts, store: Store, *, as_json: bool) -> None:
    if is_folder(out) and isinstance(texts, RelatedTexts):
        write_relations(map(read_frame, made), texts, out, store)
    elif is_folder(out):
        write_standoff(map(read_frame, made), texts, out, store)
    else:
        _written_out(made, out, as_json=as_json)


def _scored(
    wanted: Sequence[Wanted], texts: Texts, seen: Checked, folders: Sequence[Path]
) -> list[tuple[list[Path], int]]:
    """Of each scorer the file of each chunk, and how many were there already."""
    made: list[list[Path]] = [[] for _ in wanted]
    resumed = [0] * len(wanted)
    with progress("score", total=seen.rows) as meter:
        for number, chunk in enumerate(texts.chunks()):
            ids = chunk.ids.cast(pl.Int64) if seen.whole else chunk.ids.cast(pl.String)
            for at, (each, folder) in enumerate(zip(wanted, folders, strict=True)):
                if (kept := _kept(folder, number)) is not None:
                    resumed[at] += 1
                else:
                    rows = prediction_rows(each.scorer, ids, chunk.texts, each.choices)
                    texts.must_be_unchanged()
                    kept = _keep(rows, folder, number)
                made[at].append(kept)
            meter.advance(chunk.ids.len())
    return list(zip(made, resumed, strict=True))


def _keep(rows: pl.DataFrame, folder: Path, number: int) -> Path:
    """The file of a chunk, written; its name says what it holds."""
    block = io.BytesIO()
    rows.write_parquet(block, compression="zstd")
    data = block.getvalue()
    file = folder / f"{number:06}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.parquet"
    with storing(file):
        write_bytes(file, data)
    return file


def _kept(folder: Path, number: int) -> Path | None:
    """The file of a chunk that an earlier attempt has scored, as it was written; None: there is none."""
    files = folder.glob(f"{number:06}-*.parquet")
    return next((file for file in files if sha256(file)[:_DIGITS] == file.stem.partition("-")[2]), None)


def write_rows(rows: pl.DataFrame, out: Path, *, as_json: bool = False) -> None:
    """Write rows that are in memory as `write_predictions_of` writes those of an input.

    Raises:
        StoreError: there is no room.
    """
    _written_as(out, as_json, [rows], lambda file: write_frame(rows, file))


def _written_out(parts: list[Path], out: Path, *, as_json: bool) -> None:
    _written_as(out, as_json, (read_frame(part) for part in parts), lambda file: write_joined(parts, file))


def _written_as(out: Path, as_json: bool, frames: Iterable[pl.DataFrame], parquet: Callable[[Path], None]) -> None:
    """Frames of one schema as lines, by the ending of a file or on standard output; else `parquet` writes the file."""
    if out == STANDARD_OUTPUT:
        for text in (_json_lines if as_json else _csv)(frames):
            sys.stdout.write(text)
        return
    with new_file(out) as file:
        lines = _LINES.get(_ending(out))
        if lines is None:
            parquet(file)
            return
        with file.open("x", encoding="utf-8", newline="") as handle:
            handle.writelines(lines(frames))


def _ending(out: Path) -> str:
    return out.suffix.lower()


def _csv(frames: Iterable[pl.DataFrame]) -> Iterator[str]:
    for number, frame in enumerate(frames):
        rows = frame.with_columns(pl.col(pl.List(pl.String)).list.join(JOINED)).with_columns(
            pl.Series(column.name, [json.dumps(spans) for spans in column.to_list()])
            for column in frame.select(cs.list(cs.struct())).get_columns()
        )
        yield rows.write_csv(include_header=number == 0)


def _json_lines(frames: Iterable[pl.DataFrame]) -> Iterator[str]:
    return (frame.write_ndjson() for frame in frames)


_LINES: Final = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
"""Ending → the text of each frame."""
_ENDINGS: Final = (*_LINES, ".parquet")
