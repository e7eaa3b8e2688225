"""A store with made-up finished runs: what a report is tested on without training anything.

One pretraining run; five variants of a yes-or-no task, one of them with three seeds; four of a multilabel task.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from chartune.answers import ANY_OF, BINARY
from chartune.log import Event
from chartune.quantities import Cost, Estimate
from chartune.runs.nll import NLL
from chartune.store import Store, write_json
from chartune.testing import past_data
from chartune.testing.past_data import CODES, DISEASES, LABELS

DATA = "d0d0d0d0d0d0d0d0"
PRETRAIN, TFIDF, HEAD, LORA, CLINICAL, MINILM = (f"{n:x}" * 16 for n in range(1, 7))
LORA_SEED_1, LORA_SEED_2 = "a" * 16, "b" * 16
CODED_TFIDF, CODED_HEAD, CODED_LORA, CODED_CLINICAL = (sign * 16 for sign in "789e")
TRAINED = {TFIDF: 8_412, HEAD: 257, LORA: 33_025, LORA_SEED_1: 33_025, LORA_SEED_2: 33_025, CLINICAL: 33_025,
           MINILM: 147_841, CODED_TFIDF: 252_360, CODED_HEAD: 7_710, CODED_LORA: 40_478,
           CODED_CLINICAL: 40_478}  # fmt: skip
BACKBONE = {"name": "small-llama", "family": "llama", "parameters": 5_245_184, "content_hash": "ab" * 32,
            "licence": "MIT", "exposure": "trained from nothing on made-up notes"}  # fmt: skip
OTHER = {"name": "MiniLM-L6-v2", "family": "bert", "parameters": 22_713_216, "content_hash": "cd" * 32,
         "licence": "Apache-2.0", "exposure": "public web text"}  # fmt: skip
RANK8 = {"kind": "lora", "rank": 8, "alpha": 16, "dropout": 0.05, "targets": "attention"}
ROWS = 400
WATCHED, WATCHED_POSITIVES = 205, 24
"""Validation rows of the yes-or-no task, and those with the outcome."""

Layers = list[dict[str, Any]] | None


def past_runs(root: Path, source_kind: str = "made-up") -> Store:
    """The runs, and the data they stand on.

    Args:
        root: of the store to be.
        source_kind: `made-up`, or `mimic3` for what a report must hide of real patients.
    """
    store = _adapted(root, source_kind)
    fresh, clinical = [_layer("fresh", RANK8)], [_layer("frozen", RANK8, PRETRAIN), _layer("fresh", RANK8)]
    binary: list[tuple[str, str, dict[str, Any] | None, Layers, float, int]] = [
        (TFIDF, "TF-IDF + logistic regression", None, None, 1.25, 0),
        (HEAD, "Head only on small-llama", BACKBONE, [], 0.75, 0),
        (LORA, "LoRA on small-llama", BACKBONE, fresh, 1.3, 0),
        (LORA_SEED_1, "LoRA on small-llama", BACKBONE, fresh, 1.42, 1),
        (LORA_SEED_2, "LoRA on small-llama", BACKBONE, fresh, 1.21, 2),
        (CLINICAL, "Clinical (frozen) + downstream LoRA", BACKBONE, clinical, 1.55, 0),
        (MINILM, "LoRA on MiniLM", OTHER, fresh, 1.7, 0),
    ]
    for fingerprint, name, backbone, stack, strength, seed in binary:
        about = _about(name, backbone, stack, "mortality", BINARY.kind, source_kind, seed)
        scores, rows = _binary(strength, oracle=fingerprint != HEAD)  # one variant whose oracle nobody has worked out
        _finished(store, fingerprint, about, scores, rows, strength)
    coded: list[tuple[str, str, dict[str, Any] | None, Layers, float]] = [
        (CODED_TFIDF, "TF-IDF + logistic regression", None, None, 0.9),
        (CODED_HEAD, "Head only on small-llama", BACKBONE, [], 0.45),
        (CODED_LORA, "LoRA on small-llama", BACKBONE, fresh, 1.0),
        (CODED_CLINICAL, "Clinical (frozen) + downstream LoRA", BACKBONE, clinical, 1.3),
    ]
    for fingerprint, name, backbone, stack, strength in coded:
        about = _about(name, backbone, stack, "diagnoses_icd9", ANY_OF.kind, source_kind)
        scores, rows, labels = _multilabel(strength)
        _finished(store, fingerprint, about, scores, rows, strength, labels)
    return store


def two_runs(root: Path, source_kind: str = "made-up") -> Store:
    """Of them the pretraining run and `LORA` alone, without intervals, which take seconds; arguments as `past_runs`."""
    store = _adapted(root, source_kind)
    about = _about("LoRA on small-llama", BACKBONE, [_layer("fresh", RANK8)], "mortality", BINARY.kind, source_kind)
    _finished(store, LORA, about, {"auroc": Estimate(0.82, n=ROWS)}, _watched(1.3), 1.3)
    return store


def _adapted(root: Path, source_kind: str) -> Store:
    store = Store(root).open()
    store.obtain("data", DATA, lambda folder: write_json(folder / "dataset.json", dataset(source_kind)), {})
    _pretrain(store, source_kind)
    return store


def dataset(kind: str = "made-up") -> dict[str, Any]:
    """A `dataset.json` whose flow holds one small count."""
    return past_data.dataset(kind, int(_patients()[0].sum()), int(_coded()[0].sum()))


@cache
def _patients() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Outcomes, noise that all variants share, and subjects of the test rows."""
    rng = np.random.default_rng(42)
    subjects = 71_000_000 + rng.integers(0, 330, ROWS)
    return (rng.random(ROWS) < 0.12).astype(np.int64), rng.normal(size=ROWS), subjects


