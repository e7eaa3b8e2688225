"""The time to the same validation AUROC: chartune beside the recipe of Gema et al. (2023) as their code has it.

    a made-up hospital, mortality ─same tokens─┬─ as coded        transformers and peft, fp32, padded to the cut,
                                               │                  after each epoch the training split is scored, too;
                                               │                  also with chartune's rate
                                               ├─ its own recipe  chartune's engine with the rate, the batches and the
                                               │                  start of the recipe: what the engine gains
                                               └─ chartune        head initialised at a probe, a rate of its own

    python benchmarks/as_coded.py time [--base minilm] [--patients 1200] [--tokens 128] [--epochs 10]
    python benchmarks/as_coded.py head [the same]         the head alone on a frozen base
    python benchmarks/as_coded.py sorted [--base minilm]  reading by length beside the order of the data

One thread; each way in a process of its own, one after the other. What counts is the time until a way first has the
AUROC that the recipe has at best; by parts: the second scoring of the training split, the engine, the optimisation.
"""

import argparse
import gzip
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.batches.budgets import reading_budget, rows_within
from chartune.batches.collate import Examples
from chartune.batches.tokenize import Encoded, encode, load_tokenizer
from chartune.made_up import make_hospital
from chartune.metrics.auroc import auroc
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone
from chartune.models.numerics import Resolved
from chartune.models.tokenizer import padding_of
from chartune.prediction.predictions import logits_of
from chartune.prediction.reading import reading
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.table import TaskTable, read_table
from chartune.store import Store
from chartune.tasks.prepare import prepare
from training_step import lora_on
from turns import Turn, serve, taking_turns

RATE, OWN_RATE, BATCH, WARMUP = 5e-5, 1e-3, 20, 0.06
"""Of the recipe as coded for encoders and LLaMA with LoRA, and the rate that chartune's own documents name."""
NOTES, MEAN, SPREAD, SHORTEST, CUT, ROUNDS = 256, 152, 0.6, 16, 256, 3
"""Texts that are read, the mean and the spread of their lengths in tokens before they are cut; how often."""
ENOUGH: Final = 1e-9
"""By so much an AUROC may miss the one that it must have, of rounding alone."""


@dataclass(frozen=True)
class Spent:
    """Time since a way has begun."""

    cpu: float
    wall: float
    scored_again: float = 0.0
    """Of `cpu` what scoring the training split took."""


AS_CODED, AT_OUR_RATE = "as coded", "coded, our rate"
Point = tuple[Spent, float]
"""When, and the validation AUROC then."""
Curve = list[tuple[tuple[float, ...], float]]
"""Points as plain numbers: the fields of `Spent`, and the AUROC."""


def main() -> None:
    """Measure and print; called by itself with the name of a way: be that way."""
    if len(sys.argv) > 1 and sys.argv[1].startswith("way:"):
        name, asked = sys.argv[1].removeprefix("way:"), arguments(sys.argv[2:])
        torch.set_num_threads(1)
        serve({"run": lambda: WAYS[name](asked)})
        return
    asked = arguments(sys.argv[1:])
    if asked.what == "sorted":
        by_length(asked)
        return
    with tempfile.TemporaryDirectory() as place:
        asked.place = place
        make_hospital(Path(place) / "hospital", subjects=asked.patients, seed=1, events=False)
        store_of(asked).open()
        rows = table_of(asked)  # prepared before the clocks run
        print(
            f"{asked.base}; {asked.tokens} tokens; {asked.epochs} epochs; "
            + ", ".join(f"{split} {len(rows.rows(split))}" for split in ("train", "validation")),
            flush=True,
        )
        words = [*sys.argv[1:], "--place", place]
        ways = [Turn(f"way:{name}", __file__, words) for name in WAYS]
        with taking_turns(ways):
            curves = {name: way.ask("run")["value"] for name, way in zip(WAYS, ways, strict=True)}
    show({name: [(Spent(*spent), score) for spent, score in curve] for name, curve in curves.items()})


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("time", "head", "sorted"))
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--patients", type=int, default=1200)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--place", default="")
    return parser.parse_args(words)


