"""Adapter: trained weights with their method, the base model they belong to, and where they come from.

A folder of two files that stock peft reads as well (`PeftModel.from_pretrained(AutoModel…, folder)`), and a third,
`chartune.json`, that says what peft does not: the content hash of the base model and the run that trained it. Without
the third it was trained elsewhere (see `adapters.foreign`).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from peft import PeftConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from chartune.adapters.foreign import foreign_method, headless
from chartune.adapters.lora import LoRA
from chartune.errors import AdapterError
from chartune.models.backbone import LocalBackbone
from chartune.models.families import Family
from chartune.store import opened, sha256, write_bytes, write_json

WEIGHTS: Final = "adapter_model.safetensors"
LINEAGE: Final = "chartune.json"


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on disk."""

    folder: Path
    """adapter_config.json, adapter_model.safetensors, chartune.json."""
    method: LoRA
    """The numbers that it was trained with."""
    base: str
    """What its maker called its base model."""
    base_hash: str | None
    """Content hash of its base model; None if it came from elsewhere, then names and shapes must do."""
    run: str | None
    """Fingerprint of the run that trained it; None if it came from elsewhere."""
    sha256: str
    """Of the weights: goes into the fingerprint of every stage that stands on it."""

    def tensors(self) -> dict[str, Tensor]:
        """Its weights, by peft's names.

        Raises:
            AdapterError: the file is damaged.
        """
        try:
            tensors = load_file(opened(self.folder / WEIGHTS))
            return tensors if self.base_hash else headless(tensors)
        except SafetensorError as error:
            raise AdapterError(
                f"{self.folder / WEIGHTS} must be whole, but it is damaged ({error}); train it again."
            ) from None

    def must_fit(self, backbone: LocalBackbone) -> None:
        """Refuse a stranger.

        Raises:
            AdapterError: it was trained on another base model.
        """
        if self.base_hash and self.base_hash not in (backbone.content_hash, backbone.former_hash):
            raise AdapterError(
                f"an adapter must be used on the base model that it was trained on, but "
                f"{self.folder.parent.name} belongs to {self.base_hash[:12]} and {backbone.name} is "
                f"{backbone.content_hash[:12]}; name its own base, or train one on this."
            )


def read_adapter(folder: Path) -> Adapter:
    """Open an adapter that chartune wrote, or a LoRA that stock peft wrote.

    Raises:
        AdapterError: files are missing, it holds a pickle, or it is more than a plain LoRA.
    """
    if (folder / "adapter_model.bin").exists():
        raise AdapterError(
            f"adapter weights must be safetensors (a pickle can run code), but {folder} holds adapter_model.bin; have "
            f"its maker save it again with peft's safe_serialization=True, or train it again; if {WEIGHTS} lies beside "
            f"it, remove the .bin."
        )
    for name in ("adapter_config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise AdapterError(
                f"an adapter must have {name}, but {folder} has not; point at the adapter/ folder of a finished run, "
                f"or at a folder that peft saved."
            )
    if not (folder / LINEAGE).is_file():
        method, base = foreign_method(folder, WEIGHTS)
        return Adapter(folder, method, base, None, None, sha256(folder / WEIGHTS))
    try:
        about = json.loads(opened(folder / LINEAGE).read_text(encoding="utf-8"))
        numbers, run = about["method"], about["run"]
        base, base_hash = str(about["base"]["name"]), str(about["base"]["content_hash"])
    except (ValueError, KeyError, TypeError):
        raise AdapterError(
            f"{folder / LINEAGE} must say method, base and run, but it is damaged; train it again."
        ) from None
    method = LoRA.parse(numbers, str(folder / LINEAGE))
    return Adapter(folder, method, base, base_hash, run, sha256(opened(folder / WEIGHTS)))


def write_adapter(
    folder: Path,
    tensors: dict[str, Tensor],
    method: LoRA,
    family: Family,
    backbone: LocalBackbone,
    lineage: dict[str, Any],
) -> None:
    """Write an adapter in stock peft's layout.

    Args:
        folder: made if needed.
        tensors: weights by peft's names, without the adapter's own name.
        method: the numbers that it was trained with.
        family: its base model's family.
        backbone: its base model.
        lineage: further facts for `chartune.json`, such as `run` and `state`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config: PeftConfig = method.to_peft(family)
    config.base_model_name_or_path = backbone.name
    config.inference_mode = True
    config.target_modules = sorted(
        config.target_modules
    )  # peft keeps a set, whose order changes from process to process
    config.save_pretrained(str(folder))
    write_bytes(
        folder / WEIGHTS, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    )
    base = {"name": backbone.name, "content_hash": backbone.content_hash, "licence": backbone.licence}
    write_json(
        folder / LINEAGE,
        {"method": method.model_dump(mode="json"), "base": base, "sensitivity": "restricted", **lineage},
    )
