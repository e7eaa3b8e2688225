"""Records as plain data and back, for tests that look at many fields of them, or make them of few."""

from collections.abc import Mapping
from typing import Any

from chartune.store import Artefact
from chartune.tasks.dataset import Dataset, TaskEntry, read_dataset


def plain_dataset(artefact: Artefact) -> dict[str, Any]:
    """What prepared data are, as `dataset.json` holds it; read and checked like any other."""
    return read_dataset(artefact).to_json()


def typed(plain: Mapping[str, Any]) -> Dataset:
    """Plain data as a Dataset; of the source and the tasks as much as the test cares for, the rest is blank."""
    source = {"kind": "", "version": "", "title": "", "licence": "", **plain.get("source", {})}
    tasks = {name: typed_task(task) for name, task in plain.get("tasks", {}).items()}
    corpus = {"title": "", **plain["corpus"]} if plain.get("corpus") else None
    return Dataset.model_validate({**plain, "source": source, "tasks": tasks, "corpus": corpus})


def typed_task(plain: Mapping[str, Any]) -> TaskEntry:
    """Plain data as a TaskEntry."""
    return TaskEntry.model_validate({"title": "", "answer": "binary", "labels": (), **plain})