def show(curves: Mapping[str, list[Point]]) -> None:
    """Print when each way has the AUROC that the recipe as coded has at best, and what each part gains."""
    for coded in (AS_CODED, AT_OUR_RATE):
        compared(curves, coded)


def compared(curves: Mapping[str, list[Point]], with_best: str) -> None:
    """The same for the AUROC that one way has at best."""
    goal = max(score for _, score in curves[with_best])
    print(f"\nvalidation AUROC of {with_best}, at best: {goal:.4f}")
    reached = {name: first(curve, goal) for name, curve in curves.items()}
    for name, curve in curves.items():
        when, at = reached[name], " → ".join(f"{score:.4f}" for _, score in curve)
        took = f"{when.cpu:8.1f} CPU s, {when.wall:8.1f} s" if when else "not reached"
        print(f"  {name:<16}{took}   ({at})")
    coded, engine, own = reached[with_best], reached["its own recipe"], reached["chartune"]
    if coded and own:
        print(
            f"chartune is {coded.cpu / own.cpu:.1f} × as fast by CPU time, {coded.wall / own.wall:.1f} × by the clock"
        )
        print(f"  scored once: {coded.cpu / (coded.cpu - coded.scored_again):.2f} ×")
    if coded and engine and own:
        print(f"  the engine:  {(coded.cpu - coded.scored_again) / engine.cpu:.2f} ×")
        print(f"  start, rate: {engine.cpu / own.cpu:.2f} ×")


def first(curve: Sequence[Point], goal: float) -> Spent | None:
    """When a curve first reaches a score; None: it does not."""
    return next((spent for spent, score in curve if score >= goal - ENOUGH), None)


def stage_of(asked: argparse.Namespace, own: Mapping[str, Any]) -> Finetune:
    """Mortality of the made-up hospital, by LoRA or by the head alone; evaluated once in each epoch."""
    source = {"kind": "mimic3", "folder": str(Path(asked.place) / "hospital")}
    stack = [] if asked.what == "head" else [{"kind": "fresh", "method": {"kind": "lora", "rank": 8, "alpha": 16}}]
    return Finetune.parse({
        "data": {"source": source, "tasks": [{"kind": "mortality"}], "corpus": None}, "task": "mortality",
        "backbone": {"name": asked.base}, "max_seq_len": asked.tokens, "stack": {"layers": stack},
        "numerics": {"precision": "fp32"}, "stopping": {"evaluations_per_epoch": 1, "patience": 99}, **own,
    }).model_copy(update={"scores_test": False})  # fmt: skip


def table_of(asked: argparse.Namespace) -> TaskTable:
    """The examples that all ways learn from."""
    return read_table(prepare(stage_of(asked, {}).data, store_of(asked)), "mortality")


def store_of(asked: argparse.Namespace) -> Store:
    """The store beside the hospital."""
    return Store(Path(asked.place) / "store")


def base_of(asked: argparse.Namespace) -> LocalBackbone:
    """The base model. Raises SystemExit: it is not installed."""
    base = find_backbone(Backbone(name=asked.base), store_of(asked))
    if base is None:
        raise SystemExit(f"{asked.base} is not installed")
    return base


def chartunes(asked: argparse.Namespace, own: Mapping[str, Any]) -> Curve:
    """The stage as users run it."""
    began = time.process_time(), time.time()
    return points(finetune(stage_of(asked, own), store_of(asked)), began)


def points(run: Run, began: tuple[float, float]) -> Curve:
    """Evaluations of a run; its processor time is spread over them by the clock, since one thread does all."""
    whole, busy = time.time() - began[1], time.process_time() - began[0]
    events = run.events("auroc", "validation")
    return [((busy * (at.time - began[1]) / whole, at.time - began[1]), at.value) for at in events]


