"""Tiny random twins: for each family a two-layer model with the real architecture and random weights, in a folder."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from transformers import AutoConfig, PreTrainedTokenizerFast

from chartune.batches.tokenize import train_tokenizer
from chartune.models.architecture import auto_class
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.families import READS, family_of
from chartune.models.numerics import Resolved

EXACT: Final = Resolved("cpu", "fp32", "eager", "a test")
"""Numerics in which results can be compared bit for bit."""
WORDS: Final = (
    "the patient was admitted with chest pain and fever to unit after a fall on stairs denies history of stroke"
)
VOCABULARY: Final = 384
COMMON: Final[Mapping[str, Any]] = {
    "vocab_size": VOCABULARY, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 160,
    "pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
"""Sizes of every twin beside its width; transformers knows by which names a family calls them."""
OWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "llama": {"num_key_value_heads": 2}, "mistral": {"num_key_value_heads": 2}, "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8}, "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8},
    "phi3": {"num_key_value_heads": 2}, "smollm3": {"num_key_value_heads": 2}, "olmo": {}, "olmo2": {},
    "granite": {"num_key_value_heads": 2, "logits_scaling": 4.0, "embedding_multiplier": 6.0},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 16}, "gpt2": {}, "gpt_neox": {}, "falcon": {},
    "bert": {}, "roberta": {}, "distilbert": {"hidden_dim": 64},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2,
                   "initializer_range": 0.1},
    "megatron-bert": {}, "electra": {"embedding_size": 16}, "albert": {"embedding_size": 16},
    "modernbert": {"cls_token_id": 0, "sep_token_id": 1, "global_attn_every_n_layers": 2},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "longformer": {"attention_window": [16, 16]},
    "xlnet": {"d_inner": 64, "d_head": 8, "max_position_embeddings": None},
}  # fmt: skip
"""The families that the contract suites run over, and what a twin has beside the common sizes; None: it has none."""
FAMILIES: Final = tuple(OWN)
PAIRED: Final = ("llama", "mistral", "qwen2", "gpt_neox", "bert", "roberta", "distilbert")
"""Those that the suites of methods and plans run over."""
DECODERS: Final = tuple(name for name in FAMILIES if family_of(name, "a twin").is_decoder)
MASKED: Final = tuple(name for name in FAMILIES if name not in (*DECODERS, *READS))
"""Encoders that transformers has a masked language model of."""


def make_twin(
    model_type: str, folder: Path, *, seed: int = 0, hidden_size: int = 32, blocks: int = 2, masked: bool = False
) -> Path:
    """Write a twin of a family in Hugging Face layout: config.json, model.safetensors, tokenizer.json.

    Args:
        model_type: one of `FAMILIES`.
        folder: made if needed.
        seed: weights are drawn from it.
        hidden_size: D.
        blocks: how many.
        masked: an encoder keeps its masked-language-model head, and its tokenizer has a mask token; else both are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _tokenizer(masked).items():
        (folder / name).write_bytes(content)
    config = AutoConfig.for_model(model_type, **sizes_of(model_type, hidden_size) | {"num_hidden_layers": blocks})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        family = family_of(model_type, "a twin")
        make = auto_class(family, language_model=family.is_decoder or masked)
        make.from_config(config).save_pretrained(folder)
    return folder


def sizes_of(model_type: str, hidden_size: int = 32) -> dict[str, Any]:
    """Fields of the config.json of a twin."""
    sizes = {**COMMON, "hidden_size": hidden_size, "intermediate_size": 2 * hidden_size, **OWN[model_type]}
    return {name: size for name, size in sizes.items() if size is not None}


def twin(folder: Path, model_type: str, *, masked: bool = False) -> LocalBackbone:
    """The twin of a family below `folder`, made on first use; arguments as of `make_twin`."""
    place = folder / (f"{model_type}-masked" if masked else model_type)
    if not (place / "model.safetensors").exists():
        make_twin(model_type, place, masked=masked)
    return inspect(place, name=f"tiny-{model_type}", licence="none", exposure="none")


def added(folder: Path, *words: str, pad: str | None = None) -> Path:
    """Words that were added to a twin's tokenizer until it is larger than its model, which was not resized."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    first = max(content["model"]["vocab"].values()) + 1
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    content["added_tokens"] += [
        {"id": number, "content": word, "special": word == pad, **plain}
        for number, word in enumerate([*(f"<{n}>" for n in range(first, VOCABULARY)), *words], start=first)
    ]
    path.write_text(json.dumps(content))
    if pad:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps(config | {"pad_token": pad}))
    return folder


@lru_cache(maxsize=2)
def _tokenizer(masked: bool) -> dict[str, bytes]:
    """Files of the twins' tokenizer, by name; `masked`: with a mask token behind all others."""
    with TemporaryDirectory() as place:
        tokenizer: PreTrainedTokenizerFast = train_tokenizer([WORDS], VOCABULARY, Path(place))
        if masked:
            tokenizer.add_special_tokens({"mask_token": "<mask>"})
            tokenizer.save_pretrained(place)
        return {file.name: file.read_bytes() for file in Path(place).iterdir()}
