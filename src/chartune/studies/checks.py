"""Checks of a study before its first cell starts: all that is wrong is said at once, each problem once.

references · paths · task names · bases, positions, adapters on bodies without memory ─▶ prepare ─▶ labels, corpus
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chartune.adapters.expected import Expected
from chartune.errors import ChartuneError, ConfigError, DataError
from chartune.models.losses import CROSS_ENTROPY
from chartune.stages.assembly import assemble, bare_body
from chartune.stages.bases import find_or_convert
from chartune.stages.ensemble import Ensemble
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import inputs_of
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.pretrain import Pretrain
from chartune.stages.prompted import Prompted, must_be_asked
from chartune.stages.table import read_table
from chartune.stages.texts import must_have_documents
from chartune.stages.tfidf import Tfidf
from chartune.store import Artefact, Store
from chartune.studies.cell import Cell
from chartune.studies.parents import Family
from chartune.studies.problems import together
from chartune.studies.spaces import corners
from chartune.tasks.prepare import prepare, task_named

Problems = list[tuple[str, str]]


def must_be_sound(family: Family, problems: Problems, store: Store) -> None:
    """Refuse a study of which a cell cannot be done, as far as that is known without its data.

    Args:
        family: its cells.
        problems: what is known to be wrong already, by title of a cell.
        store: where base models and adapters are.

    Raises:
        ConfigError: with all problems, each once, and the cells that it hits.
    """
    known: dict[str, str] = {}
    every = list(problems)
    for number, cell in family.cells.items():
        wrong = [why for asked in corners(cell) for why in _wrong_with(family, number, asked, store, known)]
        every += [(cell.title(), why) for why in dict.fromkeys(wrong)]
    _refuse(every, ConfigError)


def prepared(family: Family, store: Store) -> dict[int, Artefact]:
    """The data of every cell, prepared, and each found fit for its cell.

    Raises:
        ConfigError: a reference means no cell.
        DataError: data cannot be prepared, or a cell cannot learn from them; all such reasons. One alone keeps its
            kind.
    """
    made: dict[str, Artefact | ChartuneError] = {}
    problems: list[tuple[str, ChartuneError]] = []
    data: dict[int, Artefact] = {}
    fit: dict[tuple[str, str], ChartuneError | None] = {}
    for number, cell in family.cells.items():
        stage = family.stage(number, {})
        key = _key(stage.data)
        if key not in made:
            made[key] = _or_error(lambda stage=stage: prepare(stage.data, store))  # type: ignore[misc]
        artefact = made[key]
        if isinstance(artefact, ChartuneError):
            problems.append((cell.title(), artefact))
            continue
        data[number] = artefact
        about = (artefact.fingerprint, "corpus" if isinstance(stage, Pretrain) else f"task {stage.task}")
        if about not in fit:
            fit[about] = _or_error(lambda stage=stage, artefact=artefact: _must_fit(stage, artefact))  # type: ignore[misc]
        problems += [(cell.title(), error)] if (error := fit[about]) else []
    kinds = {type(error) for _, error in problems}
    _refuse([(title, str(error)) for title, error in problems], kinds.pop() if len(kinds) == 1 else DataError)
    return data


def _refuse(problems: Problems, error: type[ChartuneError]) -> None:
    if problems:
        raise error(f"every cell of a study must be fit to run before the first one starts, but {together(problems)}")


def _wrong_with(family: Family, number: int, asked: Cell, store: Store, known: dict[str, str]) -> Iterator[str]:
    """What is wrong with a cell, or a trial of it; models that are alike are looked at once."""
    try:
        stage, expected = family.stage(number, {}, asked), family.expected(number, {}, store)
    except ChartuneError as error:
        yield str(error)
        return
    yield from _paths_missing(stage.data)
    if not isinstance(stage, Pretrain):
        yield from filter(None, [_said(lambda: _must_have_task(stage))])
    if isinstance(stage, Ensemble):
        yield from filter(None, [_said(lambda: _must_answer_alike(family, number, stage))])
    key = _model_of(stage)
    if key not in known:
        known[key] = _said(lambda: _must_be_possible(stage, store, expected))
    yield from filter(None, [known[key]])


def _paths_missing(data: Any) -> Iterator[str]:
    """Raw files and lists of patients that are not there."""
    for part in (data.source, data.splits):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Path) and not value.expanduser().exists():
                yield f"`{name}` of its data must exist, but {value} does not"


def _must_have_task(stage: Any) -> None:
    _task_of(stage)


def _must_answer_alike(family: Family, number: int, stage: Ensemble) -> None:
    """The members of an ensemble that are cells of the study predict its task."""
    for need, parent in family.parents[number].items():
        other = family.stage(parent, {})
        asked = None if isinstance(other, Pretrain) else _task_of(other)
        if asked != _task_of(stage):
            raise ConfigError(
                f"members of an ensemble must answer its task, {_task_of(stage)}, but `{need}` answers "
                f"{asked or 'none'}; give both the same `task`."
            )


def _task_of(stage: Any) -> str:
    return task_named([task.name for task in stage.data.tasks], stage.task)


def _must_be_possible(stage: Any, store: Store, expected: Mapping[str, Expected]) -> None:
    """Base, layers and positions fit: the model is put together without memory."""
    if isinstance(stage, ModelStage):
        inputs = inputs_of(stage, store, make=False, expected=expected)
        spec = HeadSpec(np.zeros(2, dtype=np.float32), CROSS_ENTROPY)
        assemble(stage, inputs, bare_body(stage, inputs, planned=True), spec, planned=True)
    elif isinstance(stage, Tfidf) and stage.length:
        find_or_convert(stage.length.backbone, store)


def _must_fit(stage: Any, data: Artefact) -> None:
    if isinstance(stage, Pretrain):
        must_have_documents(data)
        return
    table = read_table(data, stage.task, for_model=isinstance(stage, Finetune | Prompted))
    if isinstance(stage, Prompted):
        must_be_asked(stage, table)
    table.must_be_learnable()


def _model_of(stage: Any) -> str:
    """What decides whether its model is possible."""
    fields = ("kind", "backbone", "length", "numerics", "max_seq_len", "stack", "method", "head", "notes")
    return json.dumps({name: _plain(getattr(stage, name, None)) for name in fields}, sort_keys=True, default=str)


def _key(data: Any) -> str:
    return json.dumps(_plain(data), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _said(check: Callable[[], None]) -> str:
    """Why a check refuses; empty: it does not."""
    outcome = _or_error(check)
    return str(outcome) if isinstance(outcome, ChartuneError) else ""


def _or_error(make: Callable[[], Any]) -> Any:
    """What a call gives, or the error that refuses it."""
    try:
        return make()
    except ChartuneError as error:
        return error
