"""Bodies with layers, and what is done with them where a rule about methods is tested."""

import copy
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from chartune.adapters.adapter import read_adapter, write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import Method
from chartune.adapters.stack import AnyLayer, Attached, Fresh, Stack, attach
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.local import ModelFile
from chartune.models.readers import of_the_text
from chartune.testing.support import gap_of
from chartune.testing.twins import EXACT
from chartune.train.optimizer import Optimisation, make_optimizer

IDS: Final = torch.tensor([[5, 9, 22, 40, 7, 8, 301], [9, 9, 17, 60, 2, 2, 2]])
MASK: Final = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])
BESIDE: Final = LoRA(rank=2, targets="all-linear")
"""What a method is stacked with."""
STEPS: Final = 2
"""Of a short training."""


def hidden(module: nn.Module) -> Tensor:
    """Hidden states [B, T, D] in evaluation, 0 on padding."""
    module.eval()
    with torch.no_grad():
        states: Tensor = module(input_ids=IDS, attention_mask=MASK).last_hidden_state
    return of_the_text(states, IDS) * MASK[..., None]


def body_of(base: LocalBackbone) -> nn.Module:
    """A body with the base model's numbers, to be changed."""
    return copy.deepcopy(last_read(base))


_LAST: Final[dict[tuple[ModelFile, ...], nn.Module]] = {}
"""The body that was read last, by its files: a suite goes from base to base."""


def last_read(base: LocalBackbone) -> nn.Module:
    """A body with the base model's numbers, to be left as it is."""
    if base.files not in _LAST:
        _LAST.clear()
        _LAST[base.files] = load_body(base, EXACT).module
    return _LAST[base.files]


def stacked(base: LocalBackbone, *layers: AnyLayer) -> Attached:
    """A stack on a new body; trained layers are read from the folders that they name."""
    adapters = [None if isinstance(layer, Fresh) else read_adapter(Path(layer.adapter)) for layer in layers]
    return attach(Stack(layers=layers), body_of(base), adapters, seed=1)


def shaken(attached: Attached) -> Attached:
    """Move all that learns, so that it does something."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in attached.trainable().values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return attached


def kept(folder: Path, base: LocalBackbone, method: Method) -> Tensor:
    """A trained layer on disk; returns the hidden states that it makes."""
    attached = shaken(stacked(base, Fresh(method=method)))
    write_adapter(folder, attached.tensors(0), method, base, {"run": None, "state": "fresh"})
    return hidden(attached.module)


def backward(attached: Attached) -> None:
    """Gradients of the sum of squares of the text's hidden states."""
    attached.module.train()
    states = attached.module(input_ids=IDS, attention_mask=MASK).last_hidden_state
    loss: Tensor = (of_the_text(states, IDS) * MASK[..., None]).square().sum()
    loss.backward()  # type: ignore[no-untyped-call]


def optimizer_of(attached: Attached) -> AdamW:
    """Of all that learns."""
    return make_optimizer(
        attached.module, Optimisation(learning_rate=1e-2), attached.undecayed(), attached.rate_ratios()
    )


def one_step(attached: Attached, optimizer: AdamW) -> None:
    """One step, the same dropout each time."""
    torch.manual_seed(5)
    optimizer.zero_grad()
    backward(attached)
    optimizer.step()


def gap(base: LocalBackbone, method: Method) -> str | None:
    """Why a method cannot stand on a base model, as it says itself; None: it can."""
    return gap_of(last_read(base), method)
