"""LoRA on a decoder: domain-adaptive pretraining beside stock transformers' Trainer, and beside the processor's peak.

    token lists ─┬─ chartune         the loop of `chartune pretrain`, micro-batches by rule, blocks compiled by rule
    (the same)   ├─ Trainer          transformers and peft with their defaults: fp32, SDPA, 8 rows at once
                 ├─ Trainer, bf16    the same in bf16, where the processor multiplies it fast
                 └─ a matrix product of 2,048 × 2,048 × 2,048 in the precision that chartune computes in: the peak

A process of its own for each way, one thread each, in turns. All begin with the same weights and take the same tokens
in the same order; blocks hold one document each, since Trainer would let several see each other. A way's share of the
peak is 4·N·T operations for T tokens over the seconds that they took: forwards, and backwards without the gradients of
weights. N counts the matrices of all blocks and of the language-model head once; embeddings, which are looked up,
norms, LoRA's own matrices and attention's products of tokens with tokens are not counted.

    python benchmarks/llama.py [--rounds 2] [--only 128]      some eight minutes of processor time for two rounds
"""

import argparse
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.batches.budgets import budget_of, rows_within
from chartune.batches.pack import Blocks, pack
from chartune.batches.tokenize import Encoded, train_tokenizer
from chartune.log import EVENTS, EventLog
from chartune.models.backbone import Backbone, inspect
from chartune.models.compiled import LEAST_FLOPS, compiled, compiled_by_rule
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.models.precision import HALF, multiplies_bf16
from chartune.quantities import Duration
from chartune.stages.base import lm_evaluation, lm_objective
from chartune.stages.bases import find_or_make
from chartune.store import Store
from chartune.train.loop import fit
from chartune.train.objective import Evaluation
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.plan import epoch_steps
from chartune.train.training import Training
from trainers import alike, trainer_of
from turns import Turn, Way, serve, show_rates, taking_turns

RANK, ALPHA, RATE, SEED = 8, 16, 3e-3, 0
SIDE, PRODUCTS = 2048, 6
"""Of the square matrices whose product sets the peak, and how many products a turn takes."""
SHAPE: Final = LlamaConfig(
    hidden_size=512, num_hidden_layers=8, num_attention_heads=8, intermediate_size=1376, vocab_size=8000,
    max_position_embeddings=1024, pad_token_id=2, bos_token_id=0, eos_token_id=1, tie_word_embeddings=False,
)  # fmt: skip
"""The LLaMA of 25 million: 25.3 M in the matrices of its blocks, 4.1 M in its head; random weights."""
PEAK: Final = "peak"
TRAINERS: Final = ("Trainer", "Trainer, bf16")


@dataclass(frozen=True)
class Case:
    """A base at a length."""

    base: str
    """`llama`, or a row of the catalog."""
    length: int
    """Tokens of a block."""
    rows: int
    """Blocks of a step; Trainer's default is 8."""
    steps: int
    """Of a turn."""
    wanted: str
    """On a processor with bf16."""

    @property
    def name(self) -> str:
        """Such as `llama 8 × 128`."""
        return f"{self.base} {self.rows} × {self.length}"

    @property
    def tokens(self) -> int:
        """Of a turn."""
        return self.rows * self.length * self.steps


CASES: Final = (
    Case("llama", 128, 8, 4, "4.1 × Trainer, 1.5 × Trainer in bf16, 68 % of the peak"),
    Case("llama", 512, 8, 1, "3.5 × Trainer, 50 % of the peak"),
    Case("smollm2", 256, 4, 1, "55 % of the peak"),
)


def main() -> None:
    """Measure and print; with the name of a way, a case and a folder: be that way, and take turns as asked."""
    if sys.argv[3:] and not sys.argv[1].startswith("-"):
        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        be(sys.argv[1], CASES[int(sys.argv[2])], Path(sys.argv[3]))
        return
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=2)
    asked.add_argument("--only", default="", help="a word in the name of a case")
    choice = asked.parse_args()
    for number, case in enumerate(CASES):
        if choice.only in case.name:
            with tempfile.TemporaryDirectory() as place:
                compare(number, case, base_of(case, Path(place)), choice.rounds)


def base_of(case: Case, place: Path) -> Path:
    """The folder of the base: random weights, or what the catalog converts."""
    if case.base != "llama":
        return find_or_make(Backbone(name=case.base), Store(place / "store").open()).folder
    torch.manual_seed(SEED)
    AutoModelForCausalLM.from_config(SHAPE).save_pretrained(place / case.base)
    train_tokenizer(["the patient was admitted with chest pain and fever"], 384, place / case.base)
    return place / case.base


def compare(number: int, case: Case, folder: Path, rounds: int) -> None:
    """Let the ways take turns on a case, after one turn each that is not counted, and print."""
    names = ["chartune", *TRAINERS[: 1 + multiplies_bf16("cpu")]]
    ways = [Turn(name, __file__, (str(number), str(folder))) for name in (*names, PEAK)]
    learning, peak = ways[:-1], ways[-1]
    with taking_turns(ways):
        losses = {way.name: [float(way.ask("loss")["value"])] for way in learning}
        reason = learning[0].ask("numerics")["value"]
        for way in ways:
            way.ask("train")
        for _ in range(rounds):
            for way in ways:
                way.measure("train")
        for way in learning:
            losses[way.name].append(float(way.ask("loss")["value"]))
    print(f"\n{case.name}; {reason}; {rounds} rounds of {case.tokens:,} tokens, one thread; wanted: {case.wanted}")
    show_rates(learning, "train", case.tokens)
    show_shares(learning, peak, 4 * matrices_of(folder) * case.tokens)
    show_losses(losses)


