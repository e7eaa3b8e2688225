"""Predictions in a ledger: all rows of made-up patients, and no id of theirs."""

from pathlib import Path

import polars as pl
import pytest

from chartune.runs.run import Run
from chartune.studies import ledger_rows
from chartune.studies.ledger_rows import hashed_id, packed, unpacked
from chartune.testing.past_runs import CODED_LORA, DATA, LORA, PRETRAIN, past_runs


def test_rows_are_kept_by_hashed_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = past_runs(tmp_path)
    run = Run.of(store, LORA)
    text = packed(run)
    assert text
    assert packed(run) == text
    lines = [line.split(",") for line in unpacked(text).splitlines()]
    frame = run.predictions()
    assert lines[0] == ["split", "id", "label", "value"]
    assert [line[1] for line in lines[1:]] == [hashed_id(DATA, admission) for admission in frame["hadm_id"]]
    assert [int(line[2]) for line in lines[1:]] == frame["label"].to_list()
    given = pl.Series([float(line[3]) for line in lines[1:]])
    assert (given - frame["logit"]).abs().max() < 1e-4  # type: ignore[operator]
    assert not any(str(number) in unpacked(text) for number in (*frame["hadm_id"], *frame["subject_id"]))
    assert packed(Run.of(store, PRETRAIN)) is None
    several = unpacked(packed(Run.of(store, CODED_LORA)) or "").splitlines()[1].split(",")
    assert len(several[3].split()) == len(Run.of(store, CODED_LORA).predictions()["logits"][0])
    monkeypatch.setattr(ledger_rows, "MOST", 399)
    assert packed(run) is None
