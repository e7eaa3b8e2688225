"""Which run a stage has, or would have: its identity, worked out without doing it."""

from collections.abc import Mapping
from typing import Any, Final

from chartune.adapters.stack import Fresh
from chartune.runner import AnyStage
from chartune.runs.ledger import run_at
from chartune.stages import ensemble, finetune, pretrain, prior, prompted, structured, tfidf
from chartune.stages.bases import find_or_convert
from chartune.stages.identity import Identity, identified
from chartune.stages.inputs import content_of, find_adapter
from chartune.stages.resolving import resolved_of
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import task_named

REVISIONS: Final = {
    "pretrain": pretrain.REVISION, "finetune": finetune.REVISION, "tfidf": tfidf.REVISION,
    "structured": structured.REVISION, "prior": prior.REVISION, "ensemble": ensemble.REVISION,
    "prompted": prompted.REVISION,
}  # fmt: skip
Contents = Mapping[str, Mapping[str, Any]]
"""Reference of a layer → `sha256` of its weights, and their method; of adapters that lie elsewhere. Of a member of an
ensemble → its fingerprint as `run`."""


def identity_of(stage: AnyStage, data: Artefact, store: Store, elsewhere: Contents) -> Identity | None:
    """The identity of a stage's run; None: its base model is yet to be made.

    Args:
        stage: its config.
        data: its prepared data.
        store: where base models and adapters are.
        elsewhere: the content of adapters that are not in this store.

    Raises:
        ConfigError: a base model or an adapter is missing.
        AdapterError: an adapter cannot be read.
        DataError: the data were prepared without its task.
    """
    parts = _parts(stage, data, store, elsewhere)
    if parts is None:
        return None
    return identified(stage, data.fingerprint, kind=stage.kind, revision=REVISIONS[stage.kind], parts=parts)


def _parts(stage: AnyStage, data: Artefact, store: Store, elsewhere: Contents) -> dict[str, Any] | None:
    if isinstance(stage, tfidf.Tfidf):
        limit = find_or_convert(stage.length.backbone, store) if stage.length else None
        return None if stage.length and limit is None else tfidf.parts_of(_task(stage.task, data), limit)
    if isinstance(stage, structured.Structured):
        return structured.parts_of(_task(stage.task, data))
    if isinstance(stage, prior.Prior):
        return prior.parts_of(_task(stage.task, data))
    if isinstance(stage, ensemble.Ensemble):
        return ensemble.parts_of(_task(stage.task, data), [_member(each, store, elsewhere) for each in stage.members])
    base = find_or_convert(stage.backbone, store)
    if base is None:
        return None
    if isinstance(stage, prompted.Prompted):
        return prompted.parts_of(_task(stage.task, data), base, resolved_of(stage, base))
    if isinstance(stage, pretrain.Pretrain):
        return pretrain.parts_of(stage, base, resolved_of(stage, base, read_dataset(data)))
    contents = [
        None if isinstance(layer, Fresh) else _content(layer.adapter, store, elsewhere) for layer in stage.stack.layers
    ]
    return finetune.parts_of(_task(stage.task, data), base, resolved_of(stage, base), contents)


def _member(run: str, store: Store, elsewhere: Contents) -> str:
    return str(elsewhere[run]["run"]) if run in elsewhere else run_at(store, run).fingerprint


def _content(adapter: str, store: Store, elsewhere: Contents) -> Mapping[str, Any]:
    return elsewhere.get(adapter) or content_of(find_adapter(adapter, store))


def _task(name: str, data: Artefact) -> str:
    return task_named(read_dataset(data).tasks, name)
