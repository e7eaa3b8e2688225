"""Families: what chartune must know of an architecture, as a table of module names. A new family is one row."""

from dataclasses import dataclass
from typing import Final, Literal

from chartune.errors import AdapterError


@dataclass(frozen=True)
class Family:
    """Where an architecture keeps its parts."""

    model_type: str
    """As in `config.json`."""
    reads: Literal["left-to-right", "both-ways"]
    """A decoder reads left to right and can be a language model; an encoder reads both ways."""
    attention: tuple[str, ...]
    """The query and value projections: the published default targets of LoRA (Hu et al., 2021, §4.2)."""
    linear: tuple[str, ...]
    """Every linear layer of a block."""
    prefix: str
    """What a model with a head calls its body: `model.layers.0…` there is `layers.0…` here."""
    pooler: bool = False
    """Whether the body has a layer above the first token that can be left out: a head pools by mask and reads none."""
    numbers_after_padding: bool = False
    """Whether the first token has the position after the padding's id, so that no token gets the rows up to it."""

    @property
    def is_decoder(self) -> bool:
        """Whether it can be a causal language model."""
        return self.reads == "left-to-right"

    def parts(self, *, language_model: bool) -> dict[str, bool]:
        """Arguments that tell transformers which parts of the body to make."""
        return {"add_pooling_layer": False} if self.pooler and not language_model else {}


_ROPE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_BERT = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")

families: Final = {
    family.model_type: family
    for family in (
        Family("llama", "left-to-right", ("q_proj", "v_proj"), _ROPE, "model"),
        Family("mistral", "left-to-right", ("q_proj", "v_proj"), _ROPE, "model"),
        Family("qwen2", "left-to-right", ("q_proj", "v_proj"), _ROPE, "model"),
        Family("gpt_neox", "left-to-right", ("query_key_value",),
               ("query_key_value", "attention.dense", "dense_h_to_4h", "dense_4h_to_h"), "gpt_neox"),
        Family("bert", "both-ways", ("query", "value"), _BERT, "bert", pooler=True),
        Family("roberta", "both-ways", ("query", "value"), _BERT, "roberta", pooler=True, numbers_after_padding=True),
        Family("distilbert", "both-ways", ("q_lin", "v_lin"),
               ("q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"), "distilbert"),
    )
}  # fmt: skip


def family_of(model_type: str, place: str) -> Family:
    """The family of an architecture.

    Raises:
        AdapterError: chartune has no row for it.
    """
    if model_type not in families:
        raise AdapterError(
            f"a base model must belong to a known family ({', '.join(sorted(families))}), but got "
            f"model_type={model_type[:60]!a} at {place}; a new family is one row in chartune/models/families.py."
        )
    return families[model_type]
