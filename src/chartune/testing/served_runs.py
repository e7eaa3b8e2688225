"""Runs that a bank serves: small, on one random twin, of several forms of answer and ways of adapting."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.adapters.lora import LoRA
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune, finetune
from chartune.store import Store
from chartune.testing.adapted import kept
from chartune.testing.own_corpora import write_conll
from chartune.testing.text_pairs import paired_twin, write_pairs

WORDS: Final = ("septic", "afebrile", "stable", "fall", "stroke", "pain", "of", "the")
SHORT: Final = ("conll", "pairs")
"""Tasks on annotated corpora."""
LAYERS: Final[Mapping[str, tuple[str, tuple[str, ...], Mapping[str, Any] | None]]] = {
    "lora": ("binary", ("frozen",), {"rank": 3, "targets": "attention"}),
    "rslora": ("multiclass", ("frozen",), {"rank": 4, "scaling": "rank-stabilised"}),
    "pissa": ("multilabel", ("frozen",), {"rank": 2, "start": "pissa"}),
    "head only": ("binary", ("frozen",), None),
    "second head": ("multiclass", ("frozen",), None),
    "own clinical": ("binary", ("trainable",), {"rank": 2}),
    "no clinical": ("multiclass", (), {"rank": 5}),
    "dora": ("binary", (), {"rank": 2, "decomposed": True}),
    "spans": ("conll", ("frozen",), {"rank": 2}),
    "pairs": ("pairs", ("frozen",), {"rank": 2}),
}
"""Name → its answer or corpus, what becomes of the clinical adapter, and its own LoRA; None: only a head learns."""


SOME: Final = ("lora", "rslora", "own clinical", "head only", "second head", "dora", "pairs")
"""Those that ordinary tests share."""


@dataclass(frozen=True)
class Served:
    """Runs on one base model, in a store of their own; not to be changed."""

    store: Store
    base: LocalBackbone
    runs: dict[str, Run]


def served(folder: Path) -> Served:
    """The runs of `SOME`, on a twin of BERT. folder: gets all of it."""
    base, store = paired_twin(folder / "base", "bert"), Store(folder / "store").open()
    return Served(store, base, served_runs(store, base, folder, *SOME))


def notes(count: int, seed: int, longest: int = 40) -> list[str]:
    """Texts of a few words of different lengths."""
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randint(2, longest))) for _ in range(count)]


def served_runs(
    store: Store, base: LocalBackbone, folder: Path, *names: str, precision: str = "fp32"
) -> dict[str, Run]:
    """Some of the runs of `LAYERS`, by name, on a clinical adapter that most of them share.

    Args:
        store: gets them.
        base: a twin.
        folder: gets raw data and the clinical adapter.
        names: which.
        precision: in which they are trained.
    """
    clinical = folder / "clinical"
    if not clinical.exists():
        kept(clinical, base, LoRA(rank=2, alpha=1, targets="all-linear"))  # as large as the matrices, not larger
    return {name: _run(store, base, folder, name, precision) for name in names}


def _run(store: Store, base: LocalBackbone, folder: Path, name: str, precision: str) -> Run:
    answer, below, own = LAYERS[name]
    layers: list[dict[str, Any]] = [{"kind": state, "adapter": str(folder / "clinical")} for state in below]
    layers += [] if own is None else [{"kind": "fresh", "method": {"kind": "lora", **own}}]
    asked = {
        "data": _data(folder, answer), "backbone": {"name": str(base.folder)}, "name": name,
        "stack": {"layers": layers}, "max_seq_len": 40 if answer == "pairs" else 24,
        "numerics": {"precision": precision},
        "long": {"kind": "windows", "most": 3} if answer == "multilabel" else {"kind": "first"},
        "optimisation": {"duration": {"value": 3, "unit": "steps"}, "learning_rate": 1e-2, "batch_size": 8},
    }  # fmt: skip
    return finetune(Finetune.parse(asked), store)


def _data(folder: Path, answer: str) -> dict[str, Any]:
    if answer in SHORT:
        raw = folder / answer
        if not raw.exists():
            (write_conll if answer == "conll" else write_pairs)(raw)
        return {"source": {"kind": answer, "folder": str(raw)}, "near_copies": None}
    texts = notes(60, seed=5, longest=16)
    known = [sorted({word for word in text.split() if word in WORDS[:3]}) for text in texts]
    labels = {
        "binary": ["died" if "septic" in each else "survived" for each in known],
        "multilabel": [";".join(each) for each in known],
        "multiclass": [WORDS[WORDS.index(text.split()[0]) % 3] for text in texts],
    }[answer]
    file = folder / f"{answer}.csv"
    pl.DataFrame({"subject_id": range(60), "text": texts, "label": labels}).write_csv(file)
    source = {"kind": "tabular", "file": str(file), "separator": ";" if answer == "multilabel" else None}
    return {"source": source, "tasks": [{"kind": "labels", "answer": answer}]}
