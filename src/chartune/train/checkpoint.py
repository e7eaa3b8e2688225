"""Checkpoints: everything that the next step depends on, as safetensors and JSON, written aside and signed last.

    checkpoints/step-00000120/   trainable, best, optimizer, memory (.safetensors), state.json, manifest.json

A checkpoint whose manifest does not verify does not count: the one before it is taken. Order and dropout are pure
functions of (seed, step), so no generator state has to be kept.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from chartune.errors import RunError
from chartune.models.weights import write_tensors
from chartune.store import MANIFEST, sha256, storing, write_json

log = logging.getLogger(__name__)

STATE: Final = "state.json"
MEMORY: Final = "memory.safetensors"
NEEDED: Final = frozenset({"trainable.safetensors", "optimizer.safetensors", STATE})
"""Files without which there is no checkpoint; `best.safetensors` comes with the first evaluation, `memory.safetensors`
with a method that has one."""
KEPT: Final = 2
"""Checkpoints on disk: the newest and one to fall back on."""
Tensors = dict[str, Tensor]


@dataclass
class State:
    """Where training stands, apart from tensors."""

    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Training tokens seen."""
    seconds: float = 0.0
    """Wall time of all attempts so far."""
    earlier_seconds: float = 0.0
    """That of the attempts before this one, as far as the last checkpoint knew."""
    train_seconds: float = 0.0
    """Wall time in training steps."""
    best_score: float | None = None
    """Best validation score so far; higher is better."""
    best_step: int = 0
    """When it was reached."""
    best_seconds: float = 0.0
    """`seconds` by then, its evaluation included."""
    best_tokens: int = 0
    """`tokens` by then."""
    bad: int = 0
    """Evaluations since then."""
    micro_batch_tokens: int = 0
    """In force, halvings included."""
    loss_scale: float = 1.0
    """What the loss is multiplied by before the backward pass, in fp16."""
    scaled_steps: int = 0
    """Steps since it has changed."""
    resumed: int = 0
    """How often the run was taken up again."""
    unevaluated: bool = False
    """Whether the evaluation that follows this step is still to be made: it was broken off."""

    @property
    def facts(self) -> dict[str, int]:
        """What run.json records of it."""
        return {"best_step": self.best_step, "micro_batch_tokens": self.micro_batch_tokens}


def save_checkpoint(
    folder: Path, state: State, model: nn.Module, optimizer: Optimizer, best: Tensors | None,
    memory: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Write a checkpoint atomically and drop the oldest.

    Args:
        folder: holds all checkpoints of the run.
        state: where training stands.
        model: its trainable parameters are saved by name.
        optimizer: its state is saved by the names of the parameters.
        best: the best weights so far, by name; None before the first evaluation.
        memory: what its layers must keep beside their weights.

    Raises:
        StoreError: the disk is full, and earlier checkpoints stay intact; or the run's folder has vanished.
    """
    aside, final = folder / f".step-{state.step:08d}.tmp", folder / f"step-{state.step:08d}"
    with storing(folder, every=True):
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(mode=0o700)
            write_tensors(aside / "trainable.safetensors", trainable(model))
            write_tensors(aside / "optimizer.safetensors", _optimizer_tensors(model, optimizer))
            if best is not None:
                write_tensors(aside / "best.safetensors", best)
            if memory:
                write_tensors(aside / MEMORY, {name: tensor.detach().cpu() for name, tensor in memory.items()})
            write_json(aside / STATE, asdict(state))
            write_json(aside / MANIFEST, {file.name: sha256(file) for file in sorted(aside.iterdir())})
            shutil.rmtree(final, ignore_errors=True)
            os.replace(aside, final)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        for old in _checkpoints(folder)[:-KEPT]:
            shutil.rmtree(old)


def load_checkpoint(
    folder: Path, model: nn.Module, optimizer: Optimizer
) -> tuple[State, Tensors | None, Tensors] | None:
    """Put the newest whole checkpoint back in place.

    Returns:
        the state, the best weights so far and the memory of the layers, or None when there is no checkpoint.

    Raises:
        RunError: there are checkpoints, but none is whole, or the newest belongs to another model.
    """
    folders = _checkpoints(folder)
    for path in reversed(folders):
        state = _state(path)
        if state is None:
            log.warning("checkpoint %s is damaged; the one before it is taken", path.name)
            continue
        restore(model, load_file(path / "trainable.safetensors"), str(path))
        _restore_optimizer(model, optimizer, load_file(path / "optimizer.safetensors"))
        best, memory = (
            load_file(path / name) if (path / name).exists() else None for name in ("best.safetensors", MEMORY)
        )
        return state, best, memory or {}
    if folders:
        raise RunError(
            f"a run must be resumed from a whole checkpoint, but all {len(folders)} in {folder} are damaged; "
            f"remove {folder.parent} to start again from nothing."
        )
    return None


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that learn, by name; copies on the CPU."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}


def restore(model: nn.Module, tensors: dict[str, Tensor], place: str) -> None:
    """Copy saved weights into the parameters that learn.

    Raises:
        RunError: names or shapes are not the same.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    needed, held = ({name: tuple(t.shape) for name, t in side.items()} for side in (parameters, tensors))
    if differing := sorted({name for name, _ in needed.items() ^ held.items()}):
        raise RunError(
            f"a checkpoint must hold exactly the weights that learn, in their shapes, but {place} differs in "
            f"{len(differing)} of them, such as {ascii(differing[0])[1:-1][:120]}: it is of another model; remove it "
            f"to start again from nothing."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def _state(path: Path) -> State | None:
    """Where training stood; None: the checkpoint is not whole, or not as it was signed."""
    try:
        hashes = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        names = {file.name for file in path.iterdir()} - {MANIFEST}
        if not isinstance(hashes, dict) or hashes.keys() != names or not names >= NEEDED:
            return None
        if any(sha256(path / name) != expected for name, expected in hashes.items()):
            return None
        return TypeAdapter(State).validate_json((path / STATE).read_bytes(), strict=True)
    except (OSError, ValueError, RecursionError):
        return None


def _optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        f"{key}/{names[id(p)]}": torch.as_tensor(value)
        for p, values in optimizer.state.items() for key, value in values.items()
    }  # fmt: skip


def _restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    state: dict[Tensor, dict[str, Any]] = {}
    for path, tensor in tensors.items():
        key, _, name = path.partition("/")
        parameter = parameters[name]
        state.setdefault(parameter, {})[key] = tensor if key == "step" else tensor.to(parameter.device)
    optimizer.state.update(state)
