"""An adapter trained elsewhere with stock peft, read as a layer of a stack where that can be done exactly.

Everything else that would change hidden states is refused: an approximate reading would look like a worse adapter.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from chartune.adapters.foreign_ia3 import foreign_ia3
from chartune.adapters.foreign_lora import foreign_lora
from chartune.adapters.foreign_tokens import foreign_adaptation_prompt, foreign_prefix, foreign_prompt
from chartune.adapters.method import Method
from chartune.adapters.stock import Stock, stock_config
from chartune.errors import AdapterError
from chartune.models.weights import Header

READERS: Final[Mapping[str, Callable[[Stock], Method]]] = {
    "LORA": foreign_lora,
    "IA3": foreign_ia3,
    "PREFIX_TUNING": foreign_prefix,
    "ADAPTION_PROMPT": foreign_adaptation_prompt,
    "PROMPT_TUNING": foreign_prompt,
    "P_TUNING": foreign_prompt,
}
"""By peft's type of an adapter."""


def foreign_method(folder: Path, headers: Mapping[str, Header]) -> tuple[Method, str]:
    """The numbers of an adapter that stock peft saved, and what it calls its base model.

    Args:
        folder: holds adapter_config.json.
        headers: its tensors.

    Raises:
        AdapterError: it cannot be read exactly, or is damaged; the message gives the reason and a remedy.
    """
    stock = Stock(folder, stock_config(folder), headers)
    kind = str(stock.config.get("peft_type"))
    if kind not in READERS:
        raise AdapterError(
            f"a layer of a stack must be one of {', '.join(READERS)}, but {folder} holds a {kind[:40]} adapter; "
            f"train one of those on the same corpus, or merge the adapter into its base and use that as the base model."
        )
    return READERS[kind](stock), str(stock.config.get("base_model_name_or_path"))
