"""An adapter trained elsewhere with stock peft, read as a layer of a stack.

    base_model.model.bert.encoder.layer.0…lora_A.weight ─headless─▶ base_model.model.encoder.layer.0…lora_A.weight

peft mostly wraps a model with a head; here the body alone is wrapped, so names lose the body's prefix and a LoRA on
BERT's pooler, which nothing here reads, is left out. Everything else that would change hidden states and is not a
plain LoRA is refused: an approximate reading would look like a worse adapter. Its configuration is read as data; no
library that it names is imported (`auto_mapping`), no pickle opened.
"""

import math
import re
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from chartune.adapters.lora import LoRA
from chartune.errors import AdapterError
from chartune.models.families import families
from chartune.models.foreign import json_object

CONFIG: Final = "adapter_config.json"
ROOT: Final = "base_model.model."
PREFIXES: Final = tuple({f"{family.prefix}." for family in families.values()})
LORA: Final = re.compile(r"\.lora_[AB]\.weight$")
READ: Final = frozenset(
    {"peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "bias", "init_lora_weights",
     "auto_mapping", "modules_to_save", "base_model_name_or_path"}
)  # fmt: skip
"""Fields that are judged or translated below."""
NEUTRAL: Final = frozenset(
    {"task_type", "peft_version", "revision", "inference_mode", "fan_in_fan_out", "megatron_core", "qalora_group_size",
     "exclude_modules", "layers_to_transform", "layers_pattern", "eva_config"}
)  # fmt: skip
"""Fields that only said how the adapter was started, saved, or which matrices got one; the file itself tells that."""
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
}
"""What the fields that are read may be, beside null."""
REASONS: Final = {
    "use_dora": "DoRA rescales whole matrices, and the layers of a stack are summed",
    "rank_pattern": "a layer has one rank for all matrices",
    "alpha_pattern": "a layer has one alpha for all matrices",
    "layer_replication": "it repeats blocks of the base model",
    "lora_bias": "it trains biases beside the matrices",
    "trainable_token_indices": "it trains embeddings",
    "target_parameters": "it targets parameters and not matrices",
    "alora_invocation_tokens": "it is active on some tokens only",
}
"""Why a field cannot be honoured, where more can be said than its name."""
STARTS: Final = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways to start a LoRA that leave the base as it is; PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA rewrite it."""


def foreign_method(folder: Path, names: list[str]) -> tuple[LoRA, str]:
    """The numbers of a LoRA that stock peft saved, and what it calls its base model.

    Args:
        folder: holds adapter_config.json.
        names: of its tensors.

    Raises:
        AdapterError: it is not a plain LoRA, or is damaged; the message says what and the way out.
    """
    config = _config(folder)
    _must_be_plain(config, folder)
    for name in names:
        _must_be_lora(name, names, folder)
    modules = sorted({LORA.sub("", headless_name(name)) for name in names} - {""})
    if not modules:
        raise AdapterError(f"a LoRA must adapt at least one matrix, but {folder} adapts none; train it again.")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if rank is None or alpha is None or rank < 1 or not math.isfinite(alpha):
        raise AdapterError(
            f"a LoRA must have numbers r and lora_alpha, but {folder}/adapter_config.json has not; copy it again."
        )
    scale = math.sqrt(rank) if config.get("use_rslora") else 1.0  # rsLoRA's α/√r is (α·√r)/r
    method = {
        "rank": rank, "alpha": alpha * scale, "dropout": config.get("lora_dropout") or 0.0,
        "targets": _targets(config, [module.removeprefix(ROOT) for module in modules]),
    }  # fmt: skip
    return LoRA.parse(method, str(folder / "adapter_config.json")), str(config.get("base_model_name_or_path"))


def headless(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in fp32, by the names that they have on a body without head."""
    renamed = {headless_name(name): tensor.float() for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name}


