"""Checks of a model's config.json, before a library reads it: what it asks for, how large a model it describes."""

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chartune.errors import AdapterError, ConfigError
from chartune.models.catalog import catalog
from chartune.models.foreign import is_plain, json_object

FORBIDDEN: Final = (
    "auto_map",
    "trust_remote_code",
    "_attn_implementation",
    "_attn_implementation_internal",
    "_experts_implementation",
    "_experts_implementation_internal",
    "custom_pipelines",
)
"""Keys of a `config.json` that would make a library run foreign code (CVE-2026-4372, CVE-2026-22807)."""
KERNELS: Final = ("attn_implementation", "experts_implementation")
"""Keys that may name code on a hub; PyTorch's own are harmless."""
ELSEWHERE: Final = ("configuration_files", "transformers_weights")
"""Keys that make transformers read other files than those that were checked."""
QUANTISED: Final = ("quantization_config", "compression_config")

_LAYERS = re.compile(r"(^|_)(layers?|blocks?|depth|experts)$")
_POSITIONS = re.compile(r"max_position|n_positions|n_ctx|max_seq")
_VOCABULARY = re.compile(r"vocab_size$")
_LABELS = re.compile(r"^(num|n)_labels$")
_WIDTHS = re.compile(
    r"hidden_size$|hidden_dim$|intermediate_size$|^dim$|n_embd$|n_inner$|d_model$|d_ff$|heads?$|head_dim$"
)
_TINY, _HUGE = sys.float_info.min, sys.float_info.max  # normal: where denormals are flushed, 5e-324 equals 0
_FINITE = (-_HUGE, _HUGE, "a finite number")
BOUNDS: Final = (
    (re.compile(r"(^|_)(dropout|pdrop|layerdrop)(_prob|_rate)?$"), (0.0, 0.99, "a share from 0 to 0.99")),
    (re.compile(r"eps$|epsilon$"), (_TINY, 0.1, "a number above 0, at most 0.1")),
    (re.compile(r"^rope_theta$|^factor$|_factor$"), (_TINY, _HUGE, "a number above 0")),
)
"""Least and most of numbers that are no sizes, and the rule in words: what is dropped, what keeps a root or a quotient
from becoming infinite and must not outweigh what it stands beside, what is divided by."""
UNREAD: Final = ("relative_key", "relative_key_query")
"""Kinds of positions of BERT (Huang et al., 2020) that transformers no longer computes: it would take absolute ones."""
MOST: Final = (
    (_LAYERS, 1024, "layers"), (_POSITIONS, 1 << 27, "positions"), (_VOCABULARY, 1 << 24, "vocabulary"),
    (_WIDTHS, 1 << 20, "width"), (_LABELS, 1 << 17, "labels"),
)  # fmt: skip
"""The largest sizes that are taken for a model's, far above any that exists: a library makes its layers one by one."""
ESSENTIAL: Final = frozenset(
    {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings",
     "intermediate_size", "n_layer", "n_head", "n_embd", "n_positions", "dim", "hidden_dim", "n_layers", "n_heads",
     "d_model", "num_layers", "num_heads"}
)  # fmt: skip
"""Sizes that no model is without, where its config.json has them at all."""


