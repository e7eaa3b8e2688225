"""What stands in for numbers where a body runs on tensors that have none."""

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode


class NoNumbers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers 0 (none, false) where a body asks for a number of a tensor that has none.

    Longformer asks whether any token attends globally.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and _has_no_number(args[0]):
            return 0
        return func(*args, **(kwargs or {}))


def _has_no_number(tensor: Tensor) -> bool:
    return tensor.constant is None if isinstance(tensor, FakeTensor) else tensor.is_meta
