"""A LoRA that stock peft trained, read as a layer of a stack: plain, rank-stabilised or decomposed."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from chartune.adapters.lora import LoRA
from chartune.adapters.method import ROOT
from chartune.adapters.stock import PREFIX, Stock, must_be_known, refuse_head
from chartune.errors import AdapterError

LORA: Final = re.compile(r"\.lora_([AB]\.weight|magnitude_vector)$")
WHAT: Final = ("LoRA matrices", "lora_A and lora_B tensors")
READ: Final = frozenset(
    {"r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora", "bias", "init_lora_weights",
     "fan_in_fan_out", "megatron_core", "qalora_group_size", "exclude_modules", "layers_to_transform",
     "layers_pattern", "eva_config"}
)  # fmt: skip
"""Fields that are judged or translated below, or only said how it was started or which matrices got one; the file
itself shows that."""
REASONS: Final = {
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
"""Initialisations of a LoRA that leave the base as it is; PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA rewrite it."""


def foreign_lora(stock: Stock) -> LoRA:
    """The numbers of a LoRA that stock peft saved.

    Raises:
        AdapterError: it is not a plain LoRA, or is damaged; the message gives the reason and a remedy.
    """
    _must_be_plain(stock)
    for name in stock.headers:
        _must_be_lora(name, stock)
    modules = sorted({LORA.sub("", name) for name in stock.modules("")})
    if not modules:
        raise AdapterError(f"a LoRA must adapt at least one matrix, but {stock.folder} adapts none; train it again.")
    config = stock.config
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if rank is None or alpha is None or rank < 1 or not math.isfinite(alpha):
        raise AdapterError(f"a LoRA must have numbers r and lora_alpha, but {stock.place} has not; copy it again.")
    method = {
        "rank": rank, "alpha": alpha, "dropout": config.get("lora_dropout") or 0.0,
        "scaling": "rank-stabilised" if config.get("use_rslora") else "standard",
        "decomposed": bool(config.get("use_dora")), "targets": _targets(config, modules),
    }  # fmt: skip
    return LoRA.parse(method, stock.place)


def _targets(config: Mapping[str, Any], modules: list[str]) -> tuple[str, ...]:
    """The listed endings where they select just these modules on any depth of body, else the modules by name."""
    listed = config.get("target_modules")
    selects = not any(config.get(field) for field in ("exclude_modules", "layers_to_transform"))
    if not selects or not isinstance(listed, list) or any(re.search(r"(^|\.)\d+(\.|$)", str(item)) for item in listed):
        return tuple(modules)
    used = [str(t) for t in listed if any(m == t or m.endswith(f".{t}") for m in modules)]
    return tuple(sorted(used)) or tuple(modules)


def _must_be_plain(stock: Stock) -> None:
    """Refuse what peft can do and a summed stack of plain LoRAs cannot."""
    config, folder = stock.config, stock.folder
    if config.get("bias", "none") != "none":
        raise AdapterError(
            f"a LoRA must leave the base's biases alone, but {folder} was trained with bias={config['bias']!r}; merge "
            f"it into its base and use that as the base model."
        )
    if config.get("init_lora_weights", True) not in STARTS:
        raise AdapterError(
            f"an adapter must stand on an unchanged base, but {folder} was started by "
            f"{str(config['init_lora_weights'])[:40]}, which rewrites it; convert it to a plain LoRA with peft's "
            f"path_initial_model_for_weight_conversion."
        )
    if config.get("modules_to_save"):
        refuse_head(", ".join(map(str, config["modules_to_save"])), folder, *WHAT)
    must_be_known(stock, READ, REASONS, "a plain LoRA")


def _must_be_lora(name: str, stock: Stock) -> None:
    """Refuse a tensor that is no LoRA matrix of the body."""
    inner, folder = name.removeprefix(ROOT), stock.folder
    if "lora_magnitude_vector" in inner and not stock.config.get("use_dora"):
        raise AdapterError(
            f"an adapter that holds DoRA's magnitudes must say use_dora, but {folder} holds {inner} and does not; copy "
            f"configuration and weights of one adapter."
        )
    if "embed" in inner:
        raise AdapterError(
            f"an adapter must leave the embeddings alone, but {folder} holds {inner}: its hidden states need those; "
            f"merge it into its base and use that as the base model."
        )
    headed = any(PREFIX.match(n.removeprefix(ROOT)) for n in stock.headers)
    if not LORA.search(inner) or (headed and not PREFIX.match(inner)):
        refuse_head(inner.partition(".")[0], folder, *WHAT)
