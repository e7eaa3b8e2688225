"""Methods whose layers peft puts beside the matrices of a body, in place and without a wrapper around it.

    body.…q_proj ─inject─▶ tuner layer(base_layer, layer0) ─inject─▶ the same with layer1, or a layer around it

peft lets the layer that came last be the only active one, and its switches turn frozen layers on again; so after each
injection all layers are made active in their order, and what learns is set by the stack, at the end.
"""

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from peft import inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chartune.adapters.method import Method, endings, selects
from chartune.errors import AdapterError
from chartune.models.anatomy import Anatomy, is_matrix


class Injected(Method):
    """A method that is a peft config; a subclass says which (`to_peft`), and the shapes of what it keeps."""

    unmergeable: ClassVar[str] = ""

    @property
    def reads_matrices(self) -> bool:
        """True of most methods; those that do without the base's numbers say so."""
        return True

    @property
    def compiles(self) -> bool:
        """Where it does without the numbers of the base's matrices, as it was compared with plain blocks."""
        return not self.reads_matrices

    @abstractmethod
    def to_peft(self, body: nn.Module, anatomy: Anatomy) -> Any:
        """The peft config; `FEATURE_EXTRACTION`, because the headless body is adapted."""

    def injected(self, body: nn.Module, anatomy: Anatomy) -> Any:
        """The peft config of its layers while they are in a body; that of its file by default."""
        return self.to_peft(body, anatomy)

    def attach(self, body: nn.Module, anatomy: Anatomy, name: str) -> None:
        """Inject, and leave every layer active."""
        before = [active for layer in tuner_layers(body)[:1] for active in layer.active_adapters]
        with warnings.catch_warnings():
            # peft 0.21 still asks transformers 5.23 by a deprecated name; nothing that a user could fix.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            unreal = any(parameter.is_meta for parameter in body.parameters())
            inject_adapter_in_model(self.injected(body, anatomy), body, adapter_name=name, low_cpu_mem_usage=unreal)
        for parameter, tensor in body.named_parameters():
            if self.owns(parameter, name):
                tensor.data = tensor.data.float()  # peft makes them of the type of the matrix, which may be bf16
        del body.peft_config  # else the next injection would take this one for a part of itself
        active = [*before, name]
        for layer in tuner_layers(body):
            if layer.active_adapters != active:
                layer.set_adapter(active)

    def merge(self, body: nn.Module, name: str) -> None:
        """As peft's layers do it; one whose layers are all merged gives its place back to the matrix."""
        layers = [(place, module) for place, module in body.named_modules() if isinstance(module, BaseTunerLayer)]
        for place, layer in layers:
            every = set(layer._all_available_adapter_names())
            if name in every:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="Already following adapters were merged")  # those below
                    layer.merge(adapter_names=[name])
            if every <= set(layer.merged_adapters):
                body.set_submodule(place, layer.base_layer)

    def is_active(self, body: nn.Module, name: str) -> bool:
        """Whether all tuner layers that hold it use it."""
        holding = tuner_layers(body, name)
        return bool(holding) and all(
            name in layer.active_adapters and not layer.disable_adapters and not layer.merged for layer in holding
        )

    def switched_off(self, body: nn.Module, name: str) -> AbstractContextManager[None]:
        """Without the gradient switches of peft."""
        return _inactive(tuner_layers(body), name)


@contextmanager
def _inactive(layers: Sequence[Any], name: str) -> Iterator[None]:
    """Meanwhile tuner layers, one around another or alone, leave out a layer of the stack."""
    before = [layer._active_adapter for layer in layers]
    try:
        for layer in layers:
            layer._active_adapter = [active for active in layer.active_adapters if active != name]
        yield
    finally:
        for layer, active in zip(layers, before, strict=True):
            layer._active_adapter = active


def tuner_layers(body: nn.Module, name: str = "") -> list[Any]:
    """All layers that peft has put into a body; `name`: only those that hold this one."""
    layers: list[Any] = [module for module in body.modules() if isinstance(module, BaseTunerLayer)]
    return [layer for layer in layers if not name or name in layer._all_available_adapter_names()]


def all_matrices(body: nn.Module) -> list[str]:
    """Names of the matrices of a body without layers, in and outside its blocks."""
    return [name for name, module in body.named_modules() if is_matrix(module)]


def chosen(anatomy: Anatomy, matrices: Iterable[str]) -> tuple[str, ...]:
    """Some matrices of a body by name, each once, in the order of the body: a fused projection may be several."""
    some = set(matrices)
    return tuple(name for name in anatomy.matrices if name in some)


def shortened(names: Sequence[str], body: nn.Module) -> tuple[str, ...]:
    """Names of modules as short as peft tells them apart, also in a body that has a pooler."""
    return endings(names, [*dict(body.named_modules()), "pooler.dense"])


def stored(layer: Any, matrix: Tensor) -> Tensor:
    """A matrix [d_out, d_in] as a tuner layer's base stores it, or back."""
    return matrix.T if isinstance(layer.get_base_layer(), Conv1D) else matrix


def stores_transposed(body: nn.Module) -> bool:
    """Whether matrices are stored as [d_in, d_out], as GPT-2's are: peft must know."""
    return any(isinstance(module, Conv1D) for module in body.modules())


def must_target(targets: tuple[str, ...], whose: str, body: nn.Module, anatomy: Anatomy) -> None:
    """Refuse targets that select no matrix of a body, or no targets at all.

    Raises:
        AdapterError: a target is no matrix.
    """
    matrices = all_matrices(body)
    lacking = [target for target in targets if not any(selects(target, name) for name in matrices)]
    if lacking or not targets:
        raise AdapterError(
            f"every target of a layer must be a matrix of the base model, but {whose} targets "
            f"{lacking[0] if lacking else 'projections'} and a {body.config.model_type} has none; its matrices are "  # type: ignore[union-attr]
            f"{', '.join(endings(anatomy.matrices, list(dict(body.named_modules()))))}."
        )
