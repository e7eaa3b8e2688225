"""Scores texts with what lies in this folder, by torch and transformers alone: Model().probabilities(["A note."])."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import layer_norm, linear
from transformers import AutoModel, AutoTokenizer


class Model:
    def __init__(self, base: str | None = None, folder: Path = Path(__file__).parent) -> None:
        self.about = about = json.loads((folder / "export.json").read_text("utf-8"))
        place = folder / about["model"] if about["model"] else Path(base or "")
        for name, sha256 in about["base"]["files"].items() if about["model"] is None else ():
            if hashlib.sha256((place / name).read_bytes()).hexdigest() != sha256:
                raise ValueError(f"Model(base=...) must be {about['base']['name']}, but its {name} is another one")
        self.tokenizer = AutoTokenizer.from_pretrained(folder / about["tokenizer"])
        self.body = AutoModel.from_pretrained(place, dtype=torch.float32, **about["options"]).eval()
        for layer in about["adapters"]:  # stock peft reads one at a time: those below become a part of the weights
            self.body = self.body.merge_and_unload() if layer != about["adapters"][0] else self.body
            self.body = __import__("peft").PeftModel.from_pretrained(self.body, folder / layer).eval()
        self.head = load_file(folder / "head.safetensors")

    @torch.inference_mode()
    def logits(self, texts: list[str]) -> torch.Tensor:
        coded = self.tokenizer([t or " " for t in texts], padding=True, truncation=True, return_tensors="pt")
        ids, mask = coded["input_ids"], coded["attention_mask"]
        hidden = self.body(input_ids=ids, attention_mask=mask).last_hidden_state[:, -ids.shape[1] :]
        place = mask.sum(1) - 1 if self.about["pooling"] == "last" else torch.zeros(len(ids), dtype=torch.long)
        mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        pooled = mean if self.about["pooling"] == "mean" else hidden[torch.arange(len(ids)), place]
        pooled = layer_norm(pooled, pooled.shape[1:]) if self.about["normalise"] else pooled
        return linear(pooled, self.head["linear.weight"], self.head["linear.bias"])

    def probabilities(self, texts: list[str], raw: bool = False) -> torch.Tensor:  # [n, labels], as export.json names
        z, scale = self.logits(texts), (1.0, 0.0) if raw else (self.about["slope"], torch.tensor(self.about["offset"]))
        return (z * scale[0] + scale[1]).sigmoid() if self.about["several"] else (z * scale[0] + scale[1]).softmax(1)