def headless_name(name: str) -> str:
    """A tensor's name on a body without head; empty on the pooler, which no head of chartune reads."""
    inner = name.removeprefix(ROOT)
    inner = next((inner.removeprefix(prefix) for prefix in PREFIXES if inner.startswith(prefix)), inner)
    return "" if inner.startswith("pooler.") else ROOT + inner


def _targets(config: dict[str, Any], modules: list[str]) -> tuple[str, ...]:
    """The listed endings where they select just these modules on any depth of body, else the modules by name."""
    listed = config.get("target_modules")
    selects = not any(config.get(field) for field in ("exclude_modules", "layers_to_transform"))
    if not selects or not isinstance(listed, list) or any(re.search(r"(^|\.)\d+(\.|$)", str(item)) for item in listed):
        return tuple(modules)
    used = [str(t) for t in listed if any(m == t or m.endswith(f".{t}") for m in modules)]
    return tuple(sorted(used)) or tuple(modules)


def _config(folder: Path) -> dict[str, Any]:
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


def _must_be_plain(config: dict[str, Any], folder: Path) -> None:
    """Refuse what peft can do and a summed stack of plain LoRAs cannot."""
    if config.get("peft_type") != "LORA":
        raise AdapterError(
            f"a layer of a stack must be a LoRA, but {folder} holds a {str(config.get('peft_type'))[:40]} adapter; "
            f"train a LoRA on the same corpus, or merge the adapter into its base and use that as the base model."
        )
    if config.get("bias", "none") != "none":
        raise AdapterError(
            f"a LoRA must leave the base's biases alone, but {folder} was trained with bias={config['bias']!r}; merge "
            f"it into its base and use that as the base model."
        )
    library = str((config.get("auto_mapping") or {}).get("parent_library") or "transformers.")
    if not library.startswith("transformers."):
        raise AdapterError(
            f"an adapter must stand on a model of transformers, but auto_mapping of {folder} names the library "
            f"{library[:60]}; it was not imported. Train the adapter on the model as transformers has it."
        )
    if config.get("init_lora_weights", True) not in STARTS:
        raise AdapterError(
            f"an adapter must stand on an unchanged base, but {folder} was started by "
            f"{str(config['init_lora_weights'])[:40]}, which rewrites it; convert it to a plain LoRA with peft's "
            f"path_initial_model_for_weight_conversion."
        )
    if config.get("modules_to_save"):
        _refuse_head(", ".join(map(str, config["modules_to_save"])), folder)
    for field in sorted(config.keys() - READ - NEUTRAL):
        if config[field] and config[field] != {"ephemeral_gpu_offload": False}:
            why = REASONS.get(field, "chartune does not know how to honour it")
            raise AdapterError(
                f"a layer of a stack must be a plain LoRA, but {folder} was trained with {field}: {why}; merge it into "
                f"its base and use that as the base model."
            )


def _must_be_lora(name: str, names: list[str], folder: Path) -> None:
    """Refuse a tensor that is no LoRA matrix of the body."""
    inner = name.removeprefix(ROOT)
    if "lora_magnitude_vector" in inner:
        raise AdapterError(
            f"a layer of a stack must be a plain LoRA, but {folder} holds DoRA's magnitudes ({inner}); merge it into "
            f"its base and use that as the base model."
        )
    if "embed" in inner:
        raise AdapterError(
            f"an adapter must leave the embeddings alone, but {folder} holds {inner}: its hidden states need those; "
            f"merge it into its base and use that as the base model."
        )
    headed = any(n.removeprefix(ROOT).startswith(PREFIXES) for n in names)
    if not LORA.search(inner) or (headed and not inner.startswith(PREFIXES)):
        _refuse_head(inner.partition(".")[0], folder)


def _refuse_head(what: str, folder: Path) -> None:
    raise AdapterError(
        f"an adapter must hold LoRA matrices of the body only, because chartune trains heads of its own, but {folder} "
        f"holds {what}; if that head is not wanted, keep the body's lora_A and lora_B tensors of "
        f"adapter_model.safetensors and set modules_to_save to null in adapter_config.json."
    )
