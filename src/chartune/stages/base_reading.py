"""What the base model alone makes of the scored texts, read once: every trial of a search has it in common.

base, numerics, blocks ─fingerprint─▶ readings/… nats.npy [N]     what a run calls `before`
"""

import io
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from chartune.batches.pack import Blocks
from chartune.config import fingerprint
from chartune.models.local import LocalBackbone
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.prediction.predictions import token_nll
from chartune.store import Store, write_bytes

REVISION: Final = 1
SHELF: Final = "readings"
FILE: Final = "nats.npy"
LIBRARIES: Final = {"torch": torch.__version__, "transformers": transformers.__version__}
"""Another version may round another way."""


def base_nll(
    model: LanguageModel, blocks: Blocks, backbone: LocalBackbone, numerics: Resolved, store: Store
) -> NDArray[np.float64]:
    """As `token_nll`, of a base model with nothing attached; kept in the store.

    Args:
        model: the base with its own language-model head.
        blocks: what it reads.
        backbone: which base it is.
        numerics: in which it reads.
        store: where the nats are kept.

    Returns:
        Nats of each predicted token, in the order of `Blocks.targets`: [N].

    Raises:
        StoreError: what was kept is damaged.
    """
    name = fingerprint(SHELF, REVISION, _parts(blocks, backbone, numerics))
    artefact = store.find(SHELF, name)
    if artefact is None:  # read outside of the lease: hours of a large model must keep nobody waiting
        buffer = io.BytesIO()
        np.save(buffer, token_nll(model, blocks, numerics))

        def write(folder: Path) -> None:
            write_bytes(folder / FILE, buffer.getvalue())

        artefact = store.obtain(SHELF, name, write, {"sensitivity": "restricted"})
    nats: NDArray[np.float64] = np.load(artefact.file(FILE))
    return nats


def _parts(blocks: Blocks, backbone: LocalBackbone, numerics: Resolved) -> Mapping[str, Any]:
    """What determines the nats: the bytes of documents, which `Blocks` has too, do not."""
    digest = sha256()
    for array in (blocks.ids, blocks.positions, blocks.predicts, blocks.shown):
        if array is not None:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "backbone": backbone.content_hash, "numerics": numerics.hashable(), "blocks": digest.hexdigest(),
        "ahead": blocks.ahead, "libraries": LIBRARIES,
    }  # fmt: skip
