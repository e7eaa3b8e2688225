"""Facts: what a run records of its base model, task, source and machine."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import torch

from chartune.adapters.adapter import Adapter
from chartune.adapters.stack import AnyLayer, Fresh, Frozen, state_of
from chartune.launched import processes
from chartune.models.backbone import LocalBackbone
from chartune.models.exposure import exposure_of
from chartune.models.numerics import Resolved
from chartune.models.semantic_types import has_types
from chartune.models.typed_embedding import groups_of
from chartune.stages.table import TaskTable
from chartune.tasks.dataset import Dataset
from chartune.train.meter import device_name

PACKAGES: Final = ("chartune", "torch", "transformers", "peft", "accelerate", "polars", "scikit-learn")


def environment(resolved: Resolved | None, switched: Mapping[str, Any]) -> dict[str, Any]:
    """What a number depends on beside the config: versions, machine, numerics, fidelity switches."""
    return {
        **{package: version(package) for package in PACKAGES},
        "python": platform.python_version(), "platform": platform.platform(), "cpu": device_name(),
        "threads": torch.get_num_threads(), "device": resolved.device if resolved else "cpu",
        "precision": resolved.precision if resolved else None, "attention": resolved.attention if resolved else None,
        "compiled": bool(resolved and resolved.compiled),
        "reading": resolved.reading if resolved else None,
        "precision_reason": resolved.reason if resolved else None, "switches": dict(switched),
        **({"processes": processes()} if processes() > 1 else {}),
        **({"quantisation": resolved.quantisation} if resolved and resolved.quantisation != "none" else {}),
    }  # fmt: skip


def numerics_of(resolved: Resolved) -> dict[str, str]:
    """Device, precision, attention; how it reads and how its base is held, where not in the usual way."""
    ways = {"reading": resolved.reading, "quantisation": resolved.quantisation}
    further = {name: way for name, way in ways.items() if way not in ("as-trained", "none")}
    return {"device": resolved.device, "precision": resolved.precision, "attention": resolved.attention, **further}


def backbone_facts(backbone: LocalBackbone, parameters: int) -> dict[str, Any]:
    """The base model's entry in run.json."""
    return {
        "name": backbone.name, "family": backbone.family.model_type, "parameters": parameters,
        "content_hash": backbone.content_hash, "licence": backbone.licence, "exposure": backbone.exposure,
        "saw": exposure_of(backbone.name, backbone.config).saw,
        **({"semantic_types": len(groups_of(backbone))} if has_types(backbone) else {}),
    }  # fmt: skip


def task_facts(table: TaskTable) -> dict[str, Any]:
    """The task's entries in run.json; of a yes-or-no task with the class that is asked about, and both."""
    facts: dict[str, Any] = {
        "task": table.task, "answer": table.space.answer, "labels": list(table.space.labels),
        "titles": list(table.space.titles), "reads": table.recipe, **({"of_pairs": True} if table.of_pairs else {}),
        **({"candidates": table.candidates} if table.candidates else {}),
    }  # fmt: skip
    if table.space.positive is not None:
        facts |= {"positive": table.space.positive, "classes": list(table.space.labels)}
    return facts


def source_facts(dataset: Dataset) -> dict[str, str]:
    """The source's entry in run.json."""
    return {field: getattr(dataset.source, field) for field in ("kind", "version", "title")}


def layer_facts(layer: AnyLayer, adapter: Adapter | None) -> dict[str, Any]:
    """A layer's entry in run.json; adapter: what it is trained from, None of a fresh one."""
    method = layer.method if isinstance(layer, Fresh) else adapter.method if adapter else None
    if method is None:
        raise AssertionError("a trained layer comes with its adapter")
    return {
        "state": state_of(layer),
        "method": method.model_dump(mode="json"),
        "titled": method.title(),
        "run": adapter and adapter.run,
        "sha256": adapter and adapter.sha256,
        "base": adapter and adapter.base,
        **({"shuffled": layer.shuffled} if isinstance(layer, Frozen) and layer.shuffled is not None else {}),
    }
