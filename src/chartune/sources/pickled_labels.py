"""Labels in a pickle, as BEEP ships those of prolonged ventilation: read by a process that can do nothing else.

    pmv_labels.pkl ─stdin─▶ restricted_pickle, behind walls ─JSON─▶ hadm_id · label · split

A pickle is a program. This is the only shape of one that the data side reads, and nothing of it is opened in this
process. MIMIC's terms hold for the file: it names admissions.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import TypeAdapter, ValidationError

from chartune.config import Unhashed
from chartune.errors import SchemaError
from chartune.sources import restricted_pickle
from chartune.sources.answers import ANSWERS, LabelFile, split_of
from chartune.sources.reading import sanitised
from chartune.sources.releases import CREDENTIALED

MOST_BYTES: Final = 16 << 20
"""A file of labels is far smaller: 40 bytes an admission."""
PATIENCE: Final = 120.0
"""Seconds after which the reader is ended."""
_ENTRIES: Final = TypeAdapter(list[tuple[int, str, str]])
_REMEDY: Final = "have its owner write a CSV file with the columns hadm_id, label and split (labels.kind=table)"


class PickledLabels(LabelFile):
    """A dictionary `HADM_ID → (label, ..., name of the split)` in a pickle, as BEEP (Naik et al., 2022) ships it."""

    kind: Literal["beep"] = "beep"
    licence: Annotated[str, Unhashed()] = CREDENTIALED
    """Under which terms it may be used: it names admissions of MIMIC-III."""

    @property
    def timed(self) -> bool:
        """Whether each label has a time of prediction of its own: never."""
        return False

    def answers(self, *, with_split: bool) -> pl.DataFrame:
        """The labels (`chartune.sources.answers.ANSWERS`).

        Raises:
            SchemaError: the file is missing, too large, asks for code, or holds something else; nothing of it is run.
        """
        rows = unpickled(self.existing_file())
        labels = pl.DataFrame(rows, {"hadm_id": pl.Int64, "label": pl.String, "split": pl.String}, orient="row")
        split = split_of(labels["split"], self.file) if with_split else pl.lit(None, pl.String)
        return labels.select(
            pl.lit(None, pl.Int64).alias("subject_id"),
            "hadm_id",
            pl.lit(None, pl.Datetime("us")).alias("prediction_time"),
            pl.concat_list("label").alias("asked"),
            split.alias("split"),
        ).cast(ANSWERS)  # type: ignore[arg-type]


def unpickled(file: Path) -> list[tuple[int, str, str]]:
    """Have a process behind walls read a pickle: (hadm_id, label, split) of each entry.

    Raises:
        SchemaError: as `PickledLabels.answers`.
    """
    size = sanitised(file, lambda: file.stat().st_size)
    if not 0 < size <= MOST_BYTES:
        raise SchemaError(
            f"a pickle of labels must have from 1 to {MOST_BYTES} bytes, but {file.name} has {size}; {_REMEDY}."
        )
    done = sanitised(file, lambda: _asked(file))
    if done is None or done.returncode:
        raise SchemaError(f"{file.name} must be a pickle of labels, but {_why(done)}; nothing of it was run. {_WAY}")
    try:
        return _ENTRIES.validate_json(done.stdout, strict=True)
    except ValidationError:
        answer = "what its reader answered"
    raise SchemaError(f"{file.name} must be a pickle of labels, but {answer} is none; {_REMEDY}.")


_WAY: Final = f"{_REMEDY[0].upper()}{_REMEDY[1:]}."


def _asked(file: Path) -> "subprocess.CompletedProcess[bytes] | None":
    """The reader's end; None: it took too long. The file is handed over open: the reader may open none."""
    environment = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    with file.open("rb") as opened:
        try:
            return subprocess.run(
                [sys.executable, "-I", "-S", restricted_pickle.__file__], stdin=opened, capture_output=True,
                env=environment, cwd="/", timeout=PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None


def _why(done: "subprocess.CompletedProcess[bytes] | None") -> str:
    """Why the reader gave up, without a value of the file."""
    if done is None:
        return f"its reader was ended after {PATIENCE:g} seconds"
    if done.returncode < 0:
        return f"its reader was ended by {signal.Signals(-done.returncode).name}, as by nested values or its limits"
    try:
        line = json.loads(done.stderr.decode().strip().rpartition("\n")[2])
        kind, message = str(line["kind"]), str(line["message"])
    except (ValueError, KeyError, TypeError):
        return "its reader failed"
    if kind == "MemoryError":
        return "it needs more memory than labels do"
    return message or f"it is cut off, damaged or none ({kind})"
