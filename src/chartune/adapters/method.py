"""Method: the numbers of one published way of adapting a model, and how its layer is put into a body; no weights.

    attach ─▶ a layer of that name in the body      state ─▶ its tensors, under stock peft's file names ─▶ restore

A new method is one file with a subclass and one line in `adapters.catalog`; a method whose layers peft can put beside
matrices is a subclass of `Injected`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import prod
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import SerializeAsAny
from torch import Tensor, nn

from chartune.adapters.catalog import METHODS, REFUSED, method_class
from chartune.adapters.low_rank import LowRank
from chartune.adapters.regime import Regime
from chartune.config import Config
from chartune.kinds import Kinds
from chartune.models.anatomy import Anatomy
from chartune.models.weights import Header

ROOT = "base_model.model."
"""What stock peft puts before the name of every tensor that belongs to a module of the body."""


class Method(Config, ABC):
    """Base of all methods: a value with a `kind`."""

    kind: str
    """What it goes by."""

    starts_as_identity: ClassVar[bool] = True
    """Whether a fresh layer leaves hidden states as they are."""
    trains_all: ClassVar[bool] = False
    """Whether every weight of the body moves; then it stands alone, and the model is kept instead of an adapter."""
    lengthens_sequence: ClassVar[bool] = False
    """Whether hidden states come back for virtual tokens, too, before those of the text."""
    unmergeable: ClassVar[str] = "it does not say how a body's own weights could hold it"
    """Why a layer cannot become a part of the body's weights (`merge`); empty: it can."""
    idle: ClassVar[str] = "all its weights are as they started"
    """What is true of a layer that changes nothing."""

    @abstractmethod
    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Put a fresh layer into a body, in place, above those that it has; its weights are fp32.

        Args:
            body: the headless model, on any device.
            anatomy: where the body, without layers, keeps its parts.
            name: of the layer; a part of the names of all its parameters.
        """

    @abstractmethod
    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that it keeps, by the names in its file; `body` has no layers yet."""

    @abstractmethod
    def title(self) -> str:
        """What to call it in a table."""

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> Any:
        """The peft config that lets stock peft read its file; None where peft cannot."""

    def misread_by_peft(self, body: nn.Module, anatomy: Anatomy) -> str:
        """Why stock peft does something else with its file on such a body; empty: it does the same."""
        return "" if self.to_peft(body, anatomy) is not None else "stock peft does not know it"

    def merge(self, body: nn.Module, name: str) -> None:
        """Make a layer a part of the weights of a body, in place; those below it were merged before.

        Only of a method that is not `unmergeable`.
        """

    def count(self, body: nn.Module, anatomy: Anatomy) -> int:
        """Trainable parameters that it adds to `body`, by formula; the head is not counted."""
        return sum(prod(shape) for shape in self.shapes(body, anatomy).values())

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse a body that cannot carry it.

        Args:
            body: without layers.
            anatomy: of that body.
            whose: how a message calls what is attached.

        Raises:
            AdapterError: the body lacks what the method adapts.
        """

    def composes_with(self, below: "Method") -> str | None:
        """Why it cannot stand above another layer, or None."""
        return "every weight below it moves" if below.trains_all or self.trains_all else None

    @property
    def decays(self) -> bool:
        """Whether weight decay may pull its weights to 0: not where another number leaves the body as it is."""
        return True

    @property
    def reads_matrices(self) -> bool:
        """Whether it computes with the numbers of the base's own matrices, so that these cannot be quantised."""
        return False

    @property
    def compiles(self) -> bool:
        """Whether `numerics.compile: auto` compiles blocks with its layers.

        Loss and gradients were compared with those of plain blocks, and differed by rounding alone.
        """
        return False

    @property
    def positions_taken(self) -> int:
        """Positions of the body that the text can no longer have."""
        return 0

    @property
    def start_text(self) -> str:
        """A text at whose tokens it begins (`begin`); empty: it begins without."""
        return ""

    def begin(self, body: nn.Module, name: str, ids: Sequence[int]) -> None:
        """Start a fresh layer where its numbers depend on those of the body.

        Args:
            body: with the layer; its weights are read.
            name: of the layer.
            ids: of the tokens of `start_text`.
        """

    def rate_ratio(self, parameter: str) -> float:
        """By what the learning rate of a parameter that it owns is multiplied."""
        return 1.0

    def regime(self, body: nn.Module, name: str, steps: int) -> Regime:
        """What it asks of a training of so many optimizer steps. Raises AdapterError: those are too few."""
        return Regime()

    def as_kept(self) -> "Method":
        """The method of its file: another one where the file holds less than what has learnt."""
        return self

    def still(self) -> "Method":
        """The method as a fixed function: nothing random in its forward pass."""
        return self

    def owns(self, parameter: str, name: str) -> bool:
        """Whether a parameter of a body belongs to the layer `name`."""
        return name in parameter.split(".")

    def file_name(self, parameter: str, name: str) -> str:
        """What stock peft calls a parameter of the layer `name` in its file."""
        return ROOT + ".".join(part for part in parameter.split(".") if part not in (name, "base_layer"))

    def state(self, body: nn.Module, name: str) -> dict[str, Tensor]:
        """The weights of a layer, by the names in its file."""
        return {
            self.file_name(parameter, name): tensor.detach()
            for parameter, tensor in body.named_parameters()
            if self.owns(parameter, name)
        }

    def restore(self, body: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Put the weights of its file, all of which fit, into a layer."""
        with torch.no_grad():
            for parameter, tensor in body.named_parameters():
                if self.owns(parameter, name):
                    tensor.copy_(tensors[self.file_name(parameter, name)])

    def is_active(self, body: nn.Module, name: str) -> bool:
        """Whether a layer is in the forward pass."""
        return any(self.owns(parameter, name) for parameter, _ in body.named_parameters())

    def switched_off(self, body: nn.Module, name: str) -> AbstractContextManager[None] | None:
        """Meanwhile a layer is not in the forward pass, and the others are; None: it cannot be taken out."""
        return None

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Refuse a file whose tensors are not those of such a method; the names, types and sizes are plain.

        Raises:
            AdapterError: what is wrong with them.
        """

    def low_rank(self, tensors: Mapping[str, Tensor]) -> dict[str, LowRank] | None:
        """What the tensors of its file add to each matrix, by the matrix's name; None: it is more than a sum.

        Layers of this kind can stand beside one matrix for some rows of a batch and not for others.
        """
        return None

    def changes(self, name: str, tensor: Tensor) -> bool:
        """Whether a tensor of its file moves hidden states, judged by itself."""
        return True

    def is_idle(self, changing: Mapping[str, bool], path: Path) -> bool:
        """Whether a layer changes nothing.

        Args:
            changing: what `changes` says of each tensor of its file.
            path: of that file.

        Raises:
            AdapterError: so it is, and no training could change that.
        """
        return not any(changing.values())


AnyMethod = Annotated[SerializeAsAny[Method], Kinds(METHODS, method_class, REFUSED)]
"""One of the catalog."""


@contextmanager
def without(name: str, holders: Iterable[nn.ModuleDict]) -> Iterator[None]:
    """Meanwhile modules that hold something for each layer do not hold that of one; then all is in its old order."""
    before = [(holder._modules, dict(holder._modules)) for holder in holders]
    try:
        for now, _ in before:
            now.pop(name, None)
        yield
    finally:
        for now, kept in before:
            now.clear()
            now.update(kept)


def endings(names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The shortest ends of module names that select just `names`, as peft reads a list of targets.

    Args:
        names: full names.
        others: names that must not be selected; those in `names` are passed over.
    """
    left = set(others) - set(names)
    shortest: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        ends = (".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
        shortest[next(end for end in ends if not any(selects(end, other) for other in left))] = None
    return tuple(shortest)


def selects(target: str, name: str) -> bool:
    """Whether a target means a matrix, by its whole name or the end of it, as peft reads a list of targets."""
    return name == target or name.endswith("." + target)
