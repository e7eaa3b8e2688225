"""LoRA on an encoder, beside stock transformers' Trainer with its defaults and with the best that it offers.

    token lists ─┬─ chartune           its loop, micro-batches by rule, merged and fused reading
    (the same)   ├─ Trainer            batches of 8 read, padded to max_length, dropout as shipped
                 └─ Trainer, at best   dynamic padding, grouped by length; read sorted by length, batches of 32

Each way lives in a process of its own, because the allocator that chartune sets would serve the others, too; they take
turns, one thread each. Processor seconds and seconds by the clock; tokens are real ones, padding counts as time.
All begin with the same weights: their logits are compared before training, and their losses after equal tokens.

    python benchmarks/encoder.py [rounds]           some two minutes of processor time for two rounds
"""

import sys
import tempfile
import warnings
from pathlib import Path
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
from trainers import alike, trainer_of
from training_step import ALPHA, BATCH, RANK, gradients, lora_on, minilm_or_twin, move, token_lists
from turns import Turn, Way, serve, show_rates, taking_turns

MEAN, LONGEST, RATE = 152, 256, 2e-4
"""Lengths in tokens: log-normal of that mean, then cut; and the learning rate of all weights."""
WAYS: Final = ("chartune", "Trainer", "Trainer, at best")
Notes = list[NDArray[np.int64]]


def main() -> None:
    """Measure and print; with the name of a way and a folder: be that way, and take turns as asked."""
    if len(sys.argv) > 2:
        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        name, folder = sys.argv[1], Path(sys.argv[2])
        serve(chartunes(folder) if name == "chartune" else stock(folder, at_best="best" in name))
        return
    with tempfile.TemporaryDirectory() as place:
        base = minilm_or_twin(Path(place)).folder
        ways = [Turn(name, __file__, (str(base),)) for name in WAYS]
        with taking_turns(ways):
            before = [logits(way) for way in ways]
            for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
                for what in ("train", "read"):
                    for way in ways:
                        way.measure(what)
            show(ways, before, [logits(way) for way in ways])


def logits(way: Turn) -> NDArray[np.float64]:
    """Of all notes, [n, 2]."""
    return np.asarray(way.ask("read")["value"])


def show(ways: list[Turn], before: list[NDArray[np.float64]], after: list[NDArray[np.float64]]) -> None:
    """Print rates and ratios, round by round paired, and how far results are apart."""
    notes, labels = lists()
    tokens = sum(map(len, notes))
    print(f"{len(notes)} notes, {tokens:,} tokens, mean {tokens / len(notes):.0f}; one thread; medians of rounds")
    for what in ("train", "read"):
        show_rates(ways, what, tokens)
    print(f"\n{'results':<20}{'logits apart':>15}{'loss before':>14}{'after':>10}")
    for way, *both in zip(ways, before, after, strict=True):
        apart = np.abs(both[0] - before[0]).max()
        losses = [nn.functional.cross_entropy(torch.tensor(each), torch.tensor(labels)) for each in both]
        print(f"  {way.name:<18}{apart:>15.1e}{losses[0]:>14.4f}{losses[1]:>10.4f}")


def lists() -> tuple[Notes, NDArray[np.int64]]:
    """Notes as token ids, and their labels; the same for every way."""
    notes = token_lists(MEAN, LONGEST)
    ids = [notes.encoded[at].astype(np.int64) for at in range(len(notes.encoded))]
    return ids, notes.labels.astype(np.int64)


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

    return {"train": train, "read": lambda: logits_of(model, notes, resolved).tolist()}


def stock(folder: Path, *, at_best: bool) -> Way:
    """Peft's LoRA of the same size and a linear head on the mean, trained and read by transformers' Trainer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    notes, labels = lists()
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
        return trainer_of(model, RATE, bf16=at_best, data_collator=collate, train_dataset=rows,
                          per_device_train_batch_size=BATCH, **further)  # fmt: skip

    grouped = {"train_sampling_strategy": "group_by_length"} if at_best else {}  # predict would be in its order, too
    order = np.argsort([len(note) for note in notes])[::-1] if at_best else np.arange(len(notes))

    def read() -> Any:
        logits = (
            trainer(**({"per_device_eval_batch_size": 32} if at_best else {}))
            .predict([rows[at] for at in order])
            .predictions
        )
        unsorted: NDArray[np.float32] = np.empty_like(logits)
        unsorted[order] = logits
        return unsorted.tolist()

    return {"train": lambda: trainer(**grouped).train(), "read": read}


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


if __name__ == "__main__":
    main()
