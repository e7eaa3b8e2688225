"""From a folder to modules: the headless body of a base model and its language-model head.

LocalBackbone ─load─▶ Body(module, output embeddings)      in the numerics in force
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    LlamaConfig,
    LlamaForCausalLM,
)
from transformers.models.auto.auto_factory import _get_model_class

from chartune.errors import AdapterError, StoreError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import auto_class, computed, must_match, shape_at, shape_of, skeleton
from chartune.models.dropout import without_dropout
from chartune.models.families import Family
from chartune.models.foreign import reading
from chartune.models.language import Language, language_of
from chartune.models.local import LocalBackbone, unchanged
from chartune.models.masked_head import MaskedHead
from chartune.models.numerics import Resolved
from chartune.models.precision import HALF
from chartune.models.quantisation import quantise
from chartune.models.readers import LanguageModel
from chartune.models.rounding import must_fit_fp16, round_matrices, rounding_as_read, widened
from chartune.models.semantic_types import VOCABULARY, vocabulary_of
from chartune.models.typed_embedding import add_types
from chartune.models.values import must_be_numbers
from chartune.models.weights import stored
from chartune.store import storing


@dataclass
class Body:
    """A base model without task head."""

    module: nn.Module
    """token ids [B, T] → last hidden states [B, T, D]."""
    hidden_size: int
    """D."""
    lm_head: nn.Module | None
    """[.., D] → [.., V], only of language models; its weight may be tied to the embeddings."""
    language: Language
    """What else belongs to its logits of tokens."""
    whole: Any
    """The transformers model that owns both."""

    def language_model(self, module: nn.Module) -> LanguageModel:
        """What is trained on texts alone.

        Args:
            module: the body with its layers attached.
        """
        if self.lm_head is None:
            raise AssertionError("a body that was loaded as a language model has a head")
        return LanguageModel(module, self.lm_head, self.language, int(self.whole.config.vocab_size))

    def save(self, folder: Path) -> None:
        """As `save_model`. The body must carry no adapter layers."""
        save_model(self.whole, folder)


def save_model(model: Any, folder: Path) -> None:
    """Write a transformers model in Hugging Face layout: config.json and safetensors weights.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    try:
        with storing(folder):
            model.save_pretrained(folder, safe_serialization=True)
    except SafetensorError as error:  # how the library reports a full disk
        raise StoreError(f"weights must fit into {folder}, but writing failed: {error}; free some space.") from error


def load_body(
    backbone: LocalBackbone, resolved: Resolved, *, language_model: bool = False, trains_all: bool = False,
    change: Callable[[nn.Module], None] | None = None,
) -> Body:  # fmt: skip
    """Load the base model, frozen unless all of it is to be trained.

    Args:
        backbone: where it lies.
        resolved: precision and attention.
        language_model: also load the language-model head.
        trains_all: keep every weight in fp32 and trainable.
        change: changes numbers of the headless model, which then is read in fp32 and rounded afterwards.

    Raises:
        AdapterError: it has no language-model head, the weights do not fit the architecture, or its language model
            does what chartune does not know.
    """
    if language_model:
        must_be_language_model(backbone)
    half, both_ways = rounded_to(resolved, trains_all=trains_all), not backbone.family.is_decoder
    model = _read(backbone, resolved.attention, language_model=language_model, half=None if change else half)
    if change:
        change(model.base_model)
    language = Language()
    if language_model:
        with widened(model):
            language = language_of(model, lm_head_of(model, both_ways), backbone.name, both_ways=both_ways)
    if resolved.quantisation != "none":
        compute = HALF.get(resolved.precision, torch.float32)
        quantise(model.base_model, resolved.quantisation, compute, resolved.device)
    body = body_of(model, resolved, language, language_model=language_model, trains_all=trains_all)
    if change and half is torch.float16:
        must_fit_fp16(model, backbone.name)
    return body


def must_be_whole(backbone: LocalBackbone) -> None:
    """Read the headless model once, and let it go again.

    Raises:
        AdapterError: weights are missing, or do not fit the architecture.
    """
    _read(backbone, "eager", language_model=False, half=torch.bfloat16)


