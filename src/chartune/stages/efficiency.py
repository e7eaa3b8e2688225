"""Efficiency: what a finished training measures of itself, in about a second.

lengths, steps ─formula─▶ operations, in all and to the best          texts ─read─▶ rate, peak memory, latency
folder ─read─▶ seconds to add the task to a deployed base
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from chartune.adapters.adapter import read_adapter
from chartune.adapters.virtual_tokens import VirtualTokens
from chartune.batches.budgets import reading_budget
from chartune.batches.collate import Examples, length_groups
from chartune.models.flops import Sizes, of_reading, of_training, sizes_of
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier
from chartune.prediction.reading import reading
from chartune.runs.efficiency import Efficiency
from chartune.runs.record import HEAD_FILE, layer_folders
from chartune.stages.assembly import Model
from chartune.stages.inputs import Inputs
from chartune.train.checkpoint import State
from chartune.train.meter import PeakMemory

SAMPLE: Final = 64
"""Texts that are read, at most."""
SECONDS: Final = 0.4
"""After which no further text is begun: of each of the three measurements."""
SINGLE: Final = 9
"""Texts that are read one by one, at most; three at least."""
LEAST: Final = 3


def measured(model: Model, examples: dict[str, Examples], inputs: Inputs, state: State, folder: Path) -> Efficiency:
    """What fine-tuning records of its efficiency.

    Args:
        model: with the weights that were kept.
        examples: by split; operations are those of `train`, read are those of `validation`.
        inputs: base model and numerics.
        state: where training ended.
        folder: of the run, with its weights.
    """
    sizes, lengths = sizes_of_model(model), examples["train"].encoded.lengths
    if model.attached.stack.trains_body():
        flops = (of_training(sizes, lengths, state.tokens), of_training(sizes, lengths, state.best_tokens))
    else:  # each text is read once, whatever the head does with its vector
        flops = (of_reading(sizes, lengths),) * 2
    timed = Efficiency(
        **trained(state, inputs), flops=flops[0], best_flops=flops[1], adding_seconds=_adding(model, folder)
    )
    if not isinstance(model.reader, Classifier):
        return timed
    known = _read(model.reader, examples["validation"], inputs.resolved, timed)
    return known.but(epoch_seconds=_epoch(model, examples["train"], state, known))


def trained(state: State, inputs: Inputs) -> dict[str, Any]:
    """What any training records: fields of `Efficiency`."""
    base = inputs.base.weights
    return {
        "best_seconds": state.best_seconds, "best_tokens": state.best_tokens,
        "base_bytes": sum(path.stat().st_size for path in base) or None,
    }  # fmt: skip


def _epoch(model: Model, train: Examples, state: State, known: Efficiency) -> float | None:
    """Seconds of an epoch; None: there was no training step."""
    trains, texts = model.attached.stack.trains_body(), len(train.encoded)
    epochs = state.tokens / max(1, int(train.encoded.lengths.sum()) if trains else texts)
    if not epochs:
        return None
    read = 0.0 if trains else texts / (known.texts_per_second or float("inf"))
    return state.train_seconds / epochs + read


def sizes_of_model(model: Model) -> Sizes:
    """Of a body with its layers, what the formula of operations needs."""
    attached = model.attached
    layers = attached.counts()
    added = sum(method.tokens for _, method, _ in attached.placed() if isinstance(method, VirtualTokens))
    learning = -1 if attached.stack.trains_all() else sum(learns for _, _, learns in layers)
    return sizes_of(attached.module, sum(count for _, count, _ in layers), learning, added)


def _adding(model: Model, folder: Path) -> float:
    """Seconds to read what the run keeps of its model."""
    started = time.perf_counter()
    for path in layer_folders(model.attached.states):
        read_adapter(folder / path).tensors()
    for file in (folder / HEAD_FILE, *sorted((folder / "model").glob("*.safetensors"))):
        load_file(file)
    return time.perf_counter() - started


def _read(model: Classifier, examples: Examples, numerics: Resolved, known: Efficiency) -> Efficiency:
    """Rate, peak memory and latency of reading texts."""
    some = np.unique(np.linspace(0, len(examples.encoded) - 1, SAMPLE).astype(np.int64))
    lengths = examples.encoded.lengths[some]
    device = next(model.parameters()).device
    groups = length_groups(lengths, reading_budget(device.type, numerics.precision))
    with PeakMemory() as memory, _ready(model, examples, numerics, device) as read:
        read(some[groups[-1]])
        seconds, done = _timed(lambda group: read(some[group]), groups, 1)
    rows = np.concatenate(groups[: len(done)])
    unmerged = replace(numerics, reading="as-trained")
    with _ready(model, examples, unmerged, device) as read:
        beside = _latency(read, some)
    with _ready(model, examples, numerics, device) as read:
        inside = _latency(read, some)
    return known.but(
        reading_seconds=seconds, reading_texts=len(rows), reading_tokens=int(lengths[rows].sum()),
        reading_peak_bytes=memory.bytes, latency_seconds=inside, latency_unmerged_seconds=beside,
    )  # fmt: skip


Read = Callable[[NDArray[np.int64]], None]


@contextmanager
def _ready(model: Classifier, examples: Examples, numerics: Resolved, device: torch.device) -> Iterator[Read]:
    """Meanwhile the function that takes some texts from tokens to logits."""
    with reading(model, numerics) as body:

        def read(rows: NDArray[np.int64]) -> None:
            batch = {name: tensor.to(device) for name, tensor in examples.tokens(rows).items()}
            model.head(model.pooled(**batch, body=body)).cpu()  # waits for a GPU

        yield read


def _timed(read: Read, groups: list[NDArray[np.int64]], least: int) -> tuple[float, list[float]]:
    """Seconds of reading some groups until the time is up: in all, and of each."""
    taken: list[float] = []
    for group in groups:
        if len(taken) >= least and sum(taken) >= SECONDS:
            break
        started = time.perf_counter()
        read(group)
        taken.append(time.perf_counter() - started)
    return sum(taken), taken


def _latency(read: Read, rows: NDArray[np.int64]) -> float:
    """Median seconds of a text by itself; the first one, which sets things up, is not counted."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, SINGLE).astype(np.int64))]
    singles = [chosen[n : n + 1] for n in range(len(chosen))]
    read(singles[0])
    return float(np.median(_timed(read, singles, LEAST)[1]))
