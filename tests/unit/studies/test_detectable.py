"""What the test splits of a study could show, as its plan says it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartune.report.detectable import expected_in_words
from chartune.studies.detectable import detectables
from chartune.tasks.dataset import read_dataset
from chartune.testing import past_runs as past


def test_a_plan_says_of_each_binary_task_of_prepared_data_what_its_test_split_could_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = past.two_runs(tmp_path)
    data = store.find("data", past.DATA)
    assert data is not None
    counts = read_dataset(data).tasks["mortality"].counts

    def said(found: Any, *tasks: str | None) -> dict[str, str]:
        of = SimpleNamespace(model_dump_json=lambda: "{}")
        stages = [SimpleNamespace(data=of) if task is None else SimpleNamespace(data=of, task=task) for task in tasks]
        family = SimpleNamespace(cells=dict(enumerate(stages)), stage=lambda number, made: stages[number])
        monkeypatch.setattr("chartune.studies.detectable.prepared", lambda preparation, store: found)
        asked: Any = SimpleNamespace(family=family, store=store)
        return detectables(asked)

    words = expected_in_words(counts, exact=True)
    assert "power of 80 %" in words
    assert said(data, None, "mortality", "mortality", "diagnoses_icd9") == {"mortality": words}
    assert said(data, "none of these") == {}
    assert said(None, "mortality") == {}
