"""Methods that adapt matrices which a word stands for, or a list of names; so that all of them choose alike."""

from abc import abstractmethod
from typing import Annotated, Final, Literal

from pydantic import Field
from torch import nn

from chartune.adapters.injected import Injected, all_matrices, chosen, must_target, shortened
from chartune.adapters.method import ROOT, Method, selects
from chartune.models.anatomy import Anatomy, matrix_shape

Shapes = dict[str, tuple[int, ...]]
"""The name of a tensor → its shape."""

OWN_MATRICES: Final = (
    "what it learns is relative to the base's own matrices, which the layer below changes; export the run below with "
    "--merged and use that as the base model"
)
"""Why some methods cannot stand above a layer beside matrices."""


class Targeted(Injected):
    """A method whose layers stand beside some matrices of the body."""

    targets: Literal["attention", "all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all-linear"
    """`all-linear`: every matrix of a block; `attention`: query and value projections, as published; or the matrices
    by name, whole (`layers.0.mlp.up_proj`) or how their names end (`up_proj`)."""

    @abstractmethod
    def tensors(self, d_out: int, d_in: int) -> Shapes:
        """What it keeps of a matrix [d_out, d_in], by what stands behind the matrix's name in its file."""

    @property
    def needs_own_matrices(self) -> bool:
        """Whether what it learns is relative to the matrices as the base has them."""
        return False

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> Shapes:
        """`tensors` of every targeted matrix."""
        return {
            f"{ROOT}{name}.{tensor}": shape
            for name in self.matrices(body, anatomy)
            for tensor, shape in self.tensors(*matrix_shape(body.get_submodule(name))).items()
        }

    def composes_with(self, below: Method) -> str | None:
        """Above layers that change no matrix, where it is relative to the base's own."""
        alone = self.needs_own_matrices and isinstance(below, Injected)
        return OWN_MATRICES if alone else super().composes_with(below)

    def endings(self, body: nn.Module, anatomy: Anatomy) -> list[str]:
        """The targets as peft reads them, as short as they stay unambiguous."""
        names = self._named(anatomy)
        return list(shortened(names, body) if names else self.targets)

    def matrices(self, body: nn.Module, anatomy: Anatomy) -> list[str]:
        """Full names of the targeted matrices, in the order of the body."""
        targets = (*self._named(anatomy), *self._by_name())
        return [name for name in all_matrices(body) if any(selects(target, name) for target in targets)]

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse targets that the body has no matrix for; peft would pass over them silently."""
        must_target((*self._named(anatomy), *self._by_name()), whose, body, anatomy)

    def _by_name(self) -> tuple[str, ...]:
        return () if isinstance(self.targets, str) else self.targets

    def _named(self, anatomy: Anatomy) -> tuple[str, ...]:
        """Full names of the targets where a word stands for them."""
        if self.targets == "attention":
            return chosen(anatomy, (*anatomy.query, *anatomy.value))
        return anatomy.matrices if self.targets == "all-linear" else ()
