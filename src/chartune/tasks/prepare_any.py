"""Prepare, as the face has it: a preparation, or a frame of one's own.

DataFrame ─file in the store─▶ Tabular ─▶ Preparation ─┐
Preparation ───────────────────────────────────────────┴─prepare─▶ data/<fingerprint>
"""

from pathlib import Path
from typing import Any

from chartune.errors import ConfigError
from chartune.sources.frame import is_frame, kept_frame
from chartune.store import Artefact, Store, store_at
from chartune.tasks import prepare as preparing
from chartune.tasks.charts import Preparation
from chartune.tasks.prepared import BasePreparation


def prepare(
    what: Any, store: Store | Path | str | None = None, *, text: str = "text", label: str | None = "label",
    patient: str | None = "subject_id", id: str | None = None, time: str | None = None, separator: str | None = None,
    null_marks: tuple[str, ...] | None = None, title: str = "",
) -> Artefact:  # fmt: skip
    """The prepared data of a frame, or of a preparation: found in the store, else made.

    A stage takes what is returned: `Finetune(data=prepare(frame), ...)`. All that follows is of a frame.

    Args:
        what: a frame (polars, pandas 2.2 or newer, pyarrow), a row per text; or a preparation.
        store: where prepared data are kept; None: CHARTUNE_STORE, or `chartune-store` in the working folder.
        text: the column that is read.
        label: the column of labels; None: there are none, and models can be adapted only. Lists need a `separator`.
        patient: the column that names patients, none of whom stands in two splits; None: each row is one.
        id: the column that names rows; None: they are numbered from 1.
        time: the column that says when the text was written; None: nobody knows.
        separator: what stands between the labels of a cell; None: a cell is one label.
        null_marks: cells that mean nothing besides null and empty ones; None: usual marks, such as `NA`, are refused.
        title: what to call it in reports.

    Raises:
        SchemaError: a column is missing, or the table breaks its contract.
        ConfigError: it is neither a frame nor a preparation.
        DataError, LeakageError, StoreError: as `chartune.tasks.prepare.prepare`.
    """
    opened = store_at(store).open()
    if isinstance(what, BasePreparation):
        return preparing.prepare(what, opened)  # type: ignore[arg-type]
    if not is_frame(what):
        raise ConfigError(
            f"what is prepared must be a frame (polars, pandas, pyarrow) or a Preparation, but is a "
            f"{type(what).__name__}; read a file with `Preparation(source=Tabular(file=...))`."
        )
    columns = [name for name in (patient, id, text, label, time) if name]
    source = {
        "kind": "tabular", "file": str(kept_frame(what, columns, opened)), "text": text, "label": label,
        "subject": patient, "id": id, "time": time, "separator": separator, "null_marks": null_marks,
        "title": title or "a frame",
    }  # fmt: skip
    return preparing.prepare(Preparation.parse({"source": source}), opened)
