"""An exported model as a scorer: what `export` has written, read by chartune itself; `load.py` there is not run.

export.json ─┬ model/: a stock headless model, everything merged ────────────┐
             └ base by its hashes ─▶ layers from adapter/… ──────────────────┴─▶ head.safetensors ─▶ ModelScorer

Every file is compared with SHA256SUMS first. It is computed in fp32, as an export is.
"""

from typing import Literal

import numpy as np
import torch

from chartune.adapters.adapter import read_adapter
from chartune.adapters.fusion import kept_stack, merging
from chartune.adapters.stack import attach
from chartune.answers import answer_of
from chartune.batches.long_texts import First
from chartune.batches.tokenize import load_tokenizer
from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import Backbone, LocalBackbone, inspect
from chartune.models.heads import Head
from chartune.models.load import load_body
from chartune.models.memory import within_memory
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.prediction.outputs import Origin
from chartune.runs.record import HEAD_FILE
from chartune.stages.bases import find_or_convert
from chartune.stages.export_record import Export
from chartune.stages.loading import read_head
from chartune.stages.model_scorer import ModelScorer
from chartune.store import Store


@within_memory()
def load_export(export: Export, store: Store, base: Backbone | None = None) -> ModelScorer:
    """An exported model as what it was made for.

    Args:
        export: from `read_export`.
        store: where base models are.
        base: where the base model is now; None: as export.json names it.

    Raises:
        ConfigError: the base model is missing.
        AdapterError: it is another one, or weights do not fit it.
        RunError: memory has run out.
    """
    about = export.about
    backbone = _backbone(export, store, base)
    adapters = [read_adapter(export.folder / layer) for layer in about.adapters]
    for adapter in adapters:
        adapter.must_fit(backbone)
    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    resolved = Resolved(device, "fp32", about.options.get("attn_implementation", "eager"), "as exported")
    layers, form = kept_stack(adapters), answer_of(about.answer)
    body = load_body(backbone, resolved, change=merging(layers, adapters))
    attached = attach(layers, body.module, adapters, seed=0)
    prior = np.zeros(form.outputs(len(about.labels)), dtype=np.float32)
    head = Head(pooling=about.pooling, normalise=about.normalise).build(body.hidden_size, prior, 0)
    model = Classifier(attached.module, head, about.pooling, form.loss)
    read_head(model, export.folder / HEAD_FILE)
    model.requires_grad_(False)
    origin = Origin.of(about.name, about.run, export.sums)
    return ModelScorer(
        origin, about.labels, about.titles, form, about.calibration, model.eval().to(device), load_tokenizer(backbone),
        resolved, about.max_seq_len, First(), of_pairs=False,
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
