"""Tiny random twins: for each family a two-layer model with the real architecture and random weights, in a folder."""

from pathlib import Path
from typing import Final

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from chartune.batches.tokenize import train_tokenizer
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.families import families

WORDS: Final = (
    "the patient was admitted with chest pain and fever to unit after a fall on stairs denies history of stroke"
)
SHAPE: Final = {"vocab_size": 384, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 160}


def make_twin(model_type: str, folder: Path, *, seed: int = 0, hidden_size: int = 32) -> Path:
    """Write a twin of a family in Hugging Face layout: config.json, model.safetensors, tokenizer.json.

    Args:
        model_type: a key of `families`.
        folder: made if needed.
        seed: weights are drawn from it.
        hidden_size: D.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer([WORDS], SHAPE["vocab_size"], folder)
    sizes = {"hidden_size": hidden_size, "intermediate_size": 2 * hidden_size, **SHAPE}
    if model_type == "distilbert":
        sizes = {"dim": hidden_size, "hidden_dim": 2 * hidden_size, "n_layers": 2, "n_heads": 4} | {"vocab_size": 384}
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": 0, "eos_token_id": 1}
    if model_type in ("llama", "mistral", "qwen2"):
        special["num_key_value_heads"] = 2
    config = AutoConfig.for_model(model_type, **sizes, **special)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        make = AutoModelForCausalLM if families[model_type].is_decoder else AutoModel
        make.from_config(config).save_pretrained(folder)
    return folder


def twin(folder: Path, model_type: str) -> LocalBackbone:
    """The twin of a family below `folder`, made on first use."""
    place = folder / model_type
    if not (place / "model.safetensors").exists():
        make_twin(model_type, place)
    return inspect(place, name=f"tiny-{model_type}", licence="none", exposure="none")
