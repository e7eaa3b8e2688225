"""What `export` says of a folder that it has written: `export.json`, and the hash of every file. Knows no tensors.

folder ─SHA256SUMS, file by file─▶ Export ─`chartune.stages.exported`─▶ a scorer
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from chartune.errors import RunError, StoreError
from chartune.hashing import hashed
from chartune.metrics.recalibrators import Calibration
from chartune.models.families import Pooling
from chartune.notes.line_breaks import Breaks
from chartune.record import Record
from chartune.runs.record import HEAD_FILE

ABOUT: Final = "export.json"
SUMS: Final = "SHA256SUMS"
_AGAIN: Final = "export the run again, into a new folder"


class Base(Record):
    """The base model that an export stands on."""

    name: str | None = None
    content_hash: str | None = None
    licence: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """File → SHA-256; empty: the export holds the whole model."""


class ExportRecord(Record):
    """`export.json`."""

    chartune: str
    """Version that wrote it."""
    run: str
    """Fingerprint of the run."""
    name: str
    kind: str
    sensitivity: str
    audited_for_memorisation: bool
    base: Base
    model: Literal["model"] | None
    """Folder of the whole model; None: the layers are apart."""
    adapters: tuple[str, ...]
    """Folders of the layers, the lowest first."""
    tokenizer: str
    stack: str | None
    trained_in: str
    """Precision of the training; an export is computed in fp32."""
    max_seq_len: int
    """Tokens read of a text."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What transformers is given beside the folder."""
    pooling: Pooling = "mean"
    normalise: bool = True
    task: str | None = None
    answer: str = ""
    several: bool = False
    labels: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    calibration: Calibration | None = None
    slope: float = 1.0
    """What `load.py` multiplies logits by before they become probabilities; 1: they are raw, or isotonic, which it does
    not apply."""
    offset: tuple[float, ...] = ()
    """What it adds to them, by label."""
    line_breaks: Breaks = "repaired"


@dataclass(frozen=True)
class Export:
    """A folder that `export` has written."""

    folder: Path
    about: ExportRecord
    sums: dict[str, str]
    """File within it → SHA-256, each as it is."""


def is_export(folder: Path) -> bool:
    """Whether a folder is one that `export` has written."""
    return os.path.isfile(folder / ABOUT)  # of a folder that may not be looked at: no


def read_export(folder: Path) -> Export:
    """An exported model of a task, each file compared with its SHA-256.

    Raises:
        StoreError: a file is missing, another one than was written, or, beside weights or a tokenizer, one that was not
            written at all; or export.json is of another version.
        RunError: it scores no texts.
    """
    try:
        sums = _sums(folder)
        damaged = [name for name, sha256 in sums.items() if hashed(folder / name).sha256 != sha256]
        about = ExportRecord.model_validate_json((folder / ABOUT).read_bytes())
    except (OSError, UnicodeDecodeError, ValueError, ValidationError):
        raise StoreError(
            f"{folder} must hold {ABOUT} and {SUMS} as `export` wrote them, but has not; {_AGAIN}."
        ) from None
    places = [folder / name for name in {about.model or about.tokenizer, *about.adapters}]
    beside = {path.relative_to(folder).as_posix() for place in places for path in place.rglob("*") if path.is_file()}
    unlisted = {ABOUT, *([HEAD_FILE] if about.kind == "finetune" else []), *beside} - set(sums)
    if damaged or unlisted:
        names = ", ".join([*damaged, *sorted(unlisted)][:3])
        raise StoreError(f"every file of {folder} must be as {SUMS} lists it, but {names} is not; {_AGAIN}.")
    if about.kind != "finetune":
        raise RunError(f"a model that scores texts must have a head, but {folder} is of a {about.kind} run.")
    return Export(folder, about, sums)


def _sums(folder: Path) -> dict[str, str]:
    """What SHA256SUMS lists. Raises ValueError: something outside of the folder, or no plain file."""
    lines = (line.split("  ", 1) for line in (folder / SUMS).read_text("utf-8").splitlines())
    sums = {name: sha256 for sha256, name in lines}
    if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in sums):
        raise ValueError
    return sums
