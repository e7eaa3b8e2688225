"""A prefix that stock peft trained, read as a layer of a stack; of a projection peft keeps what it computed."""

from typing import Final

from chartune.adapters.prefix import Prefix
from chartune.adapters.stock import PROMPT, Stock, must_be_known, refuse_head
from chartune.errors import AdapterError

READ: Final = frozenset(
    {"num_virtual_tokens", "token_dim", "num_attention_heads", "num_layers", "num_transformer_submodules",
     "encoder_hidden_size", "prefix_projection", "init_weights"}
)  # fmt: skip
"""Fields that are judged below, or said how the prefix was trained; its file has one layout."""


def foreign_prefix(stock: Stock) -> Prefix:
    """The number of virtual tokens; stock peft shifts positions.

    Raises:
        AdapterError: it holds something else, is of an encoder with a decoder, or is damaged.
    """
    beside = sorted({*(stock.config.get("modules_to_save") or ()), *stock.headers} - {PROMPT})
    if beside:
        refuse_head(", ".join(map(str, beside))[:120], stock.folder, "a prefix", PROMPT)
    must_be_known(stock, READ, {}, "a plain prefix")
    tokens = stock.config.get("num_virtual_tokens")
    if tokens is None or PROMPT not in stock.headers:
        raise AdapterError(
            f"a prefix must have num_virtual_tokens and {PROMPT}, but {stock.folder} has not; copy it again."
        )
    if stock.config.get("num_transformer_submodules") not in (None, 1):
        raise AdapterError(
            f"a prefix must be of one stack of blocks, but {stock.folder} is of an encoder with a decoder; train one "
            f"on this base."
        )
    return Prefix.parse({"tokens": tokens, "positions": "shifted"}, stock.place)
