"""LoRA on an encoder, beside stock transformers' Trainer with its defaults and with the best that it offers.

    token lists ─┬─ chartune           its loop, micro-batches by rule, merged and fused reading
    (the same)   ├─ Trainer            batches of 8 read, padded to max_length, dropout as shipped
                 └─ Trainer, at best   dynamic padding, grouped by length; read sorted by length, batches of 32

Each way lives in a process of its own, because the allocator that chartune sets would serve the others, too; they take
turns, one thread each. Processor seconds and seconds by the clock; tokens are real ones, padding counts as time.
All begin with the same weights: their logits are compared before training, and their losses after equal tokens.

    python benchmarks/encoder.py [rounds]           some two minutes of processor time for two rounds
"""

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.batches.budgets import budget_of
from chartune.models.backbone import inspect
from chartune.prediction.predictions import logits_of
from chartune.train.optimizer import Optimisation, make_optimizer, rate_factor
from chartune.train.plan import epoch_steps, micro_batches
from training_step import ALPHA, BATCH, RANK, gradients, lora_on, minilm_or_twin, move, token_lists

MEAN, LONGEST, RATE = 152, 256, 2e-4
"""Lengths in tokens: log-normal of that mean, then cut; and the learning rate of all weights."""
WAYS: Final = ("chartune", "Trainer", "Trainer, at best")
Notes = list[NDArray[np.int64]]