def safe_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder, as plain data.

    Raises:
        ConfigError: there is none.
        AdapterError: it is damaged, asks for foreign code or other files, describes quantised weights, or sizes that no
            model has.
    """
    path = folder / "config.json"
    if not is_plain(path):
        near = difflib.get_close_matches(folder.name, catalog, n=1)
        raise ConfigError(
            f"a base model must be a row of the catalog ({', '.join(catalog)}) or a folder with config.json, "
            f"*.safetensors and tokenizer files, but {folder} is not." + (f" Did you mean `{near[0]}`?" if near else "")
        )
    config = json_object(path)
    for key, value in _fields(config):
        _must_be_harmless(key, value, path)
        _must_be_a_size(key, value, path)
        _must_be_a_number(key, value, path)
    return config


def architecture_of(config: dict[str, Any], folder: Path) -> str:
    """The `model_type` of a config.json.

    Raises:
        AdapterError: it names none; the message guesses which one has to be added.
    """
    if config.get("model_type") is not None:
        return str(config["model_type"])
    guess, why = _guess(config, folder)
    remedy = (
        f'{why}, so it is probably a {guess}: add "model_type": "{guess}" to it' if guess
        else 'add "model_type": "bert", or whatever its model card says'
    )  # fmt: skip
    raise AdapterError(
        f"a config.json must name its architecture in model_type (models of 2019 and 2020 did not), but "
        f"{folder / 'config.json'} has none; {remedy}."
    )


def must_read_both_ways(config: dict[str, Any], folder: Path) -> None:
    """See to it that an encoder is one by its `config.json`, and has positions that are computed.

    Raises:
        AdapterError: it is to read left to right, or its positions are of a kind that would pass unread.
    """
    if config.get("is_decoder"):
        raise AdapterError(
            f"an encoder must read both ways, but {folder / 'config.json'} sets is_decoder, and each token would see "
            f"only those before it; remove it, or choose a decoder."
        )
    if config.get("position_embedding_type") in UNREAD:
        raise AdapterError(
            f"the positions of an encoder must be those that it was trained with, but {folder / 'config.json'} sets "
            f"position_embedding_type to {config['position_embedding_type']}, which transformers no longer computes; "
            f"choose a model with absolute positions."
        )


def cause(config: dict[str, Any]) -> str:
    """A value that transformers does not know, in words; empty where none is seen."""
    from transformers.activations import ACT2FN
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    ropes = {*ROPE_INIT_FUNCTIONS, "default"}
    for key, value in _fields(config):
        if not isinstance(value, str):
            continue
        if re.search(r"(_act|activation|activation_function)$", key) and value not in ACT2FN:
            return f"its {key} is {ascii(value)[:60]}, which no activation of transformers is called; "
        if key in ("rope_type", "type") and value not in ropes:
            known = ", ".join(sorted(ropes))
            return f"its {key} of rotary positions is {ascii(value)[:60]}, and transformers knows {known}; "
    return ""


def _fields(config: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a config and of those inside it."""
    for key, value in config.items():
        yield key, value
        if isinstance(value, dict):
            yield from _fields(value)


def _must_be_harmless(key: str, value: Any, path: Path) -> None:
    if value and (key in FORBIDDEN or (key in KERNELS and value not in ("eager", "sdpa"))):
        raise AdapterError(f"a config.json must not ask for foreign code, but {path} sets {key}; remove it.")
    if value and key in ELSEWHERE:
        raise AdapterError(
            f"a config.json must not lead to other files than those that are checked, but {path} sets {key}; "
            f"remove it, and give the files their usual names."
        )
    if value and key in QUANTISED:
        raise AdapterError(f"{_quantised(value, path)}; get the unquantised weights.")


def _quantised(value: Any, path: Path) -> str:
    fields = value if isinstance(value, dict) else {}
    method = fields.get("quant_method")
    bits = fields.get("bits") or (4 if fields.get("load_in_4bit") else 8 if fields.get("load_in_8bit") else None)
    stored = f"in {bits} bits" if isinstance(bits, int) else "in a few bits"
    by = f" by {ascii(method)[1:-1][:40]}" if isinstance(method, str) else ""
    return f"base weights must be plain floating-point numbers, but {path} says that they are stored {stored}{by}"


def _must_be_a_size(key: str, value: Any, path: Path) -> None:
    kinds = [(most, what) for pattern, most, what in MOST if pattern.search(key)]
    if not kinds or isinstance(value, (dict, list)):
        return
    most, what = kinds[0]
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and int(key in ESSENTIAL) <= value <= most:
        return
    if key in ESSENTIAL or (whole and value > most):
        raise AdapterError(
            f"{key} ({what}) must be a whole number from 1 to {most:,}, but it is {ascii(value)[:40]} at {path}; "
            f"copy the file again from the model's source."
        )


def _must_be_a_number(key: str, value: Any, path: Path) -> None:
    """NaN, which Python's JSON lets in, and a zero that something is divided by show as a diverging training."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    least, most, rule = next((bounds for pattern, bounds in BOUNDS if pattern.search(key)), _FINITE)
    if not least <= value <= most:
        raise AdapterError(
            f"{key} must be {rule}, but it is {value!s:.40} at {path}; copy the file again from the model's source."
        )


def _guess(config: dict[str, Any], folder: Path) -> tuple[str, str]:
    """A model type and why; empty where nothing shows it."""
    from transformers.models.auto import modeling_auto

    known = {
        cls: kind for name, mapping in vars(modeling_auto).items() if name.endswith("MAPPING_NAMES")
        for kind, classes in mapping.items() for cls in (classes if isinstance(classes, tuple) else (classes,))
    }  # fmt: skip
    listed = config.get("architectures")
    for name in listed if isinstance(listed, list) else ():
        if isinstance(name, str) and name in known:
            return known[name], f"its architectures name {name}"
    if "type_vocab_size" in config and is_plain(folder / "vocab.txt"):
        return "bert", "it has a type_vocab_size and its tokenizer a vocab.txt"
    return "", ""
