"""IA3: vectors that rescale keys, values and what feed-forward parts end with."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from peft import IA3Config, TaskType
from torch import Tensor, nn

from chartune.adapters.injected import Injected, all_matrices, chosen, must_target, shortened, stores_transposed
from chartune.adapters.method import ROOT, selects
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, matrix_shape
from chartune.models.weights import Header


class IA3(Injected):
    """(IA)³: keys, values and inputs of the last feed-forward matrices are rescaled (Liu et al., 2022, 2205.05638).

    k ↦ l_k⊙k, v ↦ l_v⊙v, x ↦ l_ff⊙x (§3.3). Starts as the identity: l = 1. Learning rates up to 1e-2 suit it.
    """

    kind: Literal["ia3"] = "ia3"
    idle: ClassVar[str] = "every vector is 1"
    outputs: Literal["key-value"] | tuple[str, ...] = "key-value"
    """Matrices whose output is rescaled: key and value projections, as published (a fused projection whole), or by name
    as `targets` of a LoRA."""
    inputs: Literal["feed-forward"] | tuple[str, ...] = "feed-forward"
    """Matrices whose input is rescaled: the last ones of the feed-forward parts, as published, or by name."""

    @property
    def reads_matrices(self) -> bool:
        """False: it scales what goes into a matrix or comes out of it."""
        return False

    @property
    def decays(self) -> bool:
        """False: 1, and not 0, leaves the body as it is."""
        return False

    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> IA3Config:
        """The peft config, with its targets as short as they stay unambiguous."""
        outputs, inputs = self._outputs(anatomy), self._inputs(anatomy)
        first = shortened(outputs, body) if self.outputs == "key-value" else outputs
        last = shortened(inputs, body) if self.inputs == "feed-forward" else inputs
        return IA3Config(
            task_type=TaskType.FEATURE_EXTRACTION, target_modules=[*first, *last], feedforward_modules=list(last),
            fan_in_fan_out=stores_transposed(body),
        )  # fmt: skip

    def shapes(self, body: nn.Module, anatomy: Anatomy) -> dict[str, tuple[int, ...]]:
        """A vector [d_out, 1] per rescaled output and [1, d_in] per rescaled input."""
        outputs, inputs = self._outputs(anatomy), self._inputs(anatomy)
        shapes: dict[str, tuple[int, ...]] = {}
        for name in all_matrices(body):
            d_out, d_in = matrix_shape(body.get_submodule(name))
            if any(selects(target, name) for target in inputs):
                shapes[f"{ROOT}{name}.ia3_l"] = (1, d_in)
            elif any(selects(target, name) for target in outputs):
                shapes[f"{ROOT}{name}.ia3_l"] = (d_out, 1)
        return shapes

    def title(self) -> str:
        """`IA3`."""
        return "IA3"

    def must_suit(self, body: nn.Module, anatomy: Anatomy, whose: str) -> None:
        """Refuse targets that the body has no matrix for; peft would pass over them silently."""
        for wanted, targets in ((self.outputs, self._outputs(anatomy)), (self.inputs, self._inputs(anatomy))):
            if wanted:
                must_target(targets, whose, body, anatomy)

    def must_hold(self, headers: Mapping[str, Header], path: Path) -> None:
        """Refuse what is not a vector for each matrix."""
        for name, header in headers.items():
            if not name.endswith(".ia3_l") or len(header.shape) != 2 or 1 not in header.shape:
                raise AdapterError(
                    f"an IA3 must hold one vector per matrix and nothing else, but {path} holds {ascii(name)[:120]} of "
                    f"shape {list(header.shape)}; ask its author to save it again."
                )

    def changes(self, name: str, tensor: Tensor) -> bool:
        """Only a vector that is not 1 everywhere."""
        return bool((tensor != 1).any())

    def _outputs(self, anatomy: Anatomy) -> tuple[str, ...]:
        return chosen(anatomy, (*anatomy.key, *anatomy.value)) if self.outputs == "key-value" else self.outputs

    def _inputs(self, anatomy: Anatomy) -> tuple[str, ...]:
        return anatomy.feed_forward_outputs if self.inputs == "feed-forward" else self.inputs
