"""GGUF files for tests: a LLaMA twin as llama.cpp's own converter would write it."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors.numpy import load_file

from chartune.importing.dequantize import finish


def write_gguf(base: Path, file: Path, kind: str = "F32", architecture: str = "llama") -> Path:
    """Write the twin of a LLaMA as one GGUF file.

    Args:
        base: its folder in Hugging Face layout.
        file: to write.
        kind: how matrices are kept: F32, or rounded, such as Q8_0. Norms stay F32.
        architecture: that the file states.
    """
    config = json.loads((base / "config.json").read_text())
    writer = gguf.GGUFWriter(file, architecture)
    _sizes(writer, config)
    _tokenizer(writer, json.loads((base / "tokenizer.json").read_text()), config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, matrix in load_file(base / "model.safetensors").items():
        head = next((number for part, number in heads.items() if f".{part}." in name), None)
        tensor = matrix if head is None else _interleaved(matrix, head)
        kept = gguf.GGMLQuantizationType[kind if tensor.ndim == 2 else "F32"]
        known = names.get_name(name, (".weight", ".bias"))
        assert known, name
        writer.add_tensor(known, quantize(np.ascontiguousarray(tensor), kept), raw_dtype=kept)
    finish(writer)
    return file


def _interleaved(matrix: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of query or key, [heads · D, in], from halves to pairs: how llama.cpp rotates them."""
    return matrix.reshape(heads, 2, -1, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def _sizes(writer: gguf.GGUFWriter, config: dict[str, int]) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])


def _tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any], config: dict[str, int]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    tokens += [f"<unused{index}>" for index in range(len(tokens), config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if len(token) > 2 and token.startswith("<") else 1 for token in tokens])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
