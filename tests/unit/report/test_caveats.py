"""Caveats of a page: base models that have read the hospital's notes before are named."""

from pathlib import Path

import pytest

from chartune.report.caveats import caveats
from chartune.runs.ledger import finished_runs
from chartune.testing import past_runs
from chartune.testing.plain import typed


@pytest.mark.parametrize(("source", "saw", "circular"), [
    ("mimic3", "mimic notes", True), ("mimic3", "no hospital notes", False), ("mimic3", None, False),
    ("made-up", "mimic notes", False),
])  # fmt: skip
def test_a_base_that_has_read_the_hospital_s_notes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, saw: str | None, circular: bool
) -> None:
    monkeypatch.setitem(past_runs.BACKBONE, "saw", saw)
    runs = finished_runs(past_runs.two_runs(tmp_path / "store", source))
    notes = caveats(runs, {past_runs.DATA: typed(past_runs.dataset(source))}, 0)
    assert any(note.startswith("Circular: small-llama had read") for note in notes) == circular
