"""A store with made-up finished runs: what a report is tested on without training anything."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from chartune.log import Event
from chartune.metrics import binary_scores
from chartune.quantities import Cost, Estimate
from chartune.store import Store, write_json

DATA = "d0d0d0d0d0d0d0d0"
PRETRAIN, TFIDF, HEAD, LORA, CLINICAL, MINILM = (f"{n:x}" * 16 for n in range(1, 7))
BACKBONE = {"name": "small-llama", "family": "llama", "parameters": 5_245_184, "content_hash": "ab" * 32,
            "exposure": "trained from nothing on made-up notes"}  # fmt: skip
OTHER = {
    "name": "MiniLM-L6-v2",
    "family": "bert",
    "parameters": 22_713_216,
    "content_hash": "cd" * 32,
    "exposure": "public web text",
}
RANK8 = {"kind": "lora", "rank": 8, "alpha": 16, "dropout": 0.05, "targets": "attention"}


def past_runs(root: Path, source_kind: str = "made-up") -> Store:
    """One pretraining run, five variants, and the data they stand on."""
    store = Store(root).open()
    with store.writing("data", DATA) as folder:
        write_json(folder / "dataset.json", dataset(source_kind))
    _pretrain(store)
    backbone_of: list[tuple[str, str, str, dict[str, Any] | None, list[dict[str, Any]] | None, float]] = [
        (TFIDF, "tfidf", "TF-IDF + logistic regression", None, None, 1.25),
        (HEAD, "finetune", "Head only on small-llama", BACKBONE, [], 0.75),
        (LORA, "finetune", "LoRA on small-llama", BACKBONE, [_layer("fresh", RANK8)], 1.3),
        (CLINICAL, "finetune", "Clinical (frozen) + downstream LoRA", BACKBONE,
         [_layer("frozen", RANK8, PRETRAIN), _layer("fresh", RANK8)], 1.55),
        (MINILM, "finetune", "LoRA on MiniLM", OTHER, [_layer("fresh", RANK8)], 1.7),
    ]  # fmt: skip
    for fingerprint, kind, name, backbone, stack, strength in backbone_of:
        _finetune(store, fingerprint, kind, name, backbone, stack, strength)
    return store


def dataset(kind: str = "made-up") -> dict[str, Any]:
    """A `dataset.json` whose flow holds one small count."""
    title = "A made-up hospital, 1,500 patients" if kind == "made-up" else "MIMIC-III Clinical Database"
    steps = [
        ("all admissions", "every admission of the source", 1500, 1893, 4021),
        ("adults", "children are cared for and written about differently", 1412, 1790, 3806),
        ("one discharge summary", "without a summary there is nothing to read", 1398, 1761, 1761),
        ("outcome not told", "the chief complaint or illness tells that the patient died", 1394, 1755, 1755),
        ("not empty", "at least one section was known on arrival", 1394, 1755, 1755),
    ]
    return {
        "source": {
            "kind": "mimic3", "version": "1.4" if kind == "mimic3" else kind, "title": title, "licence": "CC0-1.0",
            "tables": {"NOTEEVENTS": {"file": "NOTEEVENTS.csv.gz", "bytes": 1, "sha256": "0", "rows": 4021}},
            "warnings": ["one table of the layout is missing; what needs it was left out"],
        },
        "splits": {"rule": {"kind": "hash"}, "counts": {"test": {"subjects": 330, "admissions": 400}}},
        "tasks": {"mortality": {
            "title": "In-hospital mortality", "who": "adults with a discharge summary", "when": "on admission",
            "seen": "eight sections of the summary that tell what was known on arrival",
            "asked": "Does the patient die during this stay?", "scored": "AUROC of P(died)",
            "citation": "van Aken et al., 2021, Clinical Outcome Prediction from Admission Notes (EACL)",
            "kind": "retrospective-text", "labels": ["survived", "died"], "attrition": _attrition(steps),
            "counts": {"train": {"subjects": 920, "admissions": 1150, "positives": 139},
                       "validation": {"subjects": 144, "admissions": 205, "positives": 24},
                       "test": {"subjects": 330, "admissions": 400, "positives": _rows(0)[0].sum().item()}},
        }},
        "corpus": {"title": "Adaptation text", "attrition": _attrition([
            ("notes of corpus and training patients", "no patient of a validation or test split", 1020, None, 2874),
            ("not a duplicate", "copied notes teach a model to copy", 1020, None, 2790),
        ]), "counts": {"train": {"subjects": 918, "documents": 2510, "words": 640_112},
                       "validation": {"subjects": 51, "documents": 140, "words": 35_480},
                       "test": {"subjects": 51, "documents": 140, "words": 36_007}}},
        "config": {}, "chartune": "0.1.0",
    }  # fmt: skip


def _attrition(steps: Sequence[tuple[str, str, int, int | None, int]]) -> list[dict[str, Any]]:
    rows, before = [], steps[0]
    for step in steps:
        rows.append({
            "step": step[0], "why": step[1], "subjects": step[2], "admissions": step[3], "notes": step[4],
            "removed_admissions": None if step[3] is None or before[3] is None else before[3] - step[3],
            "removed_notes": before[4] - step[4],
        })  # fmt: skip
        before = step
    return rows


def _rows(strength: float) -> tuple[Any, Any, Any, Any]:
    """Labels, logits, subjects and admissions of 400 test rows; the same patients and noise for every variant."""
    rng = np.random.default_rng(42)
    subjects = 71_000_000 + rng.integers(0, 330, 400)
    labels = (rng.random(400) < 0.12).astype(int)
    noise = rng.normal(size=400)
    own = np.random.default_rng(int(strength * 100)).normal(size=400)
    return labels, strength * labels + 0.8 * noise + 0.6 * own - 2.2, subjects, 72_000_000 + np.arange(400)


def _pretrain(store: Store) -> None:
    folder = store.partial("runs", PRETRAIN)
    test = {
        "perplexity_before": Estimate(14.62, 14.1, 15.2, 140),
        "perplexity": Estimate(6.31, 6.1, 6.5, 140),
        "unigram_perplexity": Estimate(211.4, n=140),
    }
    loss = [
        Event(s, "loss", 1.8 + 0.9 * float(np.exp(-s / 120)) + 0.04 * float(np.sin(s)), "train") for s in range(1, 601)
    ]
    held = [Event(s, "perplexity", 6.2 + 8.2 * float(np.exp(-s / 110)), "validation") for s in range(0, 601, 60)]
    about = _about("pretrain", "Clinical LoRA on small-llama", BACKBONE, [_layer("fresh", RANK8)], None)
    cost = Cost(412.0, 377.5, 1_310_000_000, 65_536, 5_310_720, 1_228_800, 267_264, "CPU, 2 threads")
    _write(folder, about, {"test": test}, cost, [*loss, *held])
    store.publish("runs", PRETRAIN, {"revision": 1})


def _finetune(store: Store, fingerprint: str, kind: str, name: str, backbone: dict[str, Any] | None,
              stack: list[dict[str, Any]] | None, strength: float) -> None:  # fmt: skip
    folder = store.partial("runs", fingerprint)
    labels, logits, subjects, admissions = _rows(strength)
    test = binary_scores(labels, logits, subjects, resamples=200)
    if fingerprint != HEAD:  # one variant whose oracle nobody has worked out
        test["oracle_auroc"] = Estimate(0.902, 0.86, 0.94, 400)
    pl.DataFrame({
        "split": ["test"] * 400, "subject_id": subjects, "hadm_id": admissions, "label": labels, "logit": logits,
        "probability": 1 / (1 + np.exp(-logits)),
    }).write_parquet(folder / "predictions.parquet")  # fmt: skip
    trained = {TFIDF: 8_412, HEAD: 257, LORA: 33_025, CLINICAL: 33_025, MINILM: 147_841}[fingerprint]
    if kind == "tfidf":
        cost, events = Cost(3.2, None, 900_000_000, trained, None, None, trained * 8, "CPU, 2 threads"), []
    else:
        parameters = (backbone or {})["parameters"] + trained
        seconds = 95 + 40 * strength
        cost = Cost(seconds, 81.0, 900_000_000, trained, parameters, 442_000, trained * 4, "CPU, 2 threads")
        events = _finetune_events(strength, test["auroc"].value - 0.5)
    _write(folder, _about(kind, name, backbone, stack, "mortality"), {"test": test}, cost, events)
    store.publish("runs", fingerprint, {"revision": 1})


def _finetune_events(strength: float, rise: float) -> list[Event]:
    steps, looks = np.arange(1, 289), np.arange(36, 289, 36)
    losses = 0.45 + 0.3 * np.exp(-steps / 60) + 0.02 * strength * np.cos(steps)
    aurocs = 0.5 + rise * (1 - np.exp(-looks / 80))
    train = [Event(int(s), "loss", float(v), "train") for s, v in zip(steps, losses, strict=True)]
    return train + [Event(int(s), "auroc", float(v), "validation") for s, v in zip(looks, aurocs, strict=True)]


def _about(kind: str, name: str, backbone: dict[str, Any] | None, stack: list[dict[str, Any]] | None,
           task: str | None) -> dict[str, Any]:  # fmt: skip
    return {
        "kind": kind, "name": name, "task": task, "data": DATA,
        "source": {"kind": "made-up", "title": "A made-up hospital"},
        "backbone": backbone, "stack": stack, "parents": [layer["run"] for layer in stack or [] if layer["run"]],
        "max_seq_len": None if backbone is None else 256, "truncated_fraction": None if backbone is None else 0.183,
        "seed": 0, "started": "2026-03-01T08:00:00+00:00", "finished": "2026-03-01T08:07:00+00:00", "resumed": 0,
    }  # fmt: skip


def _layer(state: str, method: dict[str, Any], run: str | None = None) -> dict[str, Any]:
    return {"state": state, "method": method, "run": run, "sha256": "ef" * 32 if run else None}


def _write(
    folder: Path, about: dict[str, Any], scores: dict[str, dict[str, Estimate]], cost: Cost, events: list[Event]
) -> None:
    write_json(folder / "run.json", about)
    write_json(folder / "scores.json", {s: {n: e.to_json() for n, e in m.items()} for s, m in scores.items()})
    write_json(folder / "cost.json", cost.to_json())
    write_json(folder / "environment.json", {
        "chartune": "0.1.0", "python": "3.11.9", "torch": "2.11.0", "transformers": "5.20.1", "peft": "0.21.0",
        "platform": "Linux x86_64", "cpu": "a CPU with AVX-512", "threads": 2, "device": "cpu", "precision": "float32",
        "attention": "sdpa", "precision_reason": "bfloat16 was measured slower on this CPU",
        "switches": {"preset": "sound", "first_128_tokens": False, "pooling_on_pad": False},
    })  # fmt: skip
    (folder / "stage.yaml").write_text(yaml.safe_dump({"kind": about["kind"], "seed": 0}))
    (folder / "events.jsonl").write_text("".join(json.dumps(asdict(event)) + "\n" for event in events))
