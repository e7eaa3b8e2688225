"""A body on the meta device: shapes and types, no numbers, nothing allocated."""

from dataclasses import replace

import torch
from transformers import PretrainedConfig

from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import auto_class
from chartune.models.families import Family
from chartune.models.foreign import reading
from chartune.models.language import Language
from chartune.models.load import Body, body_of
from chartune.models.numerics import Resolved


def meta_body(
    shape: PretrainedConfig,
    family: Family,
    resolved: Resolved,
    *,
    language_model: bool = False,
    trains_all: bool = False,
) -> Body:
    """The body that `load_body` would load, with the same types and parameters, on the meta device: nothing allocated.

    Raises:
        AdapterError: the sizes do not make a model.
    """
    make = auto_class(family, language_model=language_model)
    parts = family.parts(language_model=language_model)
    with reading("transformers", "config.json must describe a model", "copy it again"), torch.device("meta"):
        model = make.from_config(shape, dtype=torch.float32, attn_implementation=resolved.attention, **parts)
    language = Language.of(model.config, both_ways=not family.is_decoder)
    if language_model and family.is_decoder:
        language = replace(language, apart="positions" if anatomy_of(model.base_model).packs else "mask")
    return body_of(model, resolved, language, language_model=language_model, trains_all=trains_all)
