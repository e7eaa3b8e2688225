"""What a model makes of texts before it learns, read once for all runs of a store: trials and seeds have it in common.

base, numerics, blocks ────────────────┐
base, numerics, layers that say ───────┴─fingerprint─▶ readings/… values.npy
something at their start, texts                        nats of tokens [N], pooled vectors [n, D]
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from chartune.adapters.stack import Attached
from chartune.batches.collate import Examples
from chartune.batches.pack import Blocks
from chartune.config import fingerprint
from chartune.models.local import LocalBackbone
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier, LanguageModel
from chartune.prediction.predictions import pooled_vectors, token_nll
from chartune.stages.inputs import Inputs, content_of
from chartune.store import Store, write_bytes

REVISION: Final = 1
SHELF: Final = "readings"
FILE: Final = "values.npy"
LIBRARIES: Final = {"torch": torch.__version__, "transformers": transformers.__version__}
"""Another version may round another way."""


def base_nll(
    model: LanguageModel, blocks: Blocks, backbone: LocalBackbone, numerics: Resolved, store: Store, data: str
) -> NDArray[np.float64]:
    """As `token_nll`, of a base model with nothing attached; kept in the store.

    Args:
        model: the base with its own language-model head.
        blocks: what it reads.
        backbone: which base it is.
        numerics: in which it reads.
        store: where the nats are kept.
        data: fingerprint of the prepared data with which they go.

    Returns:
        Nats of each predicted token, in the order of `Blocks.targets`: [N].

    Raises:
        StoreError: what was kept is damaged.
    """
    # The bytes of documents, which blocks have too, change nothing.
    read = _digest(
        {"ids": blocks.ids, "positions": blocks.positions, "predicts": blocks.predicts, "shown": blocks.shown}
    )
    parts = {
        "backbone": backbone.content_hash, "numerics": numerics.hashable(), "blocks": read, "ahead": blocks.ahead,
        "libraries": LIBRARIES,
    }  # fmt: skip
    nats: NDArray[np.float64] = _once(store, data, parts, lambda: token_nll(model, blocks, numerics))
    return nats


@dataclass(frozen=True)
class Initial:
    """A body with its stack, before any of it has learnt for a task."""

    inputs: Inputs
    """What it is made from."""
    attached: Attached
    store: Store
    """Where its vectors are kept."""
    data: str
    """Fingerprint of the prepared data with which they go."""

    def vectors(self, model: Classifier, examples: Examples) -> NDArray[np.float32]:
        """As `pooled_vectors`; kept in the store, but where the weights of a text's rows have yet to be learnt.

        Args:
            model: with this body.
            examples: n texts.

        Returns:
            [n, D].

        Raises:
            StoreError: what was kept is damaged.
        """
        numerics = self.inputs.resolved
        if model.head.attend is not None:
            return pooled_vectors(model, examples, numerics)
        encoded = examples.encoded
        parts = {
            "backbone": self.inputs.base.content_hash, "numerics": numerics.hashable(), "layers": self._layers(),
            "texts": _digest({"ids": encoded.ids, "offsets": encoded.offsets, **examples.marks}),
            "pooling": model.pooling,
            "window": examples.window, "windows": model.head.windows, "libraries": LIBRARIES,
            **({"bidirectional": True} if model.bidirectional else {}),
        }  # fmt: skip
        vectors: NDArray[np.float32] = _once(
            self.store, self.data, parts, lambda: pooled_vectors(model, examples, numerics)
        )
        return vectors

    def _layers(self) -> dict[str, Any]:
        """What is not the base's own: a fresh layer that begins as nothing, to the bit, is left out."""
        merged = [content_of(adapter) for adapter in self.inputs.adapters[: self.attached.stack.merged] if adapter]
        placed = [
            {"method": method.hashable(), "tensors": _digest(_arrays(self.attached.tensors(index)))}
            for index, method, state in self.attached.placed()
            if not (state == "fresh" and method.starts_as_identity and not method.reads_matrices)
        ]
        return {"merged": merged, "placed": placed, "every_weight": self.attached.stack.trains_all()}


def _once(store: Store, data: str, parts: Mapping[str, Any], read: Callable[[], NDArray[Any]]) -> Any:
    """What `read` returns, kept under all that determines it; `data` is who has it removed, and no part of that."""
    name = fingerprint(SHELF, REVISION, parts)
    artefact = store.find(SHELF, name)
    if artefact is None:  # read outside of the lease: hours of a large model must keep nobody waiting
        buffer = io.BytesIO()
        np.save(buffer, read())

        def write(folder: Path) -> None:
            write_bytes(folder / FILE, buffer.getvalue())

        of = {"data": data, "backbone": parts["backbone"]}
        artefact = store.obtain(SHELF, name, write, {"sensitivity": "restricted", **of})
    return np.load(artefact.file(FILE))


def _arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in tensors.items()}


def _digest(arrays: Mapping[str, NDArray[Any] | None]) -> str:
    digest = sha256()
    for _, array in sorted(arrays.items()):
        if array is not None:
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