def _read(backbone: LocalBackbone, attention: str, *, language_model: bool, half: torch.dtype | None) -> Any:
    """The model from the hashed files, tensor by tensor, once their headers are known to fit."""
    make = auto_class(backbone.family, language_model=language_model)
    must_match(backbone, language_model=language_model)
    requirement, shape = f"{backbone.name} must load as {make.__name__}", shape_of(backbone)
    with unchanged(backbone.files), reading("transformers", requirement, "get the weights again"):
        kind = _get_model_class(shape, make._model_mapping)
        with rounding_as_read(kind, half) if half else nullcontext():
            model, report = kind.from_pretrained(
                None, config=shape, state_dict=stored(backbone.weights), output_loading_info=True, dtype=torch.float32,
                attn_implementation=attention, **backbone.family.parts(language_model=language_model),
            )  # fmt: skip
    if report["missing_keys"]:
        raise AssertionError("headers that fit leave nothing to be drawn at random")
    add_types(model, backbone)
    if half is torch.float16:
        must_fit_fp16(model, backbone.name)
    must_be_numbers(model, backbone)
    model.config.name_or_path = backbone.name
    return model


def must_be_language_model(backbone: LocalBackbone) -> None:
    """Refuse a base model without a language-model head of its own: causal of a decoder, masked of an encoder.

    Raises:
        AdapterError: its architecture or its files have none, or another than config.json says.
    """
    shape, make = shape_of(backbone), auto_class(backbone.family, language_model=True)
    if type(shape) not in make._model_mapping:
        raise AdapterError(
            f"domain-adaptive pretraining needs a causal or a masked language model, but transformers has neither of "
            f"{backbone.name}, which reads both ways, and is of the family {backbone.family.model_type}; choose "
            f"another base model, such as BERT, RoBERTa or `smollm2`."
        )
    if vocabulary_of(backbone):
        raise AdapterError(
            f"a masked language model must give back the words that it reads, but {backbone.name} reads words with "
            f"their semantic types, which its tied head does not; fine-tune it as it is, or take {VOCABULARY} out of "
            f"{backbone.folder} to adapt it without them."
        )
    if backbone.weights:  # else its sizes alone are known
        must_match(backbone, language_model=True)


def lm_head_of(model: Any, both_ways: bool) -> nn.Module:
    """[.., D] → [.., V] of a language model of transformers: the matrix of a decoder, all that an encoder has above."""
    head: nn.Module = MaskedHead(model) if both_ways else model.get_output_embeddings()
    return head


def new_llama(shape: LlamaConfig, resolved: Resolved, seed: int) -> Body:
    """A LLaMA with random weights, drawn from `seed`, to be pretrained from nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM._from_config(shape, attn_implementation=resolved.attention, dtype=torch.float32)
    return body_of(model, resolved, Language(), language_model=True, trains_all=True)


def tied_and_computed(backbone_folder: Path, family: Family) -> tuple[dict[str, str], list[str]]:
    """What transformers does not need to find in a checkpoint, because it ties or computes it itself.

    Args:
        backbone_folder: holds a safe config.json.
        family: its architecture.

    Returns:
        Tied names (a name → the one whose weights it shares), and patterns of names that are never loaded.

    Raises:
        AdapterError: config.json does not describe a model.
    """
    shape, place = shape_at(backbone_folder, family), backbone_folder / "config.json"
    pretrained = (
        AutoModelForPreTraining if type(shape) in AutoModelForPreTraining._model_mapping else AutoModelForMaskedLM
    )
    model = skeleton(shape, AutoModelForCausalLM if family.is_decoder else pretrained, place)
    return dict(model.all_tied_weights_keys), computed(model, family.prefix)


def parameters_of(backbone: LocalBackbone) -> int:
    """Parameters of the headless model, counted without allocating it."""
    model = skeleton(shape_of(backbone), AutoModel, backbone.folder / "config.json")
    return sum(p.numel() for p in model.parameters())


def rounded_to(resolved: Resolved, *, trains_all: bool) -> torch.dtype | None:
    """The two bytes in which matrices are held; None: in fp32, as those that learn."""
    return None if trains_all else HALF.get(resolved.precision)


def body_of(model: Any, resolved: Resolved, language: Language, *, language_model: bool, trains_all: bool) -> Body:
    """A transformers model as it is used here: no dropout of its own, frozen matrices in the precision in force.

    Args:
        model: headless, or a language model; on any device.
        resolved: the numerics in force.
        language: how it makes logits.
        language_model: whether it is one.
        trains_all: keep every weight in fp32 and trainable.
    """
    body: nn.Module = model.base_model
    model.config.use_cache = False
    body.config.use_cache = False  # type: ignore[union-attr]
    without_dropout(model)
    model.requires_grad_(trains_all)
    if half := rounded_to(resolved, trains_all=trains_all):
        round_matrices(model, half)
    head = lm_head_of(model, language.apart == "rows") if language_model else None
    return Body(body, anatomy_of(body).width, head, language, model)
