"""Predictions of a run as one short text, for a ledger: gzip in base64 of lines without a patient's id.

split,id,label,value       id: 12 hexadecimal digits of SHA-256(data fingerprint/hadm_id)
test,0f3a…,1,0.8312        value: log-odds, or the logits of all labels with blanks between; label likewise;
                           of spans start-end-type, by numbers
"""

import base64
import gzip
import hashlib
from typing import Final

import numpy as np
import polars as pl

from chartune.answers import Answer
from chartune.runs.run import Run

MOST: Final = 20_000
"""Values that are kept; of more none are, so that a ledger can be committed."""
HEADER: Final = "split,id,label,value"
DIGITS: Final = 4


def packed(run: Run) -> str | None:
    """The predictions of a run; None: it has none, or too many."""
    form = run.form
    if form is None or not run.has_predictions():
        return None
    frame = run.predictions()
    if form.cells(frame) > MOST:
        return None
    lines = [HEADER] + [
        f"{split},{hashed_id(run.data or '', admission)},{_label(label)},{values}"
        for split, admission, label, values in zip(
            frame["split"], frame["hadm_id"], frame["label"].to_list(), _values(form, frame), strict=True
        )
    ]
    return base64.b64encode(gzip.compress("\n".join(lines).encode(), mtime=0)).decode()


def _values(form: Answer, frame: pl.DataFrame) -> list[str]:
    """What was decided of each row."""
    if not form.whole_text:
        return [_label(spans) for spans in frame["spans"].to_list()]
    decided = np.asarray(form.read(frame)[1], dtype=np.float64).reshape(frame.height, -1).round(DIGITS)
    return [" ".join(f"{value:g}" for value in values) for values in decided.tolist()]


def unpacked(text: str) -> str:
    """The lines again."""
    return gzip.decompress(base64.b64decode(text)).decode()


def hashed_id(data: str, admission: int) -> str:
    """What stands for an admission of prepared data."""
    return hashlib.sha256(f"{data}/{admission}".encode()).hexdigest()[:12]


def _label(label: object) -> str:
    return " ".join(map(_one, label)) if isinstance(label, list) else str(label)


def _one(label: object) -> str:
    return f"{label['start']}-{label['end']}-{label['label']}" if isinstance(label, dict) else str(label)
