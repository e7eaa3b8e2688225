"""Families: what chartune must know of an architecture before it is built, read in the classes of transformers.

    model_type ─transformers─▶ config class, body, language model ─rule─▶ reads · prefix · pooler · positions

There is no list of families. One is refused for a stated reason, and the few that a rule gets wrong stand in
`READS`. Where a body keeps its matrices is read off the body itself: `chartune.models.anatomy`.
"""

import difflib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, Literal

from chartune.errors import AdapterError
from chartune.models.foreign import reading

Reads = Literal["left-to-right", "both-ways"]
Pooling = Literal["first", "last", "mean"]
"""Which tokens represent a text: the first, the last unmasked one, or all of them."""

READS: Final[Mapping[str, Reads]] = {"xlnet": "both-ways"}
"""Against the rule. XLNet is listed as a causal language model, but without a permutation every token sees all."""
UNBOUNDED: Final = 1 << 20
"""Tokens that a model may be given whose positions are relative to each other alone."""


@dataclass(frozen=True)
class Family:
    """What an architecture is."""

    model_type: str
    """As in `config.json`."""
    reads: Reads
    """A decoder reads left to right and can be a language model; an encoder reads both ways."""
    prefix: str
    """What a model with a head calls its body: `model.layers.0…` there is `layers.0…` here."""
    pooler: bool = False
    """Whether the body has a layer above the first token that can be left out: a head pools by mask and reads none."""
    numbers_after_padding: bool = False
    """Whether the first token has the position after the padding's id, so that no token gets the rows up to it."""
    fused: bool = True
    """Whether its attention can be PyTorch's fused kernels."""
    positions: tuple[str, int] = ("max_position_embeddings", 512)
    """Field of `config.json` that gives the number of positions, and how many where it is left out."""

    @property
    def is_decoder(self) -> bool:
        """Whether it can be a causal language model."""
        return self.reads == "left-to-right"

    def parts(self, *, language_model: bool) -> dict[str, bool]:
        """Arguments that select which parts of the body transformers builds."""
        return {"add_pooling_layer": False} if self.pooler and not language_model else {}

    def max_positions(self, config: Mapping[str, Any]) -> int:
        """The longest sequence that it can read, in tokens.

        Args:
            config: `config.json`, whose sizes were checked.
        """
        field, usual = self.positions
        rows = int(config.get(field, config.get("max_position_embeddings", usual)))
        unused = int(config.get("pad_token_id", 1)) + 1 if self.numbers_after_padding else 0
        return rows - unused if rows > 0 else UNBOUNDED


def family_of(model_type: str, place: str) -> Family:
    """The family of an architecture.

    Args:
        model_type: as in `config.json`.
        place: where it stands, for messages.

    Raises:
        AdapterError: transformers does not know it, or it is no model of text that chartune can adapt.
    """
    with reading("transformers", f"{place} must describe a model", "choose an encoder or a decoder of text"):
        family_or_reason = _by_rule(model_type)
    if isinstance(family_or_reason, Family):
        return family_or_reason
    raise AdapterError(
        f"a base model must belong to a known family, one that reads text with attention, but got "
        f"model_type={model_type[:60]!a} at {place}: {family_or_reason}."
    )


@lru_cache(maxsize=256)
def _by_rule(model_type: str) -> Family | str:
    """A family, or why it is none and what helps."""
    from transformers import CONFIG_MAPPING, MODEL_MAPPING  # takes seconds

    if model_type not in CONFIG_MAPPING:
        near = difflib.get_close_matches(model_type, list(CONFIG_MAPPING), n=1)
        meant = f"did you mean {near[0]}?" if near else "update transformers if the model is newer"
        return f"transformers {version('transformers')} has no such architecture; {meant}"
    shape: Any = CONFIG_MAPPING[model_type]
    body: Any = MODEL_MAPPING.get(shape, None)
    usual = shape()
    unfit = _unfit(shape, usual, body)
    reads = READS.get(model_type) or _reads(model_type)
    if unfit or reads is None:
        return unfit or "transformers has no language model of that architecture; choose an encoder or a decoder"
    field = shape.attribute_map.get("max_position_embeddings", "max_position_embeddings")
    return Family(
        model_type, reads, prefix=body.base_model_prefix,
        pooler="add_pooling_layer" in inspect.signature(body.__init__).parameters,
        numbers_after_padding=_numbers_after_padding(body), fused=bool(body._supports_sdpa),
        positions=(field, int(getattr(usual, "max_position_embeddings", 0) or 0)),
    )  # fmt: skip


def _unfit(shape: Any, usual: Any, body: Any) -> str:
    """Why an architecture cannot be adapted here; empty where it can.

    Args:
        shape: its config class.
        usual: an instance of it with the usual sizes.
        body: its headless model; None: transformers has none.
    """
    if body is None or isinstance(body, (list, tuple)):
        return "transformers has not one headless model of that architecture; choose an encoder or a decoder"
    if shape.sub_configs:
        parts = ", ".join(sorted(shape.sub_configs))
        return f"it is put together of several models ({parts}); save the one that reads text by itself, and give that"
    if usual.is_encoder_decoder:
        return "it reads with an encoder and writes with a decoder; choose a model that is one of both"
    if body.main_input_name != "input_ids":
        return f"it reads {body.main_input_name} and no tokens; choose a model of text"
    if any(name.endswith("experts") and value for name, value in usual.to_dict().items()):
        return "it is a mixture of experts, which are no matrices that a method could adapt; choose a dense model"
    if not hasattr(usual, "num_attention_heads"):
        return "it reads without attention, and what is masked would leave a trace; choose one that has attention"
    return ""


def _reads(model_type: str) -> Reads | None:
    """An encoder is what transformers has a masked language model of; of the others, what it has a causal one of."""
    from transformers.models.auto import modeling_auto

    if model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "both-ways"
    return "left-to-right" if model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else None


def _numbers_after_padding(body: Any) -> bool:
    """Whether the code of a body makes positions from token ids, as RoBERTa's does: padding has the padding's id."""
    module, name = sys.modules[body.__module__], "create_position_ids_from_input_ids"
    return hasattr(module, name) or any(hasattr(part, name) for part in vars(module).values() if inspect.isclass(part))
