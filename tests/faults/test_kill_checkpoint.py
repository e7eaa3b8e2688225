"""A process that dies at any moment of writing a checkpoint leaves the one before it, or the new one, whole."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chartune.errors import StoreError
from chartune.train.checkpoint import State, load_checkpoint, save_checkpoint, trainable

TOUCHES = frozenset({"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod"})
"""What Python says of itself (`sys.addaudithook`) before it touches a file."""


def model_of(value: float) -> nn.Module:
    model = nn.Linear(3, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


def saved(folder: Path, step: int) -> None:
    """A checkpoint whose weights are the number of its step."""
    model = model_of(step)
    optimizer = torch.optim.AdamW(model.parameters())
    best = {name: parameter.detach() for name, parameter in model.named_parameters()}
    save_checkpoint(folder, State(step=step), model, optimizer, best)


def dying_at(touch: int, act: Callable[[], None]) -> bool:
    """Do something in a process of its own that dies before its n-th touch of a file. Returns whether it did."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = [touch]

    def die(event: str, _: Any) -> None:
        if event in TOUCHES:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)

    sys.addaudithook(die)
    try:
        act()
    finally:
        os._exit(0)


@pytest.mark.parametrize("file", ["trainable.safetensors", "best.safetensors", "manifest.json", "step-00000002"])
def test_a_disk_that_is_full_leaves_the_checkpoints_before_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    saved(tmp_path, 1)
    replace = os.replace

    def full(aside: Path, path: Path) -> None:
        if path.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        replace(aside, path)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left on device; free some space"):
        saved(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_of_two_checkpoints_one_is_whole_whenever_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a process dies here, and no machine
    seen: list[int] = []
    for step in (1, 2, 3):
        saved(tmp_path / "before", step)
    for touch in range(200):
        folder = shutil.copytree(tmp_path / "before", tmp_path / str(touch))
        died = dying_at(touch, lambda folder=folder: saved(folder, 4))  # type: ignore[misc]
        model = model_of(0.0)
        loaded = load_checkpoint(folder, model, torch.optim.AdamW(model.parameters()))
        assert loaded is not None
        state, best, _ = loaded
        assert best is not None
        tensors = torch.cat([tensor.flatten() for tensor in (*trainable(model).values(), *best.values())])
        assert tensors.tolist() == [state.step] * len(tensors)
        saved(folder, 5)  # and the next attempt is not in its way
        seen.append(state.step)
        if not died:
            break
    assert not died
    assert len(seen) > 20
    assert set(seen) == {3, 4}
    assert seen == sorted(seen)
