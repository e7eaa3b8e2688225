"""Inputs: what the model of a stage is made from, found and checked. Planner, stages and loading all use it.

stage ─▶ base model ─fits?─ adapters below ─▶ positions enough? ─▶ numerics, by rule
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from chartune.adapters.adapter import Adapter, read_adapter
from chartune.adapters.expected import Expected
from chartune.adapters.method import Method
from chartune.adapters.placing import KEEP, must_merge
from chartune.adapters.shuffled import weights_of
from chartune.adapters.stack import Fresh, Frozen
from chartune.batches.budgets import budget_of
from chartune.disclosure import is_made_up
from chartune.errors import AdapterError
from chartune.models.backbone import Backbone, LocalBackbone, sizes_alone
from chartune.models.exposure import circular
from chartune.models.numerics import Resolved
from chartune.models.quantisation import Quantisation
from chartune.models.semantic_types import VOCABULARY, has_types, vocabulary_of
from chartune.models.tokenizer import padding_stand_in
from chartune.runs.ledger import find_run
from chartune.runs.record import ADAPTER
from chartune.stages.bases import find_or_convert, find_or_make
from chartune.stages.model_stage import ModelStage, must_have_positions
from chartune.stages.resolving import resolved_of
from chartune.store import Store
from chartune.tasks.dataset import Dataset, SourceEntry
from chartune.train.optimizer import Optimisation

NONE_EXPECTED: Final[Mapping[str, Expected]] = MappingProxyType({})
"""Of a stage all of whose adapters are made."""


@dataclass(frozen=True)
class Inputs:
    """What a model is made from."""

    backbone: LocalBackbone | None
    """The base model; None: one that chartune has yet to pretrain."""
    adapters: tuple[Adapter | None, ...]
    """For each layer of the stack its trained adapter, or None for a fresh one."""
    resolved: Resolved
    """Device, precision and attention."""

    @property
    def base(self) -> LocalBackbone:
        """The base model, which exists."""
        if self.backbone is None:
            raise AssertionError("only a plan may be made without a base model")
        return self.backbone

    def budget(self, choice: Optimisation, most: int | None = None) -> int:
        """Padded tokens of a micro-batch in training.

        Args:
            choice: what is asked.
            most: what memory allows where the rule chooses; None: all.
        """
        resolved, decoder = self.resolved, self.backbone is None or self.backbone.family.is_decoder
        tokens = budget_of(choice.micro_batch_tokens, resolved.device, resolved.precision, decoder=decoder)
        return tokens if most is None else min(tokens, most)

    def warnings(self, *, pads: bool) -> list[str]:
        """What the user should know of adapters and tokenizer before a run begins.

        Args:
            pads: whether texts of different lengths are read together.
        """
        warnings = [warning for adapter in self.adapters if adapter for warning in self._warnings(adapter)]
        other = padding_stand_in(self.backbone) if pads and self.backbone and self.backbone.weights else None
        if self.backbone and has_types(self.backbone) and not vocabulary_of(self.backbone):
            warnings.append(
                f"{self.base.name} has embeddings of semantic types, but is read without them: {VOCABULARY}, which "
                f"says which token has which type, is not in {self.base.folder}; copy it from the authors' repository"
            )
        return warnings if other is None else [*warnings, self._padding(other)]

    def circular(self, source: SourceEntry) -> list[str]:
        """Why scores on these data say little, where the base model has read notes of their hospital."""
        base = self.backbone
        why = base and circular(base.name, base.config, source.kind, is_made_up(source))
        return [why] if why else []

    def _padding(self, other: str) -> str:
        return (
            f"the tokenizer of {self.base.name} has no padding token that the model knows; {other!a} fills short "
            f"rows, and is masked there"
        )

    def _warnings(self, adapter: Adapter) -> list[str]:
        own = [warning] if (warning := adapter.warning()) else []
        base = self.backbone
        if base is None or adapter.base_hash is not None or Path(adapter.base).name == Path(base.name).name:
            return own
        return [
            *own,
            f"{adapter.folder} says that it was trained on {adapter.base}, and the base here is {base.name}; shapes "
            f"fit, but whether it is the same model only you can know",
        ]


def inputs_of(
    stage: ModelStage, store: Store, dataset: Dataset | None = None, *, make: bool = True, sizes: bool = False,
    expected: Mapping[str, Expected] = NONE_EXPECTED,
) -> Inputs:  # fmt: skip
    """The inputs of a stage.

    Args:
        stage: its config.
        store: where base models and runs are.
        dataset: its prepared data, which say how long it trains; None: not known.
        make: pretrain the small LLaMA if it is the base and does not exist yet; False: nothing is trained.
        sizes: a base model that the catalog knows by its sizes alone will do.
        expected: by the references of layers the adapters that are not made yet; none of a stage that is to be run.

    Raises:
        ConfigError: an adapter or a base model is missing, `max_seq_len` is beyond its positions, or another field does
            not go with it.
        AdapterError: an adapter does not fit the base model, or the base cannot be what is asked.
    """
    stack = stage.layers()
    base = partial(_base, store=store, make=make, sizes=sizes)
    unmade = {reference: one.on(base(one.backbone)) for reference, one in expected.items()}
    adapters = tuple(
        None if isinstance(layer, Fresh) else unmade.get(layer.adapter) or find_adapter(layer.adapter, store)
        for layer in stack.layers
    )
    methods = stack.methods(adapters)
    placed = [method for method, layer in zip(methods, stack.layers, strict=True) if layer in stack.placed]
    must_merge(methods[: stack.merged], KEEP)
    backbone = base(stage.backbone)
    for layer, adapter in zip(stack.layers, adapters, strict=True):
        if isinstance(layer, Frozen) and layer.shuffled is not None and adapter and adapter not in unmade.values():
            weights_of(layer, adapter)
    if backbone is not None:
        stage.must_suit(backbone)
        for adapter in adapters:
            if adapter is not None:
                adapter.must_fit(backbone)
        taken = sum(method.positions_taken for method in placed)
        must_have_positions(stage.max_seq_len, backbone, taken)
    must_suit_quantisation(placed, stage.numerics.quantisation)
    return Inputs(backbone, adapters, resolved_of(stage, backbone, dataset))


def _base(backbone: Backbone, store: Store, *, make: bool, sizes: bool) -> LocalBackbone | None:
    """A base model; None: one that chartune has yet to pretrain."""
    known = sizes_alone(backbone) if sizes else None
    return known or (find_or_make(backbone, store) if make else find_or_convert(backbone, store))


def must_suit_quantisation(methods: Sequence[Method], quantisation: Quantisation) -> None:
    """Refuse layers that compute with the base's own matrices where these are held as codes.

    Raises:
        AdapterError: there is one.
    """
    reading = next((method for method in methods if method.reads_matrices), None)
    if quantisation != "none" and reading is not None:
        raise AdapterError(
            f"on a quantised base a layer must do without the numbers of its matrices, but {reading.title()} computes "
            f"with them, or was never tried without, and numerics.quantisation is {quantisation}; choose `none`, or "
            f"plain LoRA, IA3, prefixes or prompts."
        )


def content_of(adapter: Adapter) -> dict[str, Any]:
    """What of a trained adapter goes into fingerprints: `sha256` of its weights, and its method."""
    return {"sha256": adapter.sha256, "method": adapter.method.hashable()}


def find_adapter(reference: str, store: Store) -> Adapter:
    """The adapter that a reference names: a folder, or a finished run (fingerprint, its beginning, or name).

    Raises:
        ConfigError: no such run.
        AdapterError: the folder holds no usable adapter.
    """
    folder = Path(os.path.expanduser(reference))  # of os.path: a home or a name that cannot be is no folder
    return read_adapter(folder if os.path.isdir(folder) else find_run(store, reference).path / ADAPTER)
