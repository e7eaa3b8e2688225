"""The architecture that a config.json describes, without memory, and whether the files hold just its weights.

    headers (names, shapes, types) ─transformers loads them, without numbers─▶ missing · other shape · left unread
                                                                                             └─ known heads? buffers?
    largest token id of the tokenizer ◀──compare──▶ rows of the embedding

transformers itself says what it would take, so this holds for every architecture that it knows.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    PretrainedConfig,
)
from transformers.models.auto.auto_factory import _get_model_class

from chartune.errors import AdapterError
from chartune.models.config_json import cause
from chartune.models.families import Family
from chartune.models.foreign import json_object, reading
from chartune.models.local import LocalBackbone, ModelFile, hashed, only
from chartune.models.semantic_types import is_of_types
from chartune.models.weights import FLOATS, Header, headers, must_be_named_plainly

HEADS: Final = ("lm_head", "cls", "classifier", "score", "qa_outputs", "pooler", "embed_out", "vocab_transform",
                "vocab_layer_norm", "vocab_projector", "pre_classifier", "pre_quantization")  # fmt: skip
"""What task heads are called where the body's names have no prefix that would identify them."""
ADAPTED: Final = re.compile(r"\.(lora_[AB]|base_layer|lora_embedding_[AB])\b|^base_model\.model\.")


def shape_of(backbone: LocalBackbone) -> PretrainedConfig:
    """A base model's sizes, as a transformers config.

    Raises:
        AdapterError: its config.json describes no model.
    """
    return shape_in(next(file for file in backbone.files if file.path.name == "config.json"), backbone.family)


def shape_at(folder: Path, family: Family) -> PretrainedConfig:
    """As `shape_of`, of a folder whose config.json was checked and whose weights are not readable yet."""
    return shape_in(hashed(folder / "config.json"), family)


def shape_in(file: ModelFile, family: Family) -> PretrainedConfig:
    """As `shape_of`, of a config.json.

    A padding token beyond the vocabulary is left out: padding is masked, and any id will do.
    """
    with only([file]) as folder, _building(file.path):
        shape: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
        _as_it_is_called(shape)
        rows, pad = int(shape.vocab_size), shape.pad_token_id
    if isinstance(pad, int) and pad >= rows:
        if family.numbers_after_padding:
            raise AdapterError(
                f"pad_token_id must be below vocab_size where positions are counted after it, but it is {pad:,} of "
                f"{rows:,} at {file.path}; copy the file again from the model's source."
            )
        shape.pad_token_id = None
    return shape


def _as_it_is_called(shape: PretrainedConfig) -> None:
    """What a model gives back, and in which portions it works, is asked by who calls it and not by its file."""
    shape.return_dict = True
    shape.output_hidden_states = shape.output_attentions = False
    shape.chunk_size_feed_forward = 0


def auto_class(family: Family, *, language_model: bool) -> Any:
    """The auto class of transformers that makes the models of a family.

    Args:
        family: what its architecture is.
        language_model: with its language-model head, which of an encoder fills masks; else headless.
    """
    if not language_model:
        return AutoModel
    return AutoModelForCausalLM if family.is_decoder else AutoModelForMaskedLM


def skeleton(shape: PretrainedConfig, make: Any, place: Path, **parts: bool) -> Any:
    """The model of these sizes, without memory for its weights.

    Args:
        shape: its sizes.
        make: an auto class of transformers.
        place: its config.json, for messages.
        parts: what is left out.

    Raises:
        AdapterError: the sizes make no model.
    """
    with _building(place), torch.device("meta"):
        return make.from_config(shape, attn_implementation="eager", dtype=torch.float32, **parts)


def must_match(backbone: LocalBackbone, *, language_model: bool = False) -> None:
    """Refuse a base whose files do not hold just the weights of its architecture; reads headers only.

    Args:
        backbone: what was found.
        language_model: also its language-model head is needed; where it is tied, its numbers are compared.

    Raises:
        AdapterError: weights are missing, of another shape, quantised, named by a wrapper, or would be left unread; or
            the head is tied to the embedding, and its numbers differ.
    """
    _matched(backbone.files, backbone.family, language_model)


