"""LoRA on a base of LLaMA-7B's shape: the peak memory of three steps, beside what `plan` foretells.

    sizes of the catalog's llama-7b ─(some of the layers)─▶ random weights in bf16, in shards ─▶ plan, pretrain

python benchmarks/seven_b.py                           8 of the 32 layers, in bf16
python benchmarks/seven_b.py --layers 32               all: 14 GB of disk and 17 of memory
python benchmarks/seven_b.py --precision fp32          twice the memory

The process that trains does nothing else; its peak is the operating system's, libraries included. The folder of the
base is deleted at the end, also after a failure; `TMPDIR` says where it is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from chartune.batches.tokenize import train_tokenizer
from chartune.made_up import make_hospital
from chartune.models.architecture import shape_of, skeleton
from chartune.models.backbone import Backbone, sizes_alone
from chartune.planning.plan import plan
from chartune.quantities import human_bytes
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.store import Store
from chartune.tasks.prepare_any import prepare
from chartune.testing.peak import peak_bytes


def main() -> None:
    """Measure and print; with a folder: train there and print what it took."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--layers", type=int, default=8)
    asked.add_argument("--steps", type=int, default=3)
    asked.add_argument("--rows", type=int, default=1)
    asked.add_argument("--tokens", type=int, default=128)
    asked.add_argument("--precision", default="bf16")
    asked.add_argument("--folder", type=Path)
    choice = asked.parse_args()
    if choice.folder:
        print(json.dumps(_trained(choice.folder, choice)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_hospital(Path(folder) / "raw", subjects=100, events=False)
        numbers = _write(Path(folder) / "base", choice.layers)
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--folder", folder], capture_output=True, text=True
        )
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    if done.returncode:
        raise RuntimeError(f"the steps must run, but they ended with {done.stderr[-2000:]}")
    row = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{choice.layers} layers, {numbers:,} parameters, {choice.precision}, {choice.steps} steps of {choice.rows} x "
        f"{choice.tokens} tokens: peak {human_bytes(row['peak'])}, foretold {human_bytes(row['planned'])} "
        f"({row['planned'] / row['peak'] - 1:+.0%}); {row['train_seconds'] / choice.steps:.0f} s a step; in all "
        f"{row['cpu']:.0f} CPU s of {row['threads']} threads, {row['wall']:.0f} s, {human_bytes(disk)} of disk"
    )


def _write(folder: Path, layers: int) -> int:
    """A base of that depth, a shard for each layer; the layers are equal. Returns its parameters."""
    sizes = sizes_alone(Backbone(name="llama-7b"))
    if sizes is None:
        raise AssertionError("the catalog knows the sizes of llama-7b")
    shape = shape_of(sizes)
    shape.num_hidden_layers = layers
    folder.mkdir()
    shape.save_pretrained(folder)
    train_tokenizer(["the patient was admitted with chest pain and fever"], 384, folder)
    model = skeleton(shape, AutoModelForCausalLM, folder)
    torch.manual_seed(0)
    shards: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in model.state_dict().items():
        place = name.split(".")[2] if ".layers." in name else "rest"
        shards.setdefault(place, {})[name] = tensor
    drawn: dict[str, torch.Tensor] = {}
    index: dict[str, str] = {}
    for number, (place, tensors) in enumerate(shards.items(), 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        written = {}
        for name, tensor in tensors.items():
            own = name.replace(f".{place}.", ".", 1)
            if own not in drawn:
                drawn[own] = torch.ones(tensor.shape) if tensor.ndim == 1 else torch.randn(tensor.shape) * 0.02
                drawn[own] = drawn[own].to(torch.bfloat16)
            written[name], index[name] = drawn[own], file
        save_file(written, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return sum(tensor.numel() for tensor in model.state_dict().values())


def _trained(folder: Path, choice: argparse.Namespace) -> dict[str, Any]:
    stage = Pretrain.parse({
        "data": {"source": {"kind": "mimic3", "folder": str(folder / "raw")}},
        "backbone": {"name": str(folder / "base")}, "numerics": {"precision": choice.precision},
        "max_seq_len": choice.tokens,
        "optimisation": {
            "batch_size": choice.rows, "duration": {"value": choice.steps, "unit": "steps"}, "learning_rate": 1e-4,
        },
        "stopping": {"evaluations_per_epoch": 1},
        "validation_blocks": 1, "held_out_blocks": 1, "train_blocks": 1,
    })  # fmt: skip
    store, started = Store(folder / "store").open(), time.monotonic()
    prepare(stage.data, store)
    made = plan(stage, store)
    run = pretrain(stage, store)
    return {
        "planned": made.memory.peak, "peak": peak_bytes(),
        "train_seconds": run.cost.train_seconds, "wall": time.monotonic() - started, "cpu": time.process_time(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