def main() -> None:
    """Measure and print; with the name of a way and a folder: be that way, and take turns as asked."""
    if len(sys.argv) > 2:
        serve(sys.argv[1], Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as place:
        base = minilm_or_twin(Path(place)).folder
        ways = [Turn(name, base) for name in WAYS]
        for way in ways:
            way.logits = [np.asarray(way.ask("logits")["logits"])]
        for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
            for turn in ("train", "read"):
                for way in ways:
                    way.measure(turn)
        for way in ways:
            way.logits.append(np.asarray(way.ask("logits")["logits"]))
            way.process.stdin.close()  # type: ignore[union-attr]
        show(ways)


@dataclass
class Turn:
    """A way in its process."""

    name: str
    folder: Path
    measured: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"train": [], "read": []})
    """Processor and wall seconds, by what was done."""
    logits: list[NDArray[np.float64]] = field(default_factory=list)
    """Of all notes [n, 2], before and after."""

    def __post_init__(self) -> None:
        command = [sys.executable, __file__, self.name, str(self.folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what: str) -> dict[str, Any]:
        """Let it do something; returns its answer."""
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("a way is asked through pipes")
        print(what, file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def measure(self, what: str) -> None:
        """One timed turn."""
        answer = self.ask(what)
        self.measured[what].append((answer["cpu"], answer["wall"]))


def show(ways: list[Turn]) -> None:
    """Print rates and ratios, round by round paired, and how far results are apart."""
    notes, labels = lists()
    tokens = sum(map(len, notes))
    print(f"{len(notes)} notes, {tokens:,} tokens, mean {tokens / len(notes):.0f}; one thread; medians of rounds")
    for what in ("train", "read"):
        print(f"\n{what:<20}{'tokens / CPU s':>15}{'chartune is':>14}{'tokens / s':>12}{'chartune is':>14}")
        for way in ways:
            cells = [_cell(ways[0].measured[what], way.measured[what], tokens, clock) for clock in (0, 1)]
            (cpu, cpu_ratio), (wall, wall_ratio) = cells
            print(f"  {way.name:<18}{cpu:>15,.0f}{cpu_ratio:>12.2f} ×{wall:>12,.0f}{wall_ratio:>12.2f} ×")
    print(f"\n{'results':<20}{'logits apart':>15}{'loss before':>14}{'after':>10}")
    for way in ways:
        apart = np.abs(way.logits[0] - ways[0].logits[0]).max()
        before, after = (nn.functional.cross_entropy(torch.tensor(each), torch.tensor(labels)) for each in way.logits)
        print(f"  {way.name:<18}{apart:>15.1e}{before:>14.4f}{after:>10.4f}")


def _cell(
    own: list[tuple[float, float]], others: list[tuple[float, float]], tokens: int, clock: int
) -> tuple[float, float]:
    """Rate of a way, and how many times as fast chartune is; clock: 0 of the processor, 1 of the wall."""
    ratio = median(theirs[clock] / ours[clock] for ours, theirs in zip(own, others, strict=True))
    return tokens / median(other[clock] for other in others), ratio


def lists() -> tuple[Notes, NDArray[np.int64]]:
    """Notes as token ids, and their labels; the same for every way."""
    notes = token_lists(MEAN, LONGEST)
    ids = [notes.encoded[at].astype(np.int64) for at in range(len(notes.encoded))]
    return ids, notes.labels.astype(np.int64)


def serve(name: str, folder: Path) -> None:
    """Do what is asked, line by line."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    way = chartunes(folder) if name == "chartune" else stock(folder, at_best="best" in name)
    for line in sys.stdin:
        usage, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):  # Trainer prints; the answer is a line of its own
            logits = way[line.strip()]()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        cpu = spent.ru_utime + spent.ru_stime - usage.ru_utime - usage.ru_stime
        answer = {"cpu": cpu, "wall": time.perf_counter() - started}
        print(json.dumps(answer | ({"logits": logits.tolist()} if line.strip() == "logits" else {})), flush=True)


Way = dict[str, Callable[[], Any]]


def chartunes(folder: Path) -> Way:
    """The pieces of `stages.finetune`, without evaluation and checkpoints."""
    notes, base = token_lists(MEAN, LONGEST), inspect(folder, name="the base", licence="none", exposure="none")
    model, resolved = lora_on(base, normalise=False)
    alike(model)
    choice = Optimisation(batch_size=BATCH, learning_rate=RATE, head_learning_rate=RATE)
    budget = budget_of(choice.micro_batch_tokens, resolved.device, resolved.precision, decoder=False)

    def train() -> None:
        optimizer = make_optimizer(model.train(), choice)
        steps = epoch_steps(notes.encoded.lengths, BATCH, 0, 0)
        for number, step in enumerate(steps):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate_factor(choice, number, len(steps))
            for micro in micro_batches(step, notes.encoded.lengths, budget):
                gradients(model, notes.batch(micro.indices), resolved, len(step))
            move(model, optimizer)

    def read() -> NDArray[np.float32]:
        return logits_of(model, notes, resolved)

    return {"train": train, "read": read, "logits": read}


def stock(folder: Path, *, at_best: bool) -> Way:
    """Peft's LoRA of the same size and a linear head on the mean, trained and read by transformers' Trainer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, Trainer, TrainingArguments

    notes, labels = lists()
    fast = at_best and torch.cpu.get_capabilities().get("avx512_bf16", False)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"])
    model = alike(Stock(get_peft_model(AutoModel.from_pretrained(folder, dtype=torch.float32), config)))
    rows = [{"input_ids": n, "labels": y, "length": len(n)} for n, y in zip(notes, labels.tolist(), strict=True)]

    def collate(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
        width = max(len(row["input_ids"]) for row in batch) if at_best else LONGEST
        ids, mask = (torch.zeros(len(batch), width, dtype=torch.int64) for _ in range(2))
        for at, row in enumerate(batch):
            ids[at, : len(row["input_ids"])] = torch.from_numpy(row["input_ids"])
            mask[at, : len(row["input_ids"])] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["labels"] for row in batch])}

    def trainer(**further: Any) -> Any:
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(), use_cpu=True, num_train_epochs=1, per_device_train_batch_size=BATCH,
            learning_rate=RATE, adam_beta2=0.98, weight_decay=0.01, bf16=fast, save_strategy="no", report_to="none",
            logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
            **further,
        )  # fmt: skip
        return Trainer(model, arguments, data_collator=collate, train_dataset=rows)

    grouped = {"train_sampling_strategy": "group_by_length"} if at_best else {}  # predict would be in its order, too
    order = np.argsort([len(note) for note in notes])[::-1] if at_best else np.arange(len(notes))

    def read() -> NDArray[np.float32]:
        logits = (
            trainer(**({"per_device_eval_batch_size": 32} if at_best else {}))
            .predict([rows[at] for at in order])
            .predictions
        )
        unsorted: NDArray[np.float32] = np.empty_like(logits)
        unsorted[order] = logits
        return unsorted

    return {"train": lambda: trainer(**grouped).train(), "read": read, "logits": read}


class Stock(nn.Module):
    """As one writes it for Trainer."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(body.config.hidden_size, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Mean loss and logits."""
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None]
        logits = self.head((hidden * mask).sum(1) / mask.sum(1))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def alike(model: Any) -> Any:
    """Give adapters and head of a way the numbers that all ways begin with; their order is that of the body."""
    random = np.random.default_rng(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                drawn = random.normal(0, 0.02, weight.shape) * (not name.endswith("bias"))
                weight.copy_(torch.from_numpy(drawn))
    return model


if __name__ == "__main__":
    main()