@lru_cache(maxsize=64)
def _matched(files: tuple[ModelFile, ...], family: Family, language_model: bool) -> None:
    config, weights = files[0].path, [file.path for file in files if file.path.suffix == ".safetensors"]
    tensors, folder = headers(weights), config.parent
    must_be_named_plainly(sorted(tensors), folder)
    _must_be_merged(tensors, folder)
    shape = shape_in(files[0], family)
    _must_be_plausible(json_object(config), tensors, config)
    make = auto_class(family, language_model=language_model)
    model, report = _rehearsed(tensors, shape, make, config, family.parts(language_model=language_model))
    if language_model and not family.is_decoder:
        _must_have_a_head(sorted(report["missing_keys"]), str(model.base_model_prefix), folder)
    ignored = [re.compile(pattern) for pattern in computed(model, str(model.base_model_prefix))]
    _must_be_floats(tensors, model, ignored, folder)
    _must_be_all_and_of_one_shape(report, folder)
    unread = [name for name in sorted(report["unexpected_keys"]) if not _may_be_left(name, model, ignored, tensors)]
    if unread and not (language_model and family.is_decoder):
        unread = sorted(set(unread) - _of_the_whole(shape, config))
    _must_be_read(unread, folder)
    if language_model:
        _must_be_tied(tensors, dict(model.all_tied_weights_keys), folder)


def _must_be_all_and_of_one_shape(report: Mapping[str, Any], folder: Path) -> None:
    if lacking := sorted(report["missing_keys"]):  # they would be drawn at random, silently
        raise AdapterError(
            f"{folder.name} must hold every weight of its architecture, but lacks {len(lacking)}, the first is "
            f"{lacking[0]}; get the weights again."
        )
    for name, here, needed in sorted(report["mismatched_keys"], key=str):
        raise AdapterError(
            f"weights must have the shapes that config.json describes, but in {folder} {name} is of {list(here)} where "
            f"{list(needed)} is needed; copy config.json and weights of one model."
        )


def _must_have_a_head(lacking: Sequence[str], body: str, folder: Path) -> None:
    """Refuse an encoder that was saved without what it was pretrained with. lacking: names that its files lack."""
    above = [name for name in lacking if not name.startswith(f"{body}.")]
    if above:
        raise AdapterError(
            f"an encoder is pretrained further with the masked-language-model head that it came with, but "
            f"{folder.name} lacks {len(above)} of its weights, the first is {above[0]}, as sentence encoders, "
            f"discriminators and what was fine-tuned do; take a base that has kept it, such as bert-base-uncased, "
            f"roberta-base or Bio_ClinicalBERT, or a decoder such as `smollm2`. It can be fine-tuned as it is."
        )


def _must_be_read(unread: Sequence[str], folder: Path) -> None:
    if unread:
        raise AdapterError(
            f"a base model must hold nothing that its architecture does not take, but {folder} holds {len(unread)} "
            f"such tensors, the first is {ascii(unread[0])[:100]}: scales of a quantisation, or parts of another "
            f"architecture; get the weights as they were trained, with their own config.json."
        )


def _must_be_tied(tensors: Mapping[str, Header], tied: Mapping[str, str], folder: Path) -> None:
    """Refuse matrices that config.json calls one and that differ: versions of transformers take both, or drop one."""
    for name, other in tied.items():
        if name in tensors and other in tensors and not _equal(tensors[name].file, name, tensors[other].file, other):
            raise AdapterError(
                f"weights that config.json ties must be equal, but in {folder} {name} and {other} differ, and "
                f"tie_word_embeddings is true: only you can know which is meant. Set tie_word_embeddings to false if "
                f"the head was trained apart, else take {name} out of the weights."
            )


def _equal(file: Path, name: str, other_file: Path, other: str) -> bool:
    with (
        reading("safetensors", f"{file} must be whole", "get the file again"),
        safe_open(file, framework="pt") as first,
        safe_open(other_file, framework="pt") as second,
    ):
        equal = torch.equal(first.get_tensor(name), second.get_tensor(other))
    return equal


@lru_cache(maxsize=64)
def embedded(files: tuple[ModelFile, ...], family: Family) -> int:
    """Rows of a base model's embedding: the token ids that it knows are below.

    Args:
        files: of a base model, its config.json first.
        family: what its architecture is.

    Raises:
        AdapterError: its sizes make no model.
    """
    model = skeleton(shape_in(files[0], family), AutoModel, files[0].path)
    return int(model.get_input_embeddings().weight.shape[0])


