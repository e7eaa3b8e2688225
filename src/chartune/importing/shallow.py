"""A shallow copy of an encoder: its embeddings and first blocks, as a base model of its own.

FOLDER/model.safetensors ─blocks beyond the first few left out─▶ aside/config, tokenizer, safetensors
"""

import json
import re
from pathlib import Path
from typing import Final

from chartune.errors import AdapterError
from chartune.models.backbone import tokenizer_files
from chartune.models.config_json import safe_config
from chartune.models.weights import weight_files
from chartune.store import write_bytes, write_json

BLOCK: Final = re.compile(r"(?:^|\.)encoder\.layer\.(\d+)\.")
"""How tensors of a block are called in BERT and what is built like it."""


def shallow(folder: Path, aside: Path, layers: int) -> None:
    """Write the first blocks of a BERT into an empty folder.

    Args:
        folder: config.json, tokenizer and one file of safetensors weights.
        aside: the new folder.
        layers: blocks that are kept.

    Raises:
        AdapterError: it has no more blocks than that, or its weights are not in one file.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    config, files = safe_config(folder), weight_files(folder)
    depth = config.get("num_hidden_layers", 0)
    if not 0 < layers < depth or len(files) != 1:
        raise AdapterError(
            f"a shallow copy must keep fewer blocks than the {depth} of the model, in one file, but {layers} are asked "
            f"for and {folder} has {len(files)} files of weights; name another base model."
        )
    with safe_open(files[0], "pt") as weights:
        save_file({name: weights.get_tensor(name) for name in weights.keys() if _block(name) < layers},  # noqa: SIM118
                  aside / "model.safetensors", {"format": "pt"})  # fmt: skip
    write_json(aside / "config.json", {**json.loads((folder / "config.json").read_text()), "num_hidden_layers": layers})
    for file in tokenizer_files(folder):
        write_bytes(aside / file.name, file.read_bytes())


def _block(tensor: str) -> int:
    """The number of the block that a tensor belongs to; −1: to none."""
    known = BLOCK.search(tensor)
    return int(known[1]) if known else -1