def matrices_of(folder: Path) -> int:
    """N: numbers in the matrices of the blocks and of the head, which may be that of the embeddings."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear))


def show_shares(ways: list[Turn], peak: Turn, operations: int) -> None:
    """Print what of the peak each way reaches: medians of the shares of single rounds, by processor time."""
    product = 2 * SIDE**3 * PRODUCTS
    rates = [product / cpu for cpu, _ in peak.measured["train"]]
    print(f"\nof the peak of {median(rates) / 1e9:,.0f} GFLOP/s ({min(rates) / 1e9:,.0f} to {max(rates) / 1e9:,.0f})")
    for way in ways:
        reached = [operations / cpu for cpu, _ in way.measured["train"]]
        share = median(own / most for own, most in zip(reached, rates, strict=True))
        print(f"  {way.name:<18}{median(reached) / 1e9:>9,.0f} GFLOP/s{share:>8.0%}")


def show_losses(losses: dict[str, list[float]]) -> None:
    """Print the losses on all tokens, before and after."""
    own = losses["chartune"]
    print(f"\n{'loss':<20}{'before':>10}{'after':>10}{'from chartune':>16}")
    for name, (before, after) in losses.items():
        print(f"  {name:<18}{before:>10.4f}{after:>10.4f}{after / own[1] - 1:>+16.3%}")


def be(name: str, case: Case, folder: Path) -> None:
    """A way, until nobody asks any more."""
    if name == "chartune":
        chartunes(case, folder)
    elif name == PEAK:
        serve({"train": product_of(resolve(Numerics(), case.length))})
    else:
        serve(stock(case, folder, bf16="bf16" in name))


def blocks_of(case: Case, folder: Path) -> Blocks:
    """Blocks of one document each, of tokens as frequent as words are (Zipf); the same for every way."""
    random, vocabulary = np.random.default_rng(SEED), int(AutoConfig.from_pretrained(folder).vocab_size)
    count = case.rows * case.steps
    chances = 1 / np.arange(1, vocabulary + 1)
    ids = random.choice(vocabulary, count * case.length, p=chances / chances.sum()).astype(np.int32)
    offsets = np.arange(count + 1, dtype=np.int64) * case.length
    documents = Encoded(ids, offsets, np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.bool_))
    return pack(documents, SimpleNamespace(bos_token_id=None, eos_token_id=None), case.length)


def resolved_of(case: Case) -> Resolved:
    """The numerics that `stages.resolving` would choose for a training that is long enough to be compiled."""
    return compiled_by_rule(resolve(Numerics(), case.length), Numerics(), "", "", lambda: LEAST_FLOPS)


def product_of(resolved: Resolved) -> Any:
    """Matrix products in the precision in force."""
    kind = HALF.get(resolved.precision, torch.float32)
    left, right = (torch.randn(SIDE, SIDE).to(kind) for _ in range(2))

    def products() -> None:
        for _ in range(PRODUCTS):
            torch.mm(left, right)

    return products


def chartunes(case: Case, folder: Path) -> None:
    """The loop of `stages.pretrain`, without evaluation; a turn is a training of its own on the weights so far."""
    resolved, blocks = resolved_of(case), blocks_of(case, folder)
    body = load_body(inspect(folder, name=case.base, licence="", exposure=""), resolved, language_model=True)
    stack = Stack(layers=(Fresh(method=LoRA(rank=RANK, alpha=ALPHA, targets="attention")),))
    attached = attach(stack, body.module, [None], SEED)
    model = alike(body.language_model(attached.module)).to(resolved.device)
    choice = Optimisation(learning_rate=RATE, batch_size=case.rows, duration=Duration.steps(case.steps))
    once = Stopping(evaluations_per_epoch=1)  # at the end, so that the last weights are the best
    budget = budget_of(choice.micro_batch_tokens, resolved.device, resolved.precision, decoder=True)

    def train() -> None:
        with tempfile.TemporaryDirectory() as place:
            fit(Training(
                lm_objective(model, blocks), choice, once, SEED, resolved.precision, Path(place),
                EventLog(Path(place) / EVENTS), lambda: Evaluation(0.0, {}), attached=attached, budget=budget,
            ))  # fmt: skip

    def loss() -> float:
        return -lm_evaluation(model, blocks, resolved).score

    with compiled(body.module, resolved, min(case.rows, rows_within(budget, case.length)), folder.parent):
        serve({"train": train, "loss": loss, "numerics": lambda: resolved.reason})


def stock(case: Case, folder: Path, *, bf16: bool) -> Way:
    """Peft's LoRA of the same size, trained by transformers' Trainer."""
    from peft import LoraConfig, get_peft_model

    blocks = blocks_of(case, folder)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = alike(get_peft_model(base, config))
    ordered: NDArray[np.int64] = np.concatenate(epoch_steps(blocks.lengths, case.rows, SEED, 0))
    rows = [{"input_ids": ids, "labels": ids} for ids in torch.from_numpy(blocks.ids[ordered].astype(np.int64))]

    def train() -> None:
        sampled = {"train_sampling_strategy": "sequential", "per_device_train_batch_size": case.rows}
        trainer_of(model, RATE, bf16=bf16, train_dataset=rows, **sampled).train()

    @torch.inference_mode()
    def loss() -> float:
        model.eval()
        return float(np.mean([float(model(input_ids=row["input_ids"][None], labels=row["labels"][None]).loss)
                              for row in rows]))  # fmt: skip

    return {"train": train, "loss": loss}


if __name__ == "__main__":
    main()