def computed(model: nn.Module, prefix: str) -> list[str]:
    """Patterns of the names of buffers that a model computes and never loads, such as positions and frequencies."""
    names = {name for name, _ in model.named_buffers()} - model.state_dict().keys()
    listed: Sequence[str] = getattr(type(model), "_keys_to_ignore_on_load_unexpected", None) or ()
    own = [rf"(^|\.){re.escape(name.removeprefix(prefix + '.'))}$" for name in sorted(names)]
    return [*own, r"(^|\.)rotary_emb\.inv_freq$", *listed]


def _building(place: Path) -> AbstractContextManager[None]:
    requirement, remedy = f"{place} must describe a model", "copy it again from the model's source"
    return reading("transformers", requirement, remedy, lambda: cause(json_object(place)))


def _must_be_plausible(config: Mapping[str, Any], tensors: Mapping[str, Header], place: Path) -> None:
    """Before a library makes one layer after the other: each must hold a tensor at least."""
    for key in ("num_hidden_layers", "n_layers", "n_layer", "num_layers"):
        layers = config.get(key)
        if isinstance(layers, int) and layers > len(tensors):
            raise AdapterError(
                f"{key} must be the number of layers in the weights, but {place} says {layers:,} and the files beside "
                f"it hold {len(tensors):,} tensors in all; copy config.json and weights of one model."
            )


def _must_be_merged(names: Mapping[str, Header], folder: Path) -> None:
    adapted = next((name for name in sorted(names) if ADAPTED.search(name)), None)
    if adapted:
        raise AdapterError(
            f"a base model must be plain, but {folder} holds {ascii(adapted)[:100]}: a model that was saved with its "
            f"adapter in place. Merge it first (peft: merge_and_unload), or give base and adapter apart."
        )


def _rehearsed(
    tensors: Mapping[str, Header], shape: PretrainedConfig, make: Any, place: Path, parts: dict[str, bool]
) -> tuple[Any, dict[str, Any]]:
    """What transformers would load of these tensors: it is given their names and shapes, and no numbers."""
    state = {name: torch.empty(header.shape, device="meta") for name, header in tensors.items()}
    with _building(place):
        kind = _get_model_class(shape, make._model_mapping)
        model, report = kind.from_pretrained(
            None, config=shape, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True,
            device_map={"": "meta"}, dtype=torch.float32, attn_implementation="eager", **parts,
        )  # fmt: skip
    return model, report


def _must_be_floats(
    tensors: Mapping[str, Header], model: Any, ignored: Sequence[re.Pattern[str]], folder: Path
) -> None:
    whole = {name for name, tensor in model.state_dict().items() if not tensor.is_floating_point()}
    for name, header in tensors.items():
        inner = name.removeprefix(f"{model.base_model_prefix}.")
        if header.dtype in FLOATS or inner in whole or any(pattern.search(name) for pattern in ignored):
            continue
        raise AdapterError(
            f"base weights must be plain floating-point numbers ({', '.join(sorted(FLOATS))}), but {folder} holds "
            f"{ascii(name)[:100]} as {header.dtype}, as a quantised model does; get the unquantised weights."
        )


def _may_be_left(name: str, model: Any, ignored: Sequence[re.Pattern[str]], tensors: Mapping[str, Header]) -> bool:
    """Whether a tensor that the model does not take is a buffer, a task's head, or is read apart (`semantic_types`)."""
    prefix = str(model.base_model_prefix)
    if any(pattern.search(name) for pattern in ignored) or is_of_types(name, model.config.model_type):
        return True
    if name.rpartition(".")[0] in dict(model.named_modules()):  # beside weights that are taken: their scale, their bias
        return False
    if any(other.startswith(f"{prefix}.") for other in tensors):
        return not name.startswith(f"{prefix}.")
    return name.partition(".")[0] in HEADS


def _of_the_whole(shape: PretrainedConfig, place: Path) -> set[str]:
    """Names of the model with all its usual parts: a body may leave its pooler out."""
    names: set[str] = set()
    for make in (AutoModel, AutoModelForPreTraining, AutoModelForMaskedLM):
        if type(shape) in make._model_mapping:
            names |= skeleton(shape, make, place).state_dict().keys()
    return names
