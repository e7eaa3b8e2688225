"""Bulk: several finished runs score the same texts, over as few base models as they have, in as few passes.

    runs on one base ─▶ its numbers once     of the same layers, such as heads on a clinical adapter ─▶ one pass

Each scores as it does alone, bit for bit: a text is read by each stack of layers with these in the matrices. Mixing
rows of tasks would save nothing here, as every text is asked of every task.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartune.batches.collate import Examples
from chartune.models.readers import FeatureReader
from chartune.notes.text_pair import Text
from chartune.prediction.predictions import head_logits, pooled_vectors
from chartune.prediction.scorer import Reading, Scorer
from chartune.runs.run import Run
from chartune.serving.bodies import Bodies
from chartune.stages.chosen import Chosen
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.loading import Loaded, fine_tuned, inputs_of_run
from chartune.store import Store

Vectors = NDArray[np.float32]


@dataclass
class Pass:
    """The vectors of the texts that were read last, by what they depend on beside the texts."""

    texts: bytes = b""
    """Hash of their tokens."""
    vectors: dict[tuple[object, ...], Vectors] = field(default_factory=dict)

    def of(self, examples: Examples, what: tuple[object, ...], read: Callable[[], Vectors]) -> Vectors:
        """Vectors that are there, or are read now, [n, D]."""
        encoded = examples.encoded
        arrays = [encoded.ids, encoded.offsets, *examples.marks.values()]
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).digest()
        if digest != self.texts:
            self.texts, self.vectors = digest, {}
        if what not in self.vectors:
            self.vectors[what] = read()
        return self.vectors[what]


@dataclass(frozen=True)
class Together(Loaded):
    """A fine-tuned run that shares vectors with others of the same layers."""

    layers: tuple[object, ...]
    """Base, layers and numerics: what hidden states depend on."""
    shared: Pass

    def _read(self, texts: Sequence[Text]) -> Reading:
        """As alone; the body reads only what it has not read with these layers."""
        head = self.model.head
        if not self.form.whole_text or head.attend is not None:  # vectors of words take memory
            return super()._read(texts)
        examples = self.examples(texts)
        what = (*self.layers, self.model.pooling, self.model.bidirectional, examples.window, head.windows)
        vectors = self.shared.of(examples, what, lambda: pooled_vectors(self.model, examples, self.resolved))
        return self.reading_of(texts, examples, head_logits(FeatureReader(head), vectors))


def scorers_of(chosen: Sequence[Chosen], store: Store, base: str | None = None) -> list[Scorer]:
    """Runs and exports, ready to score the same texts.

    Args:
        chosen: in any order.
        store: where base models are.
        base: where the base model of all of them is now; None: where the runs found it.

    Raises:
        As `Chosen.scorer`.
    """
    bodies, shared = dict[str, Bodies](), Pass()
    return [_scorer(each, store, base, bodies, shared) for each in chosen]


def _scorer(chosen: Chosen, store: Store, base: str | None, bodies: dict[str, Bodies], shared: Pass) -> Scorer:
    run = chosen.run
    if run is None or run.kind != "finetune":
        return chosen.scorer(store, base)
    stage = Finetune.parse(run.stage, str(run.path / "stage.yaml"))
    if stage.stack.trains_all() or run.environment.get("quantisation", "none") != "none":
        return chosen.scorer(store, base)
    from chartune.models.backbone import Backbone

    inputs = inputs_of_run(run, stage, store, Backbone(name=base) if base else None)
    held = bodies.setdefault(inputs.base.content_hash, Bodies())
    loaded, _ = fine_tuned(run, stage, inputs, held.of)
    known = {each.name: getattr(loaded, each.name) for each in fields(loaded)}
    return Together(**known, layers=_layers(run, inputs), shared=shared)


def _layers(run: Run, inputs: Inputs) -> tuple[Any, ...]:
    """What hidden states depend on."""
    adapters = tuple((adapter.sha256, adapter.state, adapter.method) for adapter in inputs.adapters if adapter)
    return inputs.base.content_hash, adapters, inputs.resolved
