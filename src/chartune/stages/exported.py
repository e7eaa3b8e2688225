"""An exported model as a scorer: what `export` has written, read by chartune itself; `load.py` there is not run.

export.json ─┬ model/: a stock headless model, everything merged ────────────┐
             └ base by its hashes ─▶ layers from adapter/… ──────────────────┴─▶ head.safetensors ─▶ ModelScorer

Every file is compared with SHA256SUMS first. It is computed in fp32, as an export is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError

from chartune.adapters.adapter import read_adapter
from chartune.adapters.stack import Frozen, Stack, attach
from chartune.answers import answer_of
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError, ConfigError, RunError, StoreError
from chartune.hashing import hashed
from chartune.models.backbone import Backbone, LocalBackbone, inspect
from chartune.models.heads import Head, Pooling
from chartune.models.load import Resolved, load_body
from chartune.models.readers import Classifier
from chartune.notes.line_breaks import Breaks
from chartune.prediction.scorer import Origin
from chartune.record import Record
from chartune.runs.record import Calibration
from chartune.stages.bases import find_or_convert
from chartune.stages.exporting import ABOUT, SUMS
from chartune.stages.finetune import HEAD_FILE
from chartune.stages.loading import ModelScorer, read_head
from chartune.store import Store

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
    return (folder / ABOUT).is_file()


def read_export(folder: Path) -> Export:
    """An exported model of a task, each file compared with its SHA-256.

    Raises:
        StoreError: a file is missing or another one than was written, or export.json is of another version.
        RunError: it scores no texts.
    """
    try:
        lines = [line.split("  ", 1) for line in (folder / SUMS).read_text("utf-8").splitlines()]
        sums = {name: sha256 for sha256, name in lines}
        damaged = [name for name, sha256 in sums.items() if hashed(folder / name).sha256 != sha256]
        about = ExportRecord.model_validate_json((folder / ABOUT).read_bytes())
    except (OSError, UnicodeDecodeError, ValueError, ValidationError):
        raise StoreError(
            f"{folder} must hold {ABOUT} and {SUMS} as `export` wrote them, but has not; {_AGAIN}."
        ) from None
    unlisted = {ABOUT, *([HEAD_FILE] if about.kind == "finetune" else [])} - set(sums)
    if damaged or unlisted:
        names = ", ".join([*damaged, *sorted(unlisted)][:3])
        raise StoreError(f"every file of {folder} must be as {SUMS} lists it, but {names} is not; {_AGAIN}.")
    if about.kind != "finetune":
        raise RunError(f"a model that scores texts must have a head, but {folder} is of a {about.kind} run.")
    return Export(folder, about, sums)


def load_export(export: Export, store: Store, base: Backbone | None = None) -> ModelScorer:
    """An exported model as what it was made for.

    Args:
        export: from `read_export`.
        store: where base models are.
        base: where the base model is now; None: as export.json names it.

    Raises:
        ConfigError: the base model is missing.
        AdapterError: it is another one, or weights do not fit it.
    """
    about = export.about
    backbone = _backbone(export, store, base)
    adapters = [read_adapter(export.folder / layer) for layer in about.adapters]
    for adapter in adapters:
        adapter.must_fit(backbone)
    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    resolved = Resolved(device, "fp32", about.options.get("attn_implementation", "eager"), "as exported")
    body, form = load_body(backbone, resolved), answer_of(about.answer)
    layers = Stack(layers=tuple(Frozen(adapter=str(adapter.folder)) for adapter in adapters))
    attached = attach(layers, body.module, adapters, seed=0)
    prior = np.zeros(form.outputs(len(about.labels)), dtype=np.float32)
    head = Head(pooling=about.pooling, normalise=about.normalise).build(body.hidden_size, prior, 0)
    model = Classifier(attached.module, head, about.pooling, form.loss)
    read_head(model, export.folder / HEAD_FILE)
    model.requires_grad_(False)
    origin = Origin.of(about.name, about.run, export.sums)
    return ModelScorer(
        origin, about.labels, about.titles, form, about.calibration, model.eval().to(device), load_tokenizer(backbone),
        resolved, about.max_seq_len,
    )  # fmt: skip


def _backbone(export: Export, store: Store, base: Backbone | None) -> LocalBackbone:
    """The whole model of an export, or the base that its layers belong to."""
    about = export.about
    name = about.base.name or ""
    if about.model is not None:
        return inspect(export.folder / about.model, name=name, licence=about.base.licence or "", exposure="")
    try:
        local = find_or_convert(base or Backbone(name=name), store)
    except ConfigError:
        if base is not None:
            raise
        local = None
    if local is None:
        raise ConfigError(
            f"{export.folder} holds layers of {name}, but not that model itself; say where it is with --base."
        )
    if {file.path.name: file.sha256 for file in local.files} != about.base.files:
        raise AdapterError(
            f"an export must be read with the base model that it was trained on ({name}), but {local.name} has other "
            f"files; say where its own is with --base."
        )
    return local
