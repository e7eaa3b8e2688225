"""A service as its libraries' documentation would have it: FastAPI, transformers, peft; an adapter is set per request.

python stock.py BASE ADAPTERS MAX_LENGTH      prints its address; ADAPTERS: a folder with one peft folder a task

Like many tutorials: one model for sequence classification, all adapters loaded (`load_adapter`), `set_adapter` before
each request, the texts of a request tokenised and padded together. Under a lock, because `set_adapter` changes the
model for everybody. Texts are read sixteen at a time, as `pipeline(batch_size=16)` would, in the order in which they
come, under `torch.inference_mode`.
"""

import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final

import torch
import uvicorn
from fastapi import FastAPI
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

BATCH: Final = 16


class Note(BaseModel):
    """A text to be scored."""

    text: str


class Asked(BaseModel):
    """The form of chartune's own requests."""

    notes: list[Note]
    tasks: list[str]


def make_adapters(base: Path, folder: Path, names: list[str]) -> None:
    """Adapters with heads, LoRA of rank 8 on query and value that is not zero; what they say is no matter."""
    for name in names:
        model = _model(base)
        decoder = "llama" in model.config.model_type
        targets = ["q_proj", "v_proj"] if decoder else ["query", "value"]
        config = LoraConfig(task_type=TaskType.SEQ_CLS, r=8, target_modules=targets, init_lora_weights=False)
        get_peft_model(model, config).save_pretrained(folder / name)


def _model(base: Path) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2, dtype=torch.float32)
    model.config.pad_token_id = AutoTokenizer.from_pretrained(base).pad_token_id or 0
    return model


def application(base: Path, folder: Path, max_length: int) -> FastAPI:
    """The service."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    first, *others = sorted(child for child in folder.iterdir() if child.is_dir())
    model = PeftModel.from_pretrained(_model(base), first, adapter_name=first.name)
    for other in others:
        model.load_adapter(other, other.name)
    model.eval()
    app, lock = FastAPI(), threading.Lock()

    @app.post("/v1/score")
    def score(asked: Asked) -> dict[str, Any]:
        rows = []
        with lock, torch.inference_mode():
            for task in asked.tasks:
                model.set_adapter(task)
                for start in range(0, len(asked.notes), BATCH):
                    texts = [note.text for note in asked.notes[start : start + BATCH]]
                    tokens = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
                    made = model(**tokens).logits.softmax(-1)
                    rows += [{"task": task, "probability": row[1]} for row in made.tolist()]
        return {"rows": rows}

    return app


if __name__ == "__main__":
    app = application(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        print(json.dumps({"address": f"http://127.0.0.1:{bound.getsockname()[1]}"}, indent=1), flush=True)
        uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[bound])
