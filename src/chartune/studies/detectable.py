"""What the test splits of a study could show: said by its plan, before one of them is opened."""

from chartune.answers import answer_of
from chartune.disclosure import is_made_up
from chartune.errors import ChartuneError
from chartune.planning.prepared import prepared
from chartune.report.detectable import expected_in_words
from chartune.store import Artefact
from chartune.studies.standing import Survey
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import task_named


def detectables(asked: Survey) -> dict[str, str]:
    """Task → the smallest difference that its test split would show, of binary tasks whose data are prepared."""
    said: dict[str, str] = {}
    seen: dict[str, Artefact | None] = {}
    for number in asked.family.cells:
        stage = asked.family.stage(number, {})
        if not hasattr(stage, "task"):
            continue
        key = stage.data.model_dump_json()
        if key not in seen:
            seen[key] = prepared(stage.data, asked.store)
        data = seen[key]
        if data is not None:
            said |= _of(data, stage.task or "")
    return said


def _of(data: Artefact, task: str) -> dict[str, str]:
    dataset = read_dataset(data)
    try:
        name = task_named(dataset.tasks, task)
    except ChartuneError:  # said where the cell is planned
        return {}
    entry = dataset.tasks[name]
    words = expected_in_words(entry.counts, is_made_up(dataset.source)) if answer_of(entry.answer).one_outcome else ""
    return {name: words} if words else {}
