"""The numerics in force: device, precision, attention and reading, resolved once, by rule.

Numerics (as chosen) ─device, base, length─▶ Resolved (in force, with the reason; part of every fingerprint)
"""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import BeforeValidator

from chartune.allocator import keep_pages
from chartune.config import Added, Config, Unhashed
from chartune.errors import ConfigError
from chartune.models.precision import Computed, Device, Precision, precision_in_force
from chartune.models.quantisation import Quantisation, must_be_possible


def _word(value: Any) -> Any:
    """YAML reads a bare on and off as truth values."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_word)]
"""A choice that a rule makes unless it is made."""


class Numerics(Config):
    """How numbers are computed; part of every fingerprint once resolved."""

    precision: Precision = "auto"
    """`bf16`, `fp16`: matrix products in two bytes, the residual stream, adapters, head and loss in fp32. `auto`: bf16
    where the hardware multiplies it fast; else fp16 on a GPU with tensor cores, else fp32."""
    attention: Literal["auto", "eager", "sdpa"] = "auto"
    """`eager`: plain matrix products; `sdpa`: PyTorch's fused kernels. `auto`: measured best for device and length."""
    reading: Annotated[Literal["auto", "merged", "as-trained"], Added()] = "auto"
    """How texts are read where nothing learns. `as-trained`: through the layers as they stand beside the matrices;
    `merged`: those that can be are merged into them meanwhile; `auto`: merged, and an encoder of BERT's kind by fewer
    operations, where that is faster."""
    quantisation: Annotated[Quantisation, Added()] = "none"
    """How the base's frozen matrices are held, on a GPU and with the extra `gpu`: `nf4`: 4 bits, as in QLoRA; `int8`: 8
    bits, as in LLM.int8()."""

    compile: Annotated[Switch, Unhashed()] = "auto"
    """Blocks of a decoder become machine code while it is pretrained. `auto`: on a processor with a C++ compiler, where
    the training is long enough to repay it."""
    data_parallel: Annotated[Literal["auto", "off"], BeforeValidator(_word), Unhashed()] = "auto"
    """Two threads take half of each micro-batch. `auto`: on a processor, where PyTorch has two threads or more, blocks
    are not compiled, no dropout is drawn and not every weight learns; `off`: threads share matrix products alone."""


UNHASHED: Final = ("reason", "data_parallel")
"""What of the numerics in force is no part of a fingerprint."""


@dataclass(frozen=True)
class Resolved:
    """The numerics in force, and why."""

    device: Device
    precision: Computed
    attention: Literal["eager", "sdpa"]
    reason: str
    reading: Literal["as-trained", "merged", "fused"] = "as-trained"
    """`merged`: while nothing learns, what can be is merged into the matrices. `fused`: that, and where nothing else
    stands on the encoder it reads by fewer operations."""
    quantisation: Quantisation = "none"
    compiled: bool = False
    """Whether the blocks of a decoder are compiled while they are trained (`chartune.models.compiled`)."""
    data_parallel: bool = False
    """Whether two threads take half of a micro-batch each (`chartune.train.gradients`). As the number of threads is,
    which it depends on, it is no part of a fingerprint."""

    def hashable(self) -> dict[str, Any]:
        """What of it changes the answer; a field at its default came when runs had been made, and stays out.

        In bf16 runs of former versions, adapters were in bf16, too.
        """
        values = ((field, getattr(self, field.name)) for field in fields(self) if field.name not in UNHASHED)
        own = {field.name: value for field, value in values if value != field.default}
        return own | ({"adapters": "fp32"} if self.precision == "bf16" else {})


def resolve(
    numerics: Numerics, max_seq_len: int, *, trains_body: bool = True, trains_all: bool = False, fused: bool = True
) -> Resolved:
    """Choose precision and attention by rule, never by a timing: the same machine must always answer alike.

    Args:
        numerics: the choice in the config.
        max_seq_len: tokens of the longest sequence.
        trains_body: whether gradients flow through the attention layers.
        trains_all: whether every weight of the base learns.
        fused: whether the architecture can use PyTorch's fused attention.

    Raises:
        ConfigError: fused attention is chosen, and the architecture cannot use it; or fp16 or a quantised base, and
            there is no GPU; or a base is to be quantised whose every weight learns.
    """
    if numerics.attention == "sdpa" and not fused:
        raise ConfigError(
            "attention must be one that the base model's architecture can use, but it computes its own and "
            "numerics.attention is sdpa; choose `auto` or `eager`."
        )
    torch.set_flush_denormal(True)  # numbers below 1e-38 cost a processor a hundred times their worth
    keep_pages()
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    precision, why = precision_in_force(numerics.precision, device)
    must_be_possible(numerics.quantisation, device, trains_all=trains_all)
    # The fused backward on CPU is slow for short sequences; forward alone, or long ones, it wins (docs/methods.md).
    short = device == "cpu" and max_seq_len <= 256 and trains_body
    attention: Literal["eager", "sdpa"] = (
        ("eager" if short or not fused else "sdpa") if numerics.attention == "auto" else numerics.attention
    )
    reason = f"{precision}: {why}; {attention}: {max_seq_len} tokens on {device}"
    return Resolved(device, precision, attention, reason, quantisation=numerics.quantisation)