def as_coded(asked: argparse.Namespace, rate: float) -> Curve:
    """Peft's LoRA and the library's own classifier, as the public code has them: one loop, padded, all scored."""
    table = table_of(asked)
    began, again = (time.process_time(), time.perf_counter()), 0.0
    model, rows = classifier(asked), tokens_of(asked, table)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate)
    factor = warmed(asked.epochs * -(-len(rows["train"][1]) // BATCH))
    schedule: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    curve: Curve = []
    for epoch in range(asked.epochs):
        trained(model, rows["train"], optimizer, schedule, epoch)
        started = time.process_time()
        scored(model, rows["train"])
        again += time.process_time() - started
        score = float(auroc(rows["validation"][1].numpy() == 1, scored(model, rows["validation"])))
        curve.append(((time.process_time() - began[0], time.perf_counter() - began[1], again), score))
    return curve


def warmed(steps: int) -> Callable[[int], float]:
    """Linear warm-up, then linear decay: the share of the peak rate at a step."""
    rising = max(1, round(WARMUP * steps))
    return lambda step: min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def classifier(asked: argparse.Namespace) -> Any:
    """As `AutoModelForSequenceClassification` and peft's defaults give it; fp32, dropout as shipped."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    base = base_of(asked)
    torch.manual_seed(0)
    model: Any = AutoModelForSequenceClassification.from_pretrained(base.folder, num_labels=2, dtype=torch.float32)
    model.config.pad_token_id = padding_of(load_tokenizer(base))
    if asked.what == "head":
        for name, weight in model.named_parameters():
            weight.requires_grad_(name.startswith(("classifier", "score")))
        return model
    return get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.1))


def by_length(asked: argparse.Namespace) -> None:
    """Print how much faster texts are read by length than in the order of the data."""
    with tempfile.TemporaryDirectory() as place:
        asked.place = place
        store_of(asked).open()
        model, resolved = lora_on(base_of(asked))
        for name, notes in {"log-normal lengths": drawn(), **open_notes(asked)}.items():
            print(f"{name}: {len(notes.encoded)} notes cut at {CUT} tokens, mean {notes.encoded.lengths.mean():.0f}")
            for rows in (32, rows_within(reading_budget("cpu", resolved.precision), CUT)):
                ratios = []
                for _ in range(ROUNDS):
                    fast = timed(lambda: logits_of(model, notes, resolved))  # noqa: B023
                    ratios.append(timed(lambda: in_order(model, notes, resolved, rows)) / fast)  # noqa: B023
                print(f"  by length {median(ratios):.2f} × as fast as batches of {rows} neighbours", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Processor seconds of doing it once."""
    started = time.process_time()
    work()
    return time.process_time() - started


def in_order(model: Any, notes: Examples, resolved: Resolved, rows: int) -> None:
    """Read batches of neighbours in the data, each padded to its longest."""
    with reading(model, resolved) as body:
        for batch in np.array_split(np.arange(len(notes.encoded)), -(-len(notes.encoded) // rows)):
            model.pooled(**notes.tokens(batch), body=body)


def drawn() -> Examples:
    """Random tokens in log-normal lengths, as those of charts are, then cut."""
    random = np.random.default_rng(0)
    lengths = random.lognormal(np.log(MEAN) - SPREAD**2 / 2, SPREAD, NOTES).round().clip(SHORTEST, CUT).astype(np.int64)
    return examples(random.integers(1000, 20_000, lengths.sum(), dtype=np.int32), lengths)


def open_notes(asked: argparse.Namespace) -> dict[str, Examples]:
    """Notes of MTSamples in the order of its file, where the open data are at hand."""
    file = Path(os.environ.get("CHARTUNE_TEST_DATA", "../shared/data")) / "mtsamples" / "mtsamples.jsonl.gz"
    if not file.is_file():
        print(f"open notes are left out: there is no {file}")
        return {}
    texts = pl.read_ndjson(gzip.decompress(file.read_bytes()))["text"].head(NOTES).to_list()
    encoded = encode(texts, load_tokenizer(base_of(asked)), CUT)
    return {"MTSamples": examples(np.asarray(encoded.ids), encoded.lengths)}


def examples(ids: NDArray[np.int32], lengths: NDArray[np.int64]) -> Examples:
    """Notes that are only read. ids: [ΣT]; lengths: [n]."""
    offsets, count = np.cumsum([0, *lengths], dtype=np.int64), len(lengths)
    encoded = Encoded(ids, offsets, np.zeros(count, dtype=np.int32), lengths == CUT)
    return Examples(encoded, np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.float32), 0)


Rows = tuple[dict[str, Tensor], Tensor]
"""input_ids and attention_mask, [n, T], and labels, [n]."""


def tokens_of(asked: argparse.Namespace, table: TaskTable) -> dict[str, Rows]:
    """Both splits, padded to the longest that is allowed."""
    tokenizer, rows = load_tokenizer(base_of(asked)), {}
    for split in ("train", "validation"):
        encoded = encode(table.frame[table.rows(split)]["text"].to_list(), tokenizer, asked.tokens)
        ids = torch.full((len(encoded), asked.tokens), padding_of(tokenizer))
        mask = torch.zeros_like(ids)
        for at in range(len(encoded)):
            ids[at, : len(encoded[at])] = torch.from_numpy(encoded[at].astype(np.int64))
            mask[at, : len(encoded[at])] = 1
        rows[split] = (
            {"input_ids": ids, "attention_mask": mask},
            torch.from_numpy(np.asarray(table.labels(split))).long(),
        )
    return rows


def trained(model: Any, rows: Rows, optimizer: Any, schedule: Any, epoch: int) -> None:
    """One epoch with the class weights of the recipe, batches in random order."""
    tokens, labels = rows
    counts = torch.bincount(labels, minlength=2)
    loss = nn.CrossEntropyLoss(weight=len(labels) / (2 * counts))
    model.train()
    for batch in torch.randperm(len(labels), generator=torch.Generator().manual_seed(epoch)).split(BATCH):  # type: ignore[no-untyped-call]
        loss(model(**{name: part[batch] for name, part in tokens.items()}).logits, labels[batch]).backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def scored(model: Any, rows: Rows) -> NDArray[np.float64]:
    """Log odds of each row, [n], in batches as those of training."""
    model.eval()
    out = []
    with torch.no_grad():
        for batch in torch.arange(len(rows[1])).split(BATCH):  # type: ignore[no-untyped-call]
            logits = model(**{name: part[batch] for name, part in rows[0].items()}).logits
            out.append(logits[:, 1] - logits[:, 0])
    return torch.cat(out).double().numpy()


RECIPE: Final[Mapping[str, Any]] = {
    "balance": "classes",
    "optimisation": {"learning_rate": RATE, "head_learning_rate": RATE, "batch_size": BATCH, "warmup_fraction": WARMUP},
}  # fmt: skip
OWN: Final[Mapping[str, Any]] = {
    "head": {"start": "probe"}, "optimisation": {"learning_rate": OWN_RATE, "head_learning_rate": OWN_RATE}
}  # fmt: skip


def lasting(asked: argparse.Namespace, own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for so many epochs."""
    return {**own, "optimisation": {**own["optimisation"], "duration": {"value": asked.epochs}}}


WAYS: Final[Mapping[str, Callable[[argparse.Namespace], Any]]] = {
    AS_CODED: lambda asked: as_coded(asked, RATE),
    AT_OUR_RATE: lambda asked: as_coded(asked, OWN_RATE),
    "its own recipe": lambda asked: chartunes(asked, lasting(asked, RECIPE)),
    "chartune": lambda asked: chartunes(asked, lasting(asked, OWN)),
}


if __name__ == "__main__":
    main()
