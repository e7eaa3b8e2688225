"""Virtual tokens that stock peft trained, as a prefix or before the text, read as a layer of a stack.

Of a prefix's projection and of P-tuning's network peft keeps what they computed, so the latter is read as a prompt.
"""

from typing import Final

from chartune.adapters.adaptation_prompt import AdaptationPrompt
from chartune.adapters.method import Method
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.stock import PROMPT, Stock, must_be_known, refuse_head
from chartune.errors import AdapterError

SIZES: Final = frozenset(
    {"num_virtual_tokens", "token_dim", "num_attention_heads", "num_layers", "num_transformer_submodules"}
)
"""Fields that are judged below, or said of which base the adapter is."""
ADAPTION: Final = frozenset({"adapter_len", "adapter_layers", "target_modules"})
"""Fields of an adaptation prompt; its file says in which modules it stands."""
HISTORY: Final = frozenset(
    {"encoder_hidden_size", "prefix_projection", "init_weights", "prompt_tuning_init", "prompt_tuning_init_text",
     "prompt_tuning_init_state_dict_path", "tokenizer_name_or_path", "tokenizer_kwargs",
     "encoder_reparameterization_type", "encoder_num_layers", "encoder_dropout"}
)  # fmt: skip
"""Fields that said how the vectors were started or computed in training."""


def foreign_prefix(stock: Stock) -> Method:
    """The number of virtual tokens; stock peft shifts positions.

    Raises:
        AdapterError: it holds something else, is of an encoder with a decoder, or is damaged.
    """
    return Prefix.parse({"tokens": _tokens(stock, "a prefix"), "positions": "shifted"}, stock.place)


def foreign_prompt(stock: Stock) -> Method:
    """As `foreign_prefix`, of prompt tuning and of P-tuning."""
    return Prompt.parse({"tokens": _tokens(stock, "a prompt")}, stock.place)


def foreign_adaptation_prompt(stock: Stock) -> Method:
    """The number of vectors, and of blocks from the top.

    Raises:
        AdapterError: it holds something else, or is damaged.
    """
    beside = sorted(name for name in stock.headers if not name.endswith((".adaption_prompt", ".adaption_gate")))
    if beside or stock.config.get("modules_to_save"):
        refuse_head(beside[0] if beside else "modules_to_save", stock.folder, "an adaptation prompt", "its prompts")
    must_be_known(stock, ADAPTION, {}, "a plain adaptation prompt")
    numbers = {own: stock.config.get(name) for own, name in (("tokens", "adapter_len"), ("blocks", "adapter_layers"))}
    if None in numbers.values():
        raise AdapterError(
            f"an adaptation prompt must have adapter_len and adapter_layers, but {stock.place} has not; copy it again."
        )
    return AdaptationPrompt.parse(numbers, stock.place)


def _tokens(stock: Stock, what: str) -> int:
    beside = sorted({*(stock.config.get("modules_to_save") or ()), *stock.headers} - {PROMPT})
    if beside:
        refuse_head(", ".join(map(str, beside))[:120], stock.folder, what, PROMPT)
    must_be_known(stock, SIZES | HISTORY, {}, f"plain virtual tokens ({what})")
    tokens = stock.config.get("num_virtual_tokens")
    if tokens is None or PROMPT not in stock.headers:
        raise AdapterError(
            f"{what} must have num_virtual_tokens and {PROMPT}, but {stock.folder} has not; copy it again."
        )
    if stock.config.get("num_transformer_submodules") not in (None, 1):
        raise AdapterError(
            f"{what} must be of one stack of blocks, but {stock.folder} is of an encoder with a decoder; train one "
            f"on this base."
        )
    return int(tokens)
