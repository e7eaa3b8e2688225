"""The methods, one line each: what a method goes by, and where its class is. Read without torch."""

from typing import TYPE_CHECKING, Final

from chartune.kinds import class_at

if TYPE_CHECKING:
    from chartune.adapters.method import Method

METHODS: Final = {
    "lora": "chartune.adapters.lora:LoRA",
    "adalora": "chartune.adapters.adalora:AdaLoRA",
    "ia3": "chartune.adapters.ia3:IA3",
    "prefix": "chartune.adapters.prefix:Prefix",
    "adaptation-prompt": "chartune.adapters.adaptation_prompt:AdaptationPrompt",
    "prompt": "chartune.adapters.prompt:Prompt",
    "p-tuning": "chartune.adapters.p_tuning:PTuning",
    "full": "chartune.adapters.full:Full",
}


def method_class(kind: str) -> "type[Method]":
    """The class of a method.

    Args:
        kind: a key of `METHODS`.
    """
    made: type[Method] = class_at(METHODS[kind])
    return made
