"""From a folder to modules: the headless body of a base model, its language-model head, and the numerics in force.

LocalBackbone ─load─▶ Body(module, output embeddings)      precision and attention are resolved once, by rule
"""

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

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

from chartune.allocator import keep_pages
from chartune.config import Added, Config, Unhashed
from chartune.errors import AdapterError, ConfigError, StoreError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import computed, made_by, must_match, shape_at, shape_of, skeleton
from chartune.models.dropout import without_dropout
from chartune.models.families import Family
from chartune.models.foreign import reading
from chartune.models.language import Language, language_of
from chartune.models.local import LocalBackbone, unchanged
from chartune.models.masked_head import MaskedHead
from chartune.models.precision import HALF, Computed, Precision, Switch, chosen, gpu_multiplies_bf16
from chartune.models.quantisation import Quantisation, must_be_possible, quantise
from chartune.models.readers import LanguageModel
from chartune.models.rounding import must_fit_fp16, round_matrices, rounding_as_read, widened
from chartune.models.values import must_be_numbers
from chartune.models.weights import stored
from chartune.store import storing


class Numerics(Config):
    """How numbers are computed; part of every fingerprint once resolved."""

    precision: Precision = "auto"
    """`bf16`, `fp16`: matrix products in two bytes, the residual stream, adapters, head and loss in fp32. `auto`: bf16
    where the hardware multiplies it fast; else fp16 on a GPU with tensor cores, else fp32."""
    attention: Literal["auto", "eager", "sdpa"] = "auto"
    """`eager`: plain matrix products; `sdpa`: PyTorch's fused kernels. `auto`: measured best for device and length."""
    reading: Annotated[Literal["auto", "merged", "as-trained"], Added()] = "auto"
    """How texts are read where nothing learns. `as-trained`: through the layers as they stand beside the matrices;
    `merged`: those that can be are merged into them meanwhile; `auto`: merged, and an encoder of BERT's kind by fewer
    operations, where that is faster."""
    quantisation: Annotated[Quantisation, Added()] = "none"
    """How the base's frozen matrices are held, on a GPU and with the extra `gpu`: `nf4`: 4 bits, as in QLoRA; `int8`: 8
    bits, as in LLM.int8()."""

    compile: Annotated[Switch, Unhashed()] = "auto"
    """Blocks of a decoder become machine code while it is pretrained. `auto`: on a processor with a C++ compiler, where
    the training is long enough to repay it."""


@dataclass(frozen=True)
class Resolved:
    """The numerics in force, and why."""

    device: Literal["cpu", "cuda"]
    precision: Computed
    attention: Literal["eager", "sdpa"]
    reason: str
    reading: Literal["as-trained", "merged", "fused"] = "as-trained"
    """`merged`: while nothing learns, what can be is merged into the matrices. `fused`: that, and where nothing else
    stands on the encoder it reads by fewer operations."""
    quantisation: Quantisation = "none"
    compiled: bool = False
    """Whether the blocks of a decoder are compiled while they are trained (`chartune.models.compiled`)."""

    def hashable(self) -> dict[str, Any]:
        """What of it changes the answer; in bf16 runs of former versions, adapters were in bf16, too."""
        usual = {"reason"} | ({"reading"} if self.reading == "as-trained" else set())
        usual |= {"quantisation"} if self.quantisation == "none" else set()
        usual |= set() if self.compiled else {"compiled"}
        own = {name: value for name, value in asdict(self).items() if name not in usual}
        return own | ({"adapters": "fp32"} if self.precision == "bf16" else {})


def resolve(
    numerics: Numerics, max_seq_len: int, *, trains_body: bool = True, trains_all: bool = False, fused: bool = True
) -> Resolved:
    """Choose precision and attention by rule, never by a timing: the same machine must always answer alike.

    Args:
        numerics: the choice in the config.
        max_seq_len: tokens of the longest sequence.
        trains_body: whether gradients flow through the attention layers.
        trains_all: whether every weight of the base learns.
        fused: whether the architecture can use PyTorch's fused attention.

    Raises:
        ConfigError: fused attention is chosen, and the architecture cannot use it; or fp16 or a quantised base, and
            there is no GPU; or a base is to be quantised whose every weight learns.
    """
    if numerics.attention == "sdpa" and not fused:
        raise ConfigError(
            "attention must be one that the base model's architecture can use, but it computes its own and "
            "numerics.attention is sdpa; choose `auto` or `eager`."
        )
    torch.set_flush_denormal(True)  # numbers below 1e-38 cost a processor a hundred times their worth
    keep_pages()
    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    fast = gpu_multiplies_bf16() if device == "cuda" else cpu_multiplies_bf16()
    precision, why = chosen(numerics.precision, device, fast)
    must_be_possible(numerics.quantisation, device, trains_all=trains_all)
    # The fused backward on CPU is slow for short sequences; forward alone, or long ones, it wins (docs/methods.md).
    short = device == "cpu" and max_seq_len <= 256 and trains_body
    attention: Literal["eager", "sdpa"] = (
        ("eager" if short or not fused else "sdpa") if numerics.attention == "auto" else numerics.attention
    )
    reason = f"{precision}: {why}; {attention}: {max_seq_len} tokens on {device}"
    return Resolved(device, precision, attention, reason, quantisation=numerics.quantisation)


def cpu_multiplies_bf16() -> bool:
    """Whether the processor has AVX-512-BF16 or AMX-BF16 (or ARM's BF16) instructions."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


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
    backbone: LocalBackbone, resolved: Resolved, *, language_model: bool = False, trains_all: bool = False
) -> Body:
    """Load the base model, frozen unless all of it is to be trained.

    Args:
        backbone: where it lies.
        resolved: precision and attention.
        language_model: also load the language-model head.
        trains_all: keep every weight in fp32 and trainable.

    Raises:
        AdapterError: it has no language-model head, the weights do not fit the architecture, or its language model
            does what chartune does not know.
    """
    if language_model:
        must_be_language_model(backbone)
    half, both_ways = rounded_to(resolved, trains_all=trains_all), not backbone.family.is_decoder
    model = _read(backbone, resolved.attention, language_model=language_model, half=half)
    language = Language()
    if language_model:
        with widened(model):
            language = language_of(model, lm_head_of(model, both_ways), backbone.name, both_ways=both_ways)
    if resolved.quantisation != "none":
        compute = HALF.get(resolved.precision, torch.float32)
        quantise(model.base_model, resolved.quantisation, compute, resolved.device)
    return body_of(model, resolved, language, language_model=language_model, trains_all=trains_all)


def must_be_whole(backbone: LocalBackbone) -> None:
    """Read the headless model once, and let it go again.

    Raises:
        AdapterError: weights are missing, or do not fit the architecture.
    """
    _read(backbone, "eager", language_model=False, half=torch.bfloat16)


def _read(backbone: LocalBackbone, attention: str, *, language_model: bool, half: torch.dtype | None) -> Any:
    """The model from the hashed files, tensor by tensor, once their headers are known to fit."""
    make = made_by(backbone.family, language_model=language_model)
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
    shape, make = shape_of(backbone), made_by(backbone.family, language_model=True)
    if type(shape) not in make._model_mapping:
        raise AdapterError(
            f"domain-adaptive pretraining needs a causal or a masked language model, but transformers has neither of "
            f"{backbone.name}, which reads both ways, and is of the family {backbone.family.model_type}; choose "
            f"another base model, such as BERT, RoBERTa or `smollm2`."
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
