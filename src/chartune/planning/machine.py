"""What this machine can do for training: measured, not guessed."""

import time
from importlib.metadata import version
from typing import Any, Final

import torch

from chartune.errors import ChartuneError
from chartune.models.backbone import Backbone, find_backbone
from chartune.models.catalog import catalog
from chartune.models.load import Numerics, resolve
from chartune.stages.stage import PACKAGES
from chartune.store import Store
from chartune.train.meter import device_name

REPEATS: Final = 20
"""Products that are timed."""
LONGEST: Final = 0.5
"""Seconds after which no further one is begun: without bf16 in hardware one takes as long as a hundred in fp32."""


def survey_machine(store: Store) -> dict[str, Any]:
    """Versions, device, measured matrix-product rates, the numerics that `auto` chooses, the base models at hand."""
    resolved = resolve(Numerics(), 256)
    return {
        "versions": {package: version(package) for package in PACKAGES},
        "device": {"name": device_name(), "kind": resolved.device, "threads": torch.get_num_threads()},
        "gflops": {"fp32": gflops(torch.float32, resolved.device), "bf16": gflops(torch.bfloat16, resolved.device)},
        "numerics": {"precision": resolved.precision, "attention": resolved.attention, "why": resolved.reason},
        "base models": {name: _standing(name, store) for name in catalog},
    }


def gflops(dtype: torch.dtype, device: str) -> int:
    """Measured rate of a matrix product of the size of a small model's layers, in 10⁹ operations per second."""
    a, b = (torch.randn(shape, device=device).to(dtype) for shape in ((1280, 512), (512, 1376)))
    product = a @ b
    done, started = 0, time.perf_counter()
    while done < REPEATS and time.perf_counter() - started < LONGEST:
        product = a @ b
        done += 1
    float(product[0, 0])  # waits for a GPU
    return round(2 * 1280 * 512 * 1376 * done / (time.perf_counter() - started) / 1e9)


def _standing(name: str, store: Store) -> str:
    try:
        local = find_backbone(Backbone(name=name), store)
    except ChartuneError as error:
        return f"not here: {error}"
    return f"ready, {local.content_hash[:12]}" if local else "will be made on first use"
