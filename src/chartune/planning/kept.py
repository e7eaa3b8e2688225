"""Kept: what a stage puts into the store for all runs: token ids, and what a base makes of texts before it learns.

texts ─tokenizer─▶ tokens/ ids, offsets, words, cut     body that does not learn ─▶ readings/ vectors [n, D], fp32
notes ─base, before it learns─▶ readings/ nats of each predicted token, fp64

Of several runs on the same texts the first alone adds to the disk: each part has a name, by which it is counted once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chartune.batches.long_texts import Windows
from chartune.batches.masking import EVALUATED
from chartune.config import fingerprint
from chartune.disclosure import magnitude
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs, content_of
from chartune.stages.model_stage import ModelStage
from chartune.stages.pretrain import Pretrain

ID: Final = 4
"""Bytes of a token id, and of a count of words or bytes."""
OFFSET: Final = 8
FLAG: Final = 1
VALUE: Final = 4
"""Bytes of a number of a vector."""
NATS: Final = 8


@dataclass(frozen=True)
class Kept:
    """How much it is; of real patients by the class of their number, as all of a workload."""

    token_bytes: int = 0
    """Of arrays of token ids."""
    vectors: int = 0
    """Of texts, or of words at most, that are read once before anything learns."""
    nats: int = 0
    """Tokens that the base alone predicts."""

    def shown(self, exact: bool) -> "Kept":
        """As it may be shown: of real patients the first digit of each number; more tells texts of a class apart.

        Args:
            exact: whether texts of real patients are counted as they are.
        """
        return Kept(*(round(magnitude(size, exact) or 0) for size in (self.token_bytes, self.vectors, self.nats)))

    def named(self, stage: ModelStage, inputs: Inputs, data: str, hidden: int) -> dict[str, int]:
        """Bytes of each part, by what determines it as far as it is known before texts are read.

        Args:
            stage: its config.
            inputs: its base, adapters and numerics.
            data: fingerprint of its prepared data.
            hidden: width D of a vector.
        """
        tokens, readings = _tokens_of(stage, inputs, data), _readings_of(stage, inputs)
        every = {
            fingerprint("tokens", 1, tokens): self.token_bytes,
            fingerprint("readings", 1, {**tokens, **readings}): VALUE * hidden * self.vectors + NATS * self.nats,
        }
        return {name: size for name, size in every.items() if size}


def array_bytes(texts: int, tokens: int, *, counted: bool = False) -> int:
    """Bytes of the token arrays of some texts; `counted`: the bytes of each token, too."""
    return tokens * ID * (2 if counted else 1) + texts * (OFFSET + ID + FLAG)


def vectors_of(stage: Finetune, counts: Mapping[str, int], *, calibrated: bool) -> int:
    """Vectors that are kept of texts: all that are read where the body stays, those of a probe where it learns.

    Args:
        stage: its config.
        counts: texts of each split.
        calibrated: whether the calibration split is read.
    """
    if isinstance(stage.long, Windows) and stage.long.pool == "attention":
        return 0  # a text's vector is learnt from those of its rows
    if stage.stack.trains_body():
        return counts["train"] + counts["validation"] if stage.head.start == "probe" else 0
    scored = (*stage.scored, "calibration") if calibrated else stage.scored
    return sum(counts.get(split, 0) for split in dict.fromkeys(("train", "validation", *scored)))


def nats_of(stage: Pretrain, tokens: float, blocks: int, length: int, *, both_ways: bool) -> int:
    """Tokens that the base alone predicts: of the last split that is scored, and of general text as many as may be.

    Args:
        stage: its config.
        tokens: of that split that could be predicted.
        blocks: of that split.
        length: tokens of a block.
        both_ways: of an encoder, which guesses a share of them.
    """
    read = tokens * min(1.0, (stage.held_out_blocks or blocks) / max(1, blocks))
    general = stage.general_blocks * length if stage.general_text else 0
    return round((read + general) * (EVALUATED.rate if both_ways else 1.0))


def _tokens_of(stage: ModelStage, inputs: Inputs, data: str) -> dict[str, Any]:
    backbone = inputs.backbone.content_hash if inputs.backbone else stage.backbone.name
    cut = stage.model_dump(mode="json", include={"task", "max_seq_len", "long", "notes"})
    return {"data": data, "backbone": backbone, **cut}


def _readings_of(stage: ModelStage, inputs: Inputs) -> dict[str, Any]:
    """What else decides on a reading: a fresh layer that begins as nothing does not."""
    layers = [
        {"state": layer.kind, "adapter": {**content_of(adapter), "folder": str(adapter.folder)}} if adapter
        else layer.model_dump(mode="json")
        for layer, adapter, method in zip(
            stage.layers().layers, inputs.adapters, stage.layers().methods(inputs.adapters), strict=True
        )
        if adapter or not method.starts_as_identity or method.reads_matrices
    ]  # fmt: skip
    fields = {"head", "bidirectional", "per_class", "held_out_blocks", "general_text", "general_blocks", "scores_test"}
    kept = stage.model_dump(mode="json", include=fields)
    return {"numerics": inputs.resolved.hashable(), "layers": layers if isinstance(stage, Finetune) else [], **kept}
