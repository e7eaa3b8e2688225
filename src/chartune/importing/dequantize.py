"""The one place where a GGUF file is opened: a sandboxed process that can only convert it to safetensors.

    job ─▶ limits ─▶ architecture, kind of tokenizer ─▶ a tiny file of that kind, converted ─▶ audit hook
        ─▶ numbers rounded to 4 … 8 bits ─multiply out─▶ config.json, tokenizer.json, model.safetensors

A GGUF file (llama.cpp) holds sizes, tokenizer and weights together. It is read by the `gguf` package and by
transformers, which know its layouts. Before the file is opened for good, a file of our own with the same architecture
goes the same way, so that the libraries import what they need; afterwards the sandbox holds.
"""

import json
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from chartune.importing.sandbox import Refused, answer, begin, limit, seal

WIDEST: Final = 24
"""Bytes of a tensor in fp32 for each byte in the file, at most: weights of 1.5 bits take 21."""
FP32_BYTES: Final = 8 << 30
"""Weights that would take more in fp32 are kept in bf16."""
SPECIAL: Final = ("bos_token", "eos_token", "unk_token", "pad_token")
TOKENIZERS: Final = ("gpt2", "llama")
"""`tokenizer.ggml.model`: byte-level BPE, sentencepiece."""
_TINY: Final = {
    "block_count": 1, "context_length": 8, "embedding_length": 8, "feed_forward_length": 8, "attention.head_count": 1,
    "attention.head_count_kv": 1, "attention.key_length": 8, "attention.value_length": 8, "rope.dimension_count": 8,
    "attention.sliding_window": 8,
}  # fmt: skip


def main() -> None:
    """Answer one job: `source`, a GGUF file, and `folder`, which exists and is empty."""
    job = begin()
    source, folder = Path(job["source"]), Path(job["folder"])
    torch.set_num_threads(1)
    size = source.stat().st_size
    limit(4 * WIDEST * size, WIDEST * size + (64 << 20), 300 + size // 500_000)
    architecture, tokenizer = _kind(source)
    tiny = folder / "tiny.gguf"
    _write_tiny(tiny, architecture, tokenizer)
    try:
        convert(tiny, folder, torch.float32)
    except (ValueError, KeyError):
        raise Refused(f"its architecture {ascii(architecture)[:40]} is none that transformers reads") from None
    for file in [*folder.iterdir()]:
        file.unlink()
    json.dumps(json.loads("{}"))
    seal([source], folder)
    answer(convert(source, folder, _dtype(source)))


def convert(source: Path, folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Write config, tokenizer and weights of a GGUF file into `folder`.

    Returns:
        dtype, number of parameters.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=dtype)
    _write_tokenizer(AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name), model.config, folder)
    asked = model.config.to_diff_dict()
    for name in ("quantization_config", "_name_or_path", "transformers_version"):
        asked.pop(name, None)
    (folder / "config.json").write_text(json.dumps(asked | {"architectures": [type(model).__name__]}, indent=2))
    save_file(_once(model.state_dict()), folder / "model.safetensors", {"format": "pt"})
    return {"dtype": str(dtype).removeprefix("torch."), "parameters": model.num_parameters()}


def _write_tokenizer(tokenizer: Any, config: PretrainedConfig, folder: Path) -> None:
    """Without tokens beyond the vocabulary, which GPT-2's class adds to any other."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["id"] < config.vocab_size]
    (folder / "tokenizer.json").write_text(json.dumps(whole, ensure_ascii=False))
    known = {token["content"] for token in whole["added_tokens"]} | whole["model"]["vocab"].keys()
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if str(token) in known}
    named = {name: special[name] for name in SPECIAL if name in special}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def _once(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor under the first of its names: a tied head is its embedding."""
    named: dict[int, str] = {}
    for name, tensor in tensors.items():
        named.setdefault(tensor.data_ptr(), name)
    return {name: tensors[name].contiguous() for name in named.values()}


def _kind(source: Path) -> tuple[str, str]:
    """Architecture and kind of tokenizer that a file states."""
    reader = gguf.GGUFReader(source)
    stated = [_text(reader, key) for key in ("general.architecture", "tokenizer.ggml.model")]
    if stated[1] not in TOKENIZERS:
        raise Refused(f"its tokenizer is of the kind {stated[1][:40]!r}, and only {' and '.join(TOKENIZERS)} are read")
    return stated[0], stated[1]


def _dtype(source: Path) -> torch.dtype:
    numbers = sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(source).tensors)
    return torch.float32 if 4 * numbers <= FP32_BYTES else torch.bfloat16


def _text(reader: gguf.GGUFReader, key: str) -> str:
    field = reader.get_field(key)
    if field is None:
        raise Refused(f"it does not state its {key}")
    return str(field.contents())


def _write_tiny(path: Path, architecture: str, tokenizer: str) -> None:
    """A file of the same architecture with one block, of which only the embedding is there."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in _TINY.items():
        writer.add_uint32(f"{architecture}.{key}", value)
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32(f"{architecture}.rope.freq_base", 1e4)
    writer.add_tokenizer_model(tokenizer)
    writer.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_types([3, 3, 3, 1, 1, 1, *[6] * 256])
    writer.add_token_scores([0.0] * 262)
    writer.add_token_merges(["a b"])
    for add in (writer.add_unk_token_id, writer.add_bos_token_id, writer.add_eos_token_id):
        add(0)
    writer.add_tensor("token_embd.weight", np.zeros((262, 8), dtype=np.float32))
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    """Write what a writer was given."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
