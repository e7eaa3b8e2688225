"""What this machine can do for training: measured, not guessed."""

from importlib.metadata import version
from typing import Any, Final

import torch

from chartune.errors import ChartuneError
from chartune.models.backbone import Backbone, find_backbone
from chartune.models.catalog import catalog
from chartune.models.numerics import Numerics, resolve
from chartune.planning.rates import matmul_rate
from chartune.stages.facts import PACKAGES
from chartune.store import Store
from chartune.train.meter import device_name

_MULTIPLIED: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


def survey_machine(store: Store, benchmark: bool = False) -> dict[str, Any]:
    """Versions, device, the numerics that `auto` chooses, the base models at hand.

    Args:
        store: where base models are.
        benchmark: measure the rates of matrix products, too: seconds.
    """
    resolved = resolve(Numerics(), 256)
    return {
        "versions": {package: version(package) for package in PACKAGES},
        "device": {"name": device_name(), "kind": resolved.device, "threads": torch.get_num_threads()},
        **({"gflops": _rates(resolved.device)} if benchmark else {}),
        "numerics": {"precision": resolved.precision, "attention": resolved.attention, "why": resolved.reason},
        "base models": {name: _standing(name, store) for name in catalog},
    }


def _rates(device: str) -> dict[str, int]:
    return {name: round(matmul_rate(dtype, device) / 1e9) for name, dtype in _MULTIPLIED.items()}


def _standing(name: str, store: Store) -> str:
    try:
        local = find_backbone(Backbone(name=name), store)
    except ChartuneError as error:
        return f"not here: {error}"
    return f"ready, {local.content_hash[:12]}" if local else "will be made on first use"
