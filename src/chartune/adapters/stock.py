"""What is common to all adapters that were trained elsewhere with stock peft: their configuration, and their names.

    base_model.model.bert.encoder.layer.0…lora_A.weight ─headless─▶ base_model.model.encoder.layer.0…lora_A.weight

peft mostly wraps a model with a head; here the body alone is adapted, so names lose the body's prefix and an adapter on
BERT's pooler, which nothing here reads, is left out. A configuration is read as data; no library that it names is
imported (`auto_mapping`), no pickle opened.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from torch import Tensor

from chartune.adapters.method import ROOT
from chartune.errors import AdapterError
from chartune.models.foreign import json_object
from chartune.models.weights import Header

CONFIG: Final = "adapter_config.json"
PREFIX: Final = re.compile(
    r"(model|gpt_neox|bert|roberta|distilbert|albert|electra|deberta|mobilebert|longformer)\."
    r"|transformer\.(?=h\.|layer\.\d+\.(ff|rel_attn)\.)"  # of GPT-2, Falcon and XLNet; DistilBERT's body has one inside
)
"""What a model with a head calls its body."""
PROMPT: Final = "prompt_embeddings"
"""What peft calls the one tensor of a method that adds virtual tokens."""
READ: Final = frozenset({"peft_type", "auto_mapping", "modules_to_save", "base_model_name_or_path"})
"""Fields that are judged below, whatever the method."""
NEUTRAL: Final = frozenset({"task_type", "peft_version", "revision", "inference_mode"})
"""Fields that only said how the adapter was started or saved."""
_WORDS: Final = {
    int: "a whole number", float: "a number", str: "text", list: "a list", dict: "an object", bool: "true or false",
}  # fmt: skip
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "peft_type": (str,),
    "r": (int,),
    "lora_alpha": (int, float),
    "lora_dropout": (int, float),
    "target_modules": (str, list),
    "bias": (str,),
    "init_lora_weights": (bool, str),
    "auto_mapping": (dict,),
    "modules_to_save": (list,),
    "base_model_name_or_path": (str,),
    "num_virtual_tokens": (int,),
}
"""What the fields that are read may be, beside null."""


@dataclass(frozen=True)
class Stock:
    """An adapter that stock peft saved."""

    folder: Path
    config: Mapping[str, Any]
    """adapter_config.json, each field that is read of a kind that can be."""
    headers: Mapping[str, Header]
    """Its tensors."""

    @property
    def place(self) -> str:
        """Of its configuration, for messages."""
        return str(self.folder / CONFIG)

    def modules(self, ending: str) -> list[str]:
        """Names on a body without head of the modules whose tensors end so; the pooler is left out."""
        inner = {headless_name(name).removeprefix(ROOT) for name in self.headers}
        return sorted({name.removesuffix(ending) for name in inner if name})


def headless(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in fp32, by the names that they have on a body without head."""
    renamed = {headless_name(name): tensor.float() for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name}


def headless_name(name: str) -> str:
    """A tensor's name on a body without head; empty on the pooler, which no head of chartune reads."""
    if name == PROMPT:
        return name
    inner = name.removeprefix(ROOT)
    inner = inner[match.end() :] if (match := PREFIX.match(inner)) else inner
    return "" if inner.startswith("pooler.") else ROOT + inner


def stock_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json, each field that is read of a kind that can be."""
    config = json_object(folder / CONFIG)
    for field, kinds in KINDS.items():
        value = config.get(field)
        if value is not None and not isinstance(value, kinds):
            names = " or ".join(_WORDS[kind] for kind in kinds)
            raise AdapterError(
                f"{field} must be {names}, but it is {_WORDS.get(type(value), 'something else')} at {folder / CONFIG}; "
                f"copy it again."
            )
    return config


def must_be_known(stock: Stock, read: frozenset[str], reasons: Mapping[str, str], method: str) -> None:
    """Refuse what peft was asked for beside the method and chartune does not honour.

    Args:
        stock: the adapter.
        read: fields that are judged elsewhere, or do not matter.
        reasons: why a field cannot be honoured, where more can be said than its name.
        method: with its article, for messages.
    """
    library = str((stock.config.get("auto_mapping") or {}).get("parent_library") or "transformers.")
    if not library.startswith("transformers."):
        raise AdapterError(
            f"an adapter must stand on a model of transformers, but auto_mapping of {stock.folder} names the library "
            f"{library[:60]}; it was not imported. Train the adapter on the model as transformers has it."
        )
    for field in sorted(stock.config.keys() - READ - NEUTRAL - read):
        if stock.config[field] and stock.config[field] != {"ephemeral_gpu_offload": False}:
            why = reasons.get(field, "chartune does not know how to honour it")
            raise AdapterError(
                f"a layer of a stack must be {method}, but {stock.folder} was trained with {field}: {why}; merge it "
                f"into its base and use that as the base model."
            )


def refuse_head(what: str, folder: Path, method: str, tensors: str) -> NoReturn:
    """Refuse what an adapter holds beside its layers.

    Args:
        what: of it.
        folder: of the adapter.
        method: what it should hold, in the plural.
        tensors: what those are called in its file.
    """
    raise AdapterError(
        f"an adapter must hold {method} of the body only, because chartune trains heads of its own, but {folder} "
        f"holds {what}; if that head is not wanted, keep the body's {tensors} of "
        f"adapter_model.safetensors and set modules_to_save to null in adapter_config.json."
    )
