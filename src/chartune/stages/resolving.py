"""Resolving: the numerics of a stage on this machine, by rule, from its config, its base model and its data.

Numerics (as chosen) ─device, precision, attention─▶ + how texts are read ─▶ + whether blocks are compiled ─▶ Resolved
"""

from dataclasses import replace
from functools import partial
from math import prod
from typing import Final, Literal

import torch
from transformers import AutoModel

from chartune.adapters.stack import Fresh, Stack
from chartune.launched import processes
from chartune.models.architecture import shape_of, skeleton
from chartune.models.backbone import LocalBackbone
from chartune.models.compiled import COMPILED_FAMILIES, compiled_by_rule
from chartune.models.fused_encoder import can_be_fused
from chartune.models.load import parameters_of
from chartune.models.numerics import Resolved, resolve
from chartune.models.weights import headers
from chartune.stages.model_stage import ModelStage
from chartune.tasks.dataset import Dataset
from chartune.train.gradients import HALVES

NARROW: Final = 1024
"""Width D of hidden states up to which layers are merged for reading: in wider models a layer costs little beside its
matrix, and the merged copy takes gigabytes."""


def resolved_of(stage: ModelStage, backbone: LocalBackbone | None, dataset: Dataset | None = None) -> Resolved:
    """The numerics of a stage on this machine.

    Args:
        stage: its config.
        backbone: the base model; None: it is yet to be made.
        dataset: its prepared data; None: not known.

    Raises:
        ConfigError: what the config chooses cannot be.
    """
    fused, stack = backbone is None or backbone.family.fused, stage.layers()
    trains = {"trains_body": stack.trains_body(), "trains_all": stack.trains_all()}
    resolved = resolve(stage.numerics, stage.max_seq_len, **trains, fused=fused)
    way = _way_of_reading(stage, backbone, resolved)
    resolved = replace(resolved, reading=way, reason=f"{resolved.reason}; read {way}")
    encoder = "" if backbone is None or backbone.family.is_decoder else "the base reads both ways"
    several = "several processes train it" if processes() > 1 else ""
    impossible = encoder or several or stage.uncompiled()
    untried = "" if backbone is None else _untried(stack, backbone)
    flops = partial(_flops, stage, backbone, dataset)
    return _by_two(stage, stack, compiled_by_rule(resolved, stage.numerics, impossible, untried, flops))


def _by_two(stage: ModelStage, stack: Stack, resolved: Resolved) -> Resolved:
    """With two threads that take half of a micro-batch each, where they gain.

    Compiled blocks have one size of batch; of all weights a second gradient would take much memory.
    """
    able = processes() == 1 and resolved.device == "cpu" and torch.get_num_threads() >= HALVES and stack.trains_body()
    if not able or resolved.compiled or stack.trains_all() or stage.numerics.data_parallel == "off":
        return resolved
    reason = f"{resolved.reason}; halves of a micro-batch by two threads, unless dropout is drawn"
    return replace(resolved, data_parallel=True, reason=reason)


def _untried(stack: Stack, backbone: LocalBackbone) -> str:
    """Why `auto` does not compile blocks with these layers; empty: both were tried."""
    if backbone.family.model_type not in COMPILED_FAMILIES:
        return f"tried on {', '.join(COMPILED_FAMILIES)} alone"
    fresh = [layer.method for layer in stack.placed if isinstance(layer, Fresh)]
    return next((f"not tried with {method.title()}" for method in fresh if not method.compiles), "")


def _flops(stage: ModelStage, backbone: LocalBackbone | None, dataset: Dataset | None) -> float:
    """Floating-point operations of a training, 4 for each parameter and token; 0: not known.

    Parameters are those in the files of the base; where its sizes alone are known, those of its body.
    """
    if backbone is None or dataset is None:
        return 0.0
    shapes = [header.shape for header in headers(backbone.weights).values()]
    return 4.0 * (sum(map(prod, shapes)) or parameters_of(backbone)) * stage.tokens(dataset)


def _way_of_reading(
    stage: ModelStage, backbone: LocalBackbone | None, resolved: Resolved
) -> Literal["as-trained", "merged", "fused"]:
    """How texts are read where nothing learns: by what stage and base say, never by how much there is to read.

    So a text gets the same score from a run, its evaluations and `predict`.
    """
    stack, choice = stage.layers(), stage.numerics.reading
    wide = backbone is not None and shape_of(backbone).hidden_size > NARROW
    if choice == "as-trained" or resolved.quantisation != "none" or wide:
        return "as-trained"
    stays = [isinstance(layer, Fresh) and bool(layer.method.unmergeable) for layer in stack.placed]
    plain = resolved.device == "cpu" and not stage.needs_lm_head and not any(stays)
    if choice == "auto" and plain and _is_of_berts_kind(backbone):
        return "fused"
    return "as-trained" if all(stays) or stack.trains_all() else "merged"


def _is_of_berts_kind(backbone: LocalBackbone | None) -> bool:
    """Whether an encoder can be read by fewer operations."""
    if backbone is None or backbone.family.is_decoder:
        return False
    known = _of_berts_kind.get(backbone.content_hash)
    if known is None:  # a study asks for hundreds of identities
        known = can_be_fused(skeleton(shape_of(backbone), AutoModel, backbone.folder / "config.json"))
        _of_berts_kind[backbone.content_hash] = known
    return known


_of_berts_kind: dict[str, bool] = {}
"""Content hash → what was seen."""
