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
    **{kind: f"chartune.adapters.further:{name}" for kind, name in (
        ("miss", "MiSS"), ("hira", "HiRA"), ("gralora", "GraLoRA"), ("oft", "OFT"),
    )},
    "full": "chartune.adapters.full:Full",
}  # fmt: skip
_SHARED: Final = "peft keeps matrices that all its layers share on a wrapper around the model, and none is wrapped here"
_RANDOM: Final = "a fresh layer changes what the base reads by random numbers, before anything is learnt"
REFUSED: Final = {
    **dict.fromkeys(("vera", "pvera", "tinylora", "frod", "vblora", "unilora"), _SHARED),
    **dict.fromkeys(("c3a", "fourierft"), _RANDOM),
    "shira": "peft draws which numbers learn on matrices in memory only, so that it cannot be planned",
    "adamss": "peft decomposes matrices in memory only, so that it cannot be planned",
    "lily": "it routes by the tokens of a text, so that padding changes what is read",
    "osf": "peft rewrites the base's matrices in its place",
    "hra": "its reflections leave rounding in what a fresh layer reads",
    "deft": "its projections leave rounding in what a fresh layer reads",
    "glora": "peft gives some of its tensors no gradient",
}
"""Methods of peft that break a rule of `chartune.testing.method_rules`, and how; one that no longer does goes into
`further`."""


def method_class(kind: str) -> "type[Method]":
    """The class of a method.

    Args:
        kind: a key of `METHODS`.
    """
    made: type[Method] = class_at(METHODS[kind])
    return made
