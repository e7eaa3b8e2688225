"""Adapters that an attacker, or an accident, has left in the folder of a run: each must be refused by whoever loads it.

A variant is a copy of a finished run with one thing wrong, signed again as by somebody who can; or unsigned.
"""

import json
import random
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from chartune.adapters.adapter import LINEAGE, WEIGHTS
from chartune.runs.record import HEAD_FILE
from chartune.testing.signing import sign_again
from chartune.writing import write_json

Tensors = dict[str, Tensor]


def attacked(run: Path, to: Path, kind: str, seed: int) -> Path:
    """A copy of the folder of a run with one thing wrong.

    Args:
        run: a finished run with a LoRA.
        to: gets the copy, in a store of its own.
        kind: one of `ATTACKS`.
        seed: where it is wrong. Every fourth variant is not signed again.
    """
    folder = to / "runs" / run.name
    shutil.copytree(run, folder)
    ATTACKS[kind](folder, random.Random(seed))
    if seed % 4 != 3:
        sign_again(folder)
    return folder


def _top(folder: Path) -> Path:
    """The layer that the task has learnt."""
    return sorted(file.parent for file in (folder / "adapter").rglob(WEIGHTS))[-1]


def _changed(file: Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    save_file(change(tensors), file)


def _renamed(folder: Path, chance: random.Random) -> None:
    old, new = chance.choice([("base_model.model.", ""), ("base_model.", "module."), (".lora_A.", ".lora_a."),
                              ("lora_A.weight", "lora_A.default.weight"), ("layer", "block")])  # fmt: skip
    every = chance.random() < 0.5

    def change(tensors: Tensors) -> Tensors:
        names = sorted(name for name in tensors if old in name)
        moved = set(names if every else names[:1])
        return {name.replace(old, new, 1) if name in moved else name: each for name, each in tensors.items()}

    _changed(_top(folder) / WEIGHTS, change)


def _missing(folder: Path, chance: random.Random) -> None:
    def change(tensors: Tensors) -> Tensors:
        matrix = chance.choice(sorted(tensors)).partition(".lora_")[0]
        lost = {name for name in tensors if name.startswith(f"{matrix}.lora_")}
        lost = lost if chance.random() < 0.7 else {sorted(lost)[0]}
        return {name: each for name, each in tensors.items() if name not in lost}

    _changed(_top(folder) / WEIGHTS, change)


def _swapped_head(folder: Path, chance: random.Random) -> None:
    labels, width = chance.choice([2, 2, 3, 40]), chance.choice([0, 0, 8, -8])

    def change(tensors: Tensors) -> Tensors:
        held = tensors["linear.weight"].shape[1] + width
        made = {"linear.weight": torch.randn(labels, held), "linear.bias": torch.randn(labels)}
        return made if chance.random() < 0.7 else {f"classifier.{name}": each for name, each in made.items()}

    _changed(folder / HEAD_FILE, change)


def _wrong_base(folder: Path, chance: random.Random) -> None:
    other = f"{chance.getrandbits(256):064x}"
    lineage = _top(folder) / LINEAGE
    about = json.loads(lineage.read_text())
    about["base"]["content_hash"] = other
    write_json(lineage, about)
    if chance.random() < 0.5:
        record = json.loads((folder / "run.json").read_text())
        record["backbone"]["content_hash"] = other
        write_json(folder / "run.json", record)


def _weights(folder: Path, chance: random.Random) -> Path:
    return chance.choice([_top(folder) / WEIGHTS, folder / HEAD_FILE])


def _truncated(folder: Path, chance: random.Random) -> None:
    file = _weights(folder, chance)
    data = file.read_bytes()
    file.write_bytes(data[: chance.randrange(len(data))])


def _no_number(folder: Path, chance: random.Random) -> None:
    value = chance.choice([float("nan"), float("inf"), float("-inf")])

    def change(tensors: Tensors) -> Tensors:
        flat = tensors[chance.choice(sorted(tensors))].view(-1)
        flat[chance.randrange(len(flat))] = value
        return tensors

    _changed(_weights(folder, chance), change)


def _huge_header(folder: Path, chance: random.Random) -> None:
    file = _weights(folder, chance)
    data = bytearray(file.read_bytes())
    if chance.random() < 0.5:
        data[:8] = struct.pack("<Q", chance.choice([2**63, 2**40, 200_000_000, len(data)]))
        file.write_bytes(bytes(data))
        return
    size = chance.choice([2**60, 10**9])
    name = "base_model.model.x" * chance.choice([1, 1000])
    header = json.dumps({name: {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 64)


def _without_effect(folder: Path, chance: random.Random) -> None:
    factor, side = chance.choice([0.0, 1e-30, 1e-12]), chance.choice("AB")
    _changed(
        _top(folder) / WEIGHTS,
        lambda tensors: {name: each * factor if f".lora_{side}." in name else each for name, each in tensors.items()},
    )


ATTACKS: Final[Mapping[str, Callable[[Path, random.Random], None]]] = {
    "renamed prefix": _renamed, "missing layer": _missing, "swapped head": _swapped_head, "wrong base": _wrong_base,
    "truncated": _truncated, "no number": _no_number, "huge header": _huge_header, "without effect": _without_effect,
}  # fmt: skip
