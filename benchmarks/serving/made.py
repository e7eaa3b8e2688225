"""Runs and notes for `serve.py`, made on the spot: five LoRA runs of two steps on one base model."""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from chartune.runs.ledger import find_run
from chartune.runs.run import Run
from chartune.serving.bank import Bank
from chartune.stages.finetune import Finetune, finetune
from chartune.store import Store

RUNS: Final = 5
"""Fine-tuned for real; where more tasks are asked they are held several times, each with layers and head of its own."""
MAX_SEQ_LEN: Final = 512
WORDS: Final = (
    "the of and a to in is was with for on patient pain chest heart blood pressure history day left right his her "
    "had no at care fall stable rate"
)
"""Each a token of MiniLM and of SmolLM2, so that words count as tokens."""
Texts = list[str]


def note(chance: np.random.Generator, tokens: int) -> str:
    """A note of about so many tokens."""
    return " ".join(chance.choice(WORDS.split(), max(1, tokens - 2)))


def between(seed: int, count: int, least: int = 64, most: int = 128) -> Texts:
    """Notes of 64 to 128 tokens, evenly spread."""
    chance = np.random.default_rng(seed)
    return [note(chance, int(size)) for size in chance.integers(least, most + 1, count)]


def log_normal(seed: int, count: int) -> Texts:
    """Notes whose lengths are log-normal: median 110 tokens, sigma 0.9, at most 512."""
    chance = np.random.default_rng(seed)
    sizes = np.clip(np.exp(chance.normal(np.log(110), 0.9, count)), 8, MAX_SEQ_LEN)
    return [note(chance, int(size)) for size in sizes]


def trained(store: Store, place: Path, base: str) -> list[Run]:
    """Five runs called `<base>-0` …, LoRA of rank 8 on the attention, two steps each."""
    table = place / "own.csv"
    if not table.exists():
        with table.open("w", encoding="utf-8", newline="") as handle:
            rows = enumerate(between(0, 60, 16, 32))
            csv.writer(handle).writerows([("subject_id", "text", "label"), *((n, t, "ny"[n % 2]) for n, t in rows)])
    return [_run(store, table, base, f"{base}-{number}", number) for number in range(RUNS)]


def _run(store: Store, table: Path, base: str, name: str, seed: int) -> Run:
    layer = {"kind": "fresh", "method": {"kind": "lora", "rank": 8, "targets": "attention"}}
    finetune(Finetune.parse({
        "data": {"source": {"kind": "tabular", "file": str(table)}}, "backbone": {"name": base}, "name": name,
        "stack": {"layers": [layer]}, "max_seq_len": MAX_SEQ_LEN, "numerics": {"precision": "fp32"}, "seed": seed,
        "optimisation": {"duration": {"value": 2, "unit": "steps"}, "learning_rate": 1e-2, "batch_size": 8},
    }), store)  # fmt: skip
    return find_run(store, name)


def bank_of_many(store: Store, runs: list[Run], tasks: int) -> Bank:
    """A bank with so many tasks, from `t0` on."""
    bank = Bank(store)
    for number in range(tasks):
        bank.load(runs[number % len(runs)], f"t{number}")
    return bank
