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
    "miss": "chartune.adapters.further:MiSS",
    "hira": "chartune.adapters.further:HiRA",
    "gralora": "chartune.adapters.further:GraLoRA",
    "oft": "chartune.adapters.further:OFT",
    "c3a": "chartune.adapters.further:C3A",
    "fourierft": "chartune.adapters.further:FourierFT",
    "full": "chartune.adapters.full:Full",
}
_SHARED: Final = "peft keeps matrices that all its layers share on a wrapper around the model, and none is wrapped here"
_UNPLANNED: Final = "peft needs the base's numbers to make it, so that it cannot be planned without memory"
_ROUNDING: Final = "peft computes a matrix in a way that leaves rounding in what a fresh layer reads"
REFUSED: Final = {
    **dict.fromkeys(("vera", "pvera", "tinylora", "frod", "vblora", "unilora"), _SHARED),
    **dict.fromkeys(("shira", "adamss"), _UNPLANNED),
    **dict.fromkeys(("osf", "hra", "deft"), _ROUNDING),
    "lily": "it routes by the tokens of a text, so that padding changes what is read",
    "glora": "what it learns of a bias has no gradient where the base's bias is zero",
}
"""Methods of peft that break a rule of `chartune.testing.method_rules`, and how, as peft 0.21 has them; one that no
longer does goes into `further`."""


def method_class(kind: str) -> "type[Method]":
    """The class of a method.

    Args:
        kind: a key of `METHODS`.
    """
    made: type[Method] = class_at(METHODS[kind])
    return made
