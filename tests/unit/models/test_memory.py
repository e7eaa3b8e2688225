"""Memory that runs out is said as such, in every verb, and never taken for damage of a file."""

from errno import EACCES, ENOMEM
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from chartune.errors import AdapterError, RunError
from chartune.models.backbone import LocalBackbone
from chartune.models.foreign import reading
from chartune.models.load import load_body
from chartune.stages.exported import load_export
from chartune.stages.exporting import export
from chartune.stages.loading import load
from chartune.testing.twins import EXACT

EXHAUSTED = (
    MemoryError(), torch.OutOfMemoryError(), OSError(ENOMEM, "Cannot allocate memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
)  # fmt: skip


@pytest.mark.parametrize("error", EXHAUSTED, ids=lambda error: type(error).__name__)
def test_a_file_is_not_called_damaged_when_memory_runs_out(
    llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("chartune.models.load._get_model_class", Mock(side_effect=error))
    with pytest.raises(MemoryError) as caught:
        load_body(llama, EXACT)
    assert caught.value.__cause__ is None


def test_another_error_of_the_system_is_still_one_of_the_file() -> None:
    with pytest.raises(AdapterError, match="PermissionError; look"), reading("safetensors", "x must load", "look"):
        raise PermissionError(EACCES, "Permission denied")


@pytest.mark.parametrize(("verb", "first"), [
    (load, "loading.store_of"), (load_export, "exported._backbone"), (export, "exporting.placed"),
])  # fmt: skip
def test_a_run_that_does_not_fit_into_memory_when_it_is_used_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, verb: Any, first: str
) -> None:
    for error in (MemoryError(), RuntimeError("CUDA error: out of memory")):
        monkeypatch.setattr(f"chartune.stages.{first}", Mock(side_effect=error))
        with pytest.raises(RunError, match=r"must fit into memory, .* smaller base model"):
            verb(Mock(), Mock(), *([Path("x")] if verb is export else []))
