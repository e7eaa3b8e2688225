"""A base model's own dropout, wherever its architecture keeps it, switched off."""

import copy
import inspect
import re
from functools import lru_cache
from typing import Any

from torch import nn
from transformers import PreTrainedModel


def without_dropout(body: nn.Module) -> None:
    """The base's own dropout is off, under full training too: on a CPU it costs four times the time at T = 512."""
    for module in body.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in [name for name, value in vars(module).items() if isinstance(value, float) and "drop" in name]:
            setattr(module, name, 0.0)
        kind: Any = type(module)
        if _reads_dropout(kind):
            module.config = _quiet(module.config)


@lru_cache(maxsize=1024)
def _reads_dropout(kind: Any) -> bool:
    """Whether a block asks its config for the dropout each time it runs, as Falcon's do."""
    if not kind.__module__.startswith("transformers.") or issubclass(kind, PreTrainedModel):
        return False
    return bool(re.search(r"self\.config\.\w*drop", inspect.getsource(kind.forward)))


def _quiet(config: Any) -> Any:
    """A copy without dropout, for one block: the model's own config is what is saved."""
    quiet = copy.copy(config)
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(quiet, name, 0.0)
    return quiet
