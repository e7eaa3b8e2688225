"""What a fine-tuned run keeps of its model: every layer, the head, and the whole body where every weight has learnt.

Frozen and merged layers are kept, too: a run can be scored when its parents are gone. What was written is read again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.shuffled import weights_of
from chartune.adapters.stack import FROZEN, MERGED, Attached
from chartune.batches.tokenize import save_tokenizer
from chartune.errors import RunError
from chartune.models.load import save_model
from chartune.models.readers import Classifier
from chartune.models.tokenizer import tokenizer_as_given
from chartune.runs.record import HEAD_FILE, INACTIVE, layer_folders
from chartune.stages.inputs import Inputs
from chartune.store import write_bytes

MODEL: Final = "model"
"""Folder of the whole body, with its tokenizer, where every weight has learnt."""


def keep_weights(
    folder: Path, attached: Attached, model: Classifier, inputs: Inputs, lineage: Mapping[str, Any], *, whole: bool
) -> None:
    """Write layers and head, and read them again.

    Args:
        folder: of the run.
        attached: the body with its layers.
        model: with its head.
        inputs: the base model, and the adapters that layers came from.
        lineage: what every layer says of the run that made it.
        whole: whether every weight of the body has learnt.

    Raises:
        RunError: what was written, or was to stay frozen, is not bit-equal to what the model holds.
    """
    layers = [index for index, state in enumerate(attached.states) if state != INACTIVE]
    for index, path in zip(layers, layer_folders(attached.states), strict=True):
        _keep_layer(folder / path, attached, index, inputs, lineage)
    if whole:
        save_model(attached.module, folder / MODEL)
        save_tokenizer(tokenizer_as_given(inputs.base), folder / MODEL)
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
    write_bytes(folder / HEAD_FILE, save(head))
    _must_equal(load_file(folder / HEAD_FILE), head, folder / HEAD_FILE)


def _keep_layer(folder: Path, attached: Attached, index: int, inputs: Inputs, lineage: Mapping[str, Any]) -> None:
    state, parent = attached.states[index], inputs.adapters[index]
    tensors = parent.tensors() if state == MERGED and parent else attached.tensors(index)
    about = {**lineage, "state": state, "parent": parent and parent.sha256}
    write_adapter(folder, tensors, attached.methods[index], inputs.base, about)
    _must_equal(read_adapter(folder).tensors(), tensors, folder)
    if state == FROZEN and parent:
        _must_equal(weights_of(attached.stack.layers[index], parent), tensors, parent.folder)


def _must_equal(saved: dict[str, torch.Tensor], live: dict[str, torch.Tensor], place: Path) -> None:
    if saved.keys() != live.keys() or any(not torch.equal(saved[name], live[name].detach().cpu()) for name in saved):
        raise RunError(
            f"weights must be bit-equal to those at {place}, but they are not; a defect of chartune, please report it."
        )