@cache
def _coded() -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels and noise that all variants share, both [n, L]; rare labels have a handful of cases."""
    rng = np.random.default_rng(7)
    return rng.random((ROWS, LABELS)) < 0.4 * 0.88 ** np.arange(LABELS), rng.normal(size=(ROWS, LABELS))


def _keys() -> pl.DataFrame:
    return pl.DataFrame(
        {"split": ["test"] * ROWS, "subject_id": _patients()[2], "hadm_id": 72_000_000 + np.arange(ROWS)}
    )


@cache
def _binary(strength: float, *, oracle: bool) -> tuple[dict[str, Estimate], pl.DataFrame]:
    scores, rows = _binary_scored(strength)
    return scores | ({"oracle_auroc": Estimate(0.902, 0.86, 0.94, ROWS)} if oracle else {}), rows


@cache
def _binary_scored(strength: float) -> tuple[dict[str, Estimate], pl.DataFrame]:
    labels, noise, subjects = _patients()
    own = np.random.default_rng(int(strength * 100)).normal(size=ROWS)
    logits = strength * labels + 0.8 * noise + 0.6 * own - 2.2
    scores, _ = BINARY.score(labels, logits, subjects, resamples=200)
    rows = _keys().with_columns(
        pl.Series("label", labels), pl.Series("logit", logits), pl.Series("probability", 1 / (1 + np.exp(-logits)))
    )
    return scores, pl.concat([rows, _watched(strength)])


def _watched(strength: float) -> pl.DataFrame:
    """Validation rows of the yes-or-no task: what thresholds are chosen on."""
    rng = np.random.default_rng(int(strength * 1000))
    labels = (np.arange(WATCHED) < WATCHED_POSITIVES).astype(np.int64)
    logits = strength * labels + rng.normal(size=WATCHED) - 2.2
    return pl.DataFrame({
        "split": ["validation"] * WATCHED, "subject_id": 73_000_000 + np.arange(WATCHED) % 144,
        "hadm_id": 74_000_000 + np.arange(WATCHED), "label": labels, "logit": logits,
        "probability": 1 / (1 + np.exp(-logits)),
    })  # fmt: skip


@cache
def _multilabel(strength: float) -> tuple[dict[str, Estimate], pl.DataFrame, pl.DataFrame]:
    labels, noise = _coded()
    own = np.random.default_rng(int(strength * 100)).normal(size=labels.shape)
    logits = strength * labels + 0.7 * noise + 0.7 * own - 2
    train_cases = np.maximum(3, (1147 * 0.4 * 0.88 ** np.arange(LABELS)).astype(np.int64) - 9)
    scores, each = ANY_OF.score(labels, logits, _patients()[2], train_cases >= 10, resamples=200)
    rows = _keys().with_columns(
        pl.Series("label", [np.flatnonzero(row).tolist() for row in labels], dtype=pl.List(pl.Int32)),
        pl.Series("logits", logits.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
    )
    per_label = pl.DataFrame({
        "label": CODES, "title": DISEASES, "train_cases": train_cases, "cases": labels.sum(axis=0),
        "auroc": [e and e.value for e in each], "auroc_low": [e and e.low for e in each],
        "auroc_high": [e and e.high for e in each],
    })  # fmt: skip
    return scores, rows, per_label.sort("label")


def _pretrain(store: Store, source_kind: str) -> None:
    test = {
        "perplexity_before": Estimate(14.62, n=41_210),
        "perplexity": Estimate(6.31, n=41_210),
        "unigram_perplexity": Estimate(211.4, n=41_210),
    }
    loss = [
        Event(s, "loss", 1.8 + 0.9 * float(np.exp(-s / 120)) + 0.04 * float(np.sin(s)), "train") for s in range(1, 601)
    ]
    held = [Event(s, "perplexity", 6.2 + 8.2 * float(np.exp(-s / 110)), "validation") for s in range(0, 601, 60)]
    about = _about("Clinical LoRA on small-llama", BACKBONE, [_layer("fresh", RANK8)], None, None, source_kind)
    about |= {"planned": {"seconds": 380.0, "peak_bytes": 1_150_000_000, "trainable_parameters": 65_536}}
    cost = Cost(412.0, 377.5, 1_310_000_000, 65_536, 5_310_720, 1_228_800, 267_264, "CPU, 2 threads")
    _write(store, PRETRAIN, about, {"test": test}, cost, [*loss, *held])


def adapted(
    store: Store, fingerprint: str, name: str, rows: pl.DataFrame, scores: Mapping[str, Mapping[str, Estimate]],
    source_kind: str = "made-up",
) -> None:  # fmt: skip
    """A pretraining run that keeps nats by patient (`chartune.runs.nll`)."""
    about = _about(name, BACKBONE, [_layer("fresh", RANK8)], None, None, source_kind)
    rows.write_parquet(store.partial("runs", fingerprint) / NLL)
    _write(store, fingerprint, about, scores, Cost(), [])


def _finished(
    store: Store, fingerprint: str, about: dict[str, Any], scores: dict[str, Estimate], rows: pl.DataFrame,
    strength: float, labels: pl.DataFrame | None = None,
) -> None:  # fmt: skip
    folder, trained = store.partial("runs", fingerprint), TRAINED[fingerprint]
    rows.write_parquet(folder / "predictions.parquet")
    if labels is not None:
        labels.write_parquet(folder / "per_label.parquet")
    if about["kind"] == "tfidf":
        about["strength"] = 10.0
        cost, events = Cost(3.2, None, 900_000_000, trained, None, None, trained * 8, "CPU, 2 threads"), []
    else:
        parameters = about["backbone"]["parameters"] + trained
        cost = Cost(95 + 40 * strength, 81.0, 900_000_000, trained, parameters, 442_000, trained * 4, "CPU, 2 threads")
        about["planned"] = {"seconds": 140.0, "peak_bytes": 1_000_000_000, "trainable_parameters": trained}
        events = _finetune_events(strength, scores["auroc"].value - 0.5)
    _write(store, fingerprint, about, {"test": scores}, cost, events)


def varied(
    store: Store, fingerprint: str, name: str, strength: float, stage: Mapping[str, Any], method: Mapping[str, Any],
    *, seed: int = 0, test: bool = True, source_kind: str = "made-up",
    trained_in: str | None = None,
) -> None:  # fmt: skip
    """A run of the yes-or-no task on `BACKBONE`, of a study that varies its settings.

    Args:
        store: with the data of `past_runs`.
        fingerprint: of the run.
        name: of it.
        strength: how well it tells outcomes apart.
        stage: fields of its stage.
        method: of its one fresh layer.
        seed: of it.
        test: whether its test split is scored.
        source_kind: as of `past_runs`.
        trained_in: the run whose weights it has.
    """
    about = {"trained_in": trained_in} if trained_in else {}
    about |= _about(name, BACKBONE, [_layer("fresh", dict(method))], "mortality", BINARY.kind, source_kind, seed)
    scores, rows = _binary(strength, oracle=False)
    rows = rows if test else rows.filter(pl.col("split") == "validation")
    watched = {"validation": {"auroc": Estimate(scores["auroc"].value - 0.01, n=WATCHED)}}
    rows.write_parquet(store.partial("runs", fingerprint) / "predictions.parquet")
    cost = Cost(60.0, 50.0, 900_000_000, 33_025, 5_278_209, 442_000, 132_100, "CPU, 2 threads")
    _write(store, fingerprint, about, ({"test": scores} if test else {}) | watched, cost, [], stage)


def _finetune_events(strength: float, rise: float) -> list[Event]:
    steps, evaluations = np.arange(1, 289), np.arange(36, 289, 36)
    losses = 0.45 + 0.3 * np.exp(-steps / 60) + 0.02 * strength * np.cos(steps)
    aurocs = 0.5 + rise * (1 - np.exp(-evaluations / 80))
    train = [Event(int(s), "loss", float(v), "train") for s, v in zip(steps, losses, strict=True)]
    return train + [Event(int(s), "auroc", float(v), "validation") for s, v in zip(evaluations, aurocs, strict=True)]


def _about(
    name: str, backbone: dict[str, Any] | None, stack: Layers, task: str | None, answer: str | None,
    source_kind: str, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    source = past_data.source(source_kind)
    return {
        "kind": "pretrain" if task is None else "finetune" if backbone else "tfidf", "name": name, "task": task,
        "answer": answer, "data": DATA, "source": {field: source[field] for field in ("kind", "version", "title")},
        "backbone": backbone, "stack": stack, "parents": [layer["run"] for layer in stack or [] if layer["run"]],
        "max_seq_len": None if backbone is None else 256, "truncated_fraction": None if backbone is None else 0.183,
        "seed": seed, "started": "2026-03-01T08:00:00+00:00", "finished": "2026-03-01T08:07:00+00:00", "resumed": 0,
    }  # fmt: skip


def _layer(state: str, method: dict[str, Any], run: str | None = None) -> dict[str, Any]:
    return {"state": state, "method": method, "run": run, "sha256": "ef" * 32 if run else None}


def _write(
    store: Store, fingerprint: str, about: dict[str, Any], scores: Mapping[str, Mapping[str, Estimate]], cost: Cost,
    events: Sequence[Event], stage: Mapping[str, Any] = MappingProxyType({}),
) -> None:  # fmt: skip
    folder = store.partial("runs", fingerprint)
    write_json(folder / "run.json", about)
    write_json(folder / "scores.json", {s: {n: e.to_json() for n, e in m.items()} for s, m in scores.items()})
    write_json(folder / "cost.json", cost.to_json())
    write_json(folder / "environment.json", {
        "chartune": "0.1.0", "python": "3.11.9", "torch": "2.11.0", "transformers": "5.20.1", "peft": "0.21.0",
        "platform": "Linux x86_64", "cpu": "a CPU with AVX-512", "threads": 2, "device": "cpu", "precision": "float32",
        "attention": "sdpa", "precision_reason": "bfloat16 was measured slower on this CPU",
        "switches": {"preset": "sound", "first_128_tokens": False, "pooling_on_pad": False},
    })  # fmt: skip
    (folder / "stage.yaml").write_text(yaml.safe_dump({"kind": about["kind"], "seed": about["seed"], **stage}))
    (folder / "events.jsonl").write_text("".join(json.dumps(asdict(event)) + "\n" for event in events))
    store.publish("runs", fingerprint, {"revision": 1})
