"""Followed: of real patients a score is shown only where it is known how many stand behind it."""

from typing import Any

import pytest

from chartune.log import Event
from chartune.report.followed import released_events
from chartune.runs.record import RunRecord
from chartune.testing.plain import typed

REAL = {"kind": "mimic3", "version": "1.4", "title": "MIMIC-III"}
RUN = RunRecord.model_validate({"kind": "finetune", "task": "mortality", "answer": "binary", "source": REAL})
MANY = {"subjects": 400, "admissions": 500, "positives": 60}
FEW = {"subjects": 400, "admissions": 500, "positives": 9}


@pytest.mark.parametrize(
    ("tasks", "value"),
    [
        (None, None), ({}, None), ({"mortality": {}}, None), ({"mortality": {"counts": {"train": MANY}}}, None),
        ({"mortality": {"counts": {"validation": FEW}}}, None),
        ({"mortality": {"counts": {"validation": MANY}}}, 0.612),
    ],
    ids=["data are gone", "no such task", "no counts", "no validation counts", "few", "many"],
)  # fmt: skip
def test_a_score_is_shown_only_where_it_is_known_who_stands_behind_it(
    tasks: dict[str, Any] | None, value: float | None
) -> None:
    dataset = None if tasks is None else typed({"source": REAL, "tasks": tasks})
    shown = released_events(RUN, dataset).event(Event(5, "auroc", 0.612345, "validation", planned=10))
    assert (shown.value if shown else None) == value
    exact = released_events(RUN, dataset, exact=True).event(Event(5, "auroc", 0.612345, "validation", planned=10))
    assert exact is not None
    assert exact.value == 0.612345


@pytest.mark.parametrize("tasks", [None, {}, {"mortality": {}}, {"mortality": {"counts": {"train": MANY}}}])
def test_nobody_stands_behind_scores_whose_patients_were_never_counted(tasks: dict[str, Any] | None) -> None:
    """Not a split without patients: of that something would be known."""
    assert released_events(RUN, None if tasks is None else typed({"source": REAL, "tasks": tasks})).behind is None
    counted = typed({"source": REAL, "tasks": {"mortality": {"counts": {"validation": MANY}}}})
    assert released_events(RUN, counted).behind is not None
