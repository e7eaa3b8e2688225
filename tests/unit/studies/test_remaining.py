"""How much time is left of a study: measured on cells alike, else planned; done and failed cells take none."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.failures import record_death
from chartune.studies.forecast import Forecast
from chartune.studies.parents import family_of
from chartune.studies.remaining import Remaining, remaining
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts


def test_what_is_measured_goes_before_what_is_planned(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> Remaining:
        return remaining(survey(family, store, {}))

    monkeypatch.setattr("chartune.studies.remaining.forecast", lambda *_: Forecast("a cell", seconds=1000.0))
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    one: dict[str, Any] = {"kind": "tfidf", "least_documents": 1, "grid": {"seed": [0]}}
    stages = {"one": one, "two": one | {"least_documents": 2}}
    conduct(Study.parse({"title": "t", "data": data, "stages": {"one": one}}), store.open())
    more = {"one": one | {"grid": {"seed": [0, 1, 2]}}, "two": stages["two"]}
    study = Study.parse({"title": "t", "data": data, "stages": more})
    family = family_of(study)[0]
    seconds = survey(family, store, {}).standings[0].run.cost.seconds  # type: ignore[union-attr]
    assert seconds is not None
    assert left() == Remaining(seconds + seconds + 1000, measured=2, planned=1, unknown=0)
    record_death(study, family.cells[3], store, "its worker has ended with signal 9")
    assert left() == Remaining(seconds + seconds, measured=2, planned=0, unknown=0)
    standing = survey(family, store, {}).standings[1]
    assert standing.identity is not None
    partial = store.partial("runs", standing.identity.fingerprint)
    (partial / "stage.yaml").touch()
    monkeypatch.setattr("chartune.studies.remaining.now", lambda: 1e9)
    os.utime(partial / "stage.yaml", (1e9 - seconds / 2,) * 2)
    with store.lease("runs", standing.identity.fingerprint):
        assert left().seconds == pytest.approx(1.5 * seconds, abs=1e-3)
    assert "left for one worker: about" in left().as_text()
    conduct(study, store)
    assert left().as_text() == ""
