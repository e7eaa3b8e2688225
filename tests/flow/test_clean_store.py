"""`chartune clean` on what real stages leave: a begun run holds its data and token arrays, a finished one, too."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.prediction import files
from chartune.runs.holdings import holdings
from chartune.stages import finetune as stage
from chartune.store import Store
from chartune.testing.command_line import chartune


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def cleaned(store: Store, *words: str) -> dict[str, Any]:
    said = chartune("clean", *words, "--store", store.root, "--json")
    assert said.code == 0, said.err
    result: dict[str, Any] = json.loads(said.out)
    return result


def test_data_and_token_arrays_stay_as_long_as_a_run_begun_or_finished_needs_them(
    store: Store, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"subject_id": range(120), "text": [f"fever {n} {'pain' * (n % 2)}" for n in range(120)]}
    table = tmp_path / "notes.csv"
    pl.DataFrame(rows | {"label": [n % 2 for n in range(120)]}).write_csv(table)
    words = (table, "--base", llama.folder, "--name", "mine", "--set", "max_seq_len=8", "--set", "head.start=probe",
             "--set", "optimisation.duration.value=1", "--store", store.root)  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(stage, "fit", interrupt)
        assert chartune("finetune", *words).code == 130
    by_kind = {one.kind: one for one in holdings(store)}
    assert by_kind["runs"].state == "unfinished"
    assert by_kind["runs"].needs is not None  # known, and not only held for safety
    assert by_kind["runs"].rests_on(by_kind["data"])
    assert by_kind["runs"].rests_on(by_kind["tokens"])
    assert by_kind["tokens"].of == (by_kind["data"].fingerprint, llama.content_hash)
    both = ("--kind", "data", "--kind", "tokens", "--yes")
    held = {row["kind"]: row["held_back"] for row in cleaned(store, *both)["holdings"]}
    assert all("unfinished runs/" in reason for reason in held.values())
    assert set(held) == {"data", "tokens"}
    assert chartune("finetune", *words).code == 0
    assert cleaned(store, *both)["removed"] == []
    with monkeypatch.context() as patch:
        patch.setattr(files, "prediction_rows", interrupt)
        out = ("--out", tmp_path / "out.csv", "--store", store.root)
        assert chartune("predict", "mine", table, *out).code == 130
    assert "predictions/" in str([row["held_back"] for row in cleaned(store, "mine", "--yes")["holdings"]])
    gone = cleaned(store, "--kind", "runs", "--kind", "data", "--kind", "predictions", "--yes")
    assert len(gone["removed"]) == 3 + 1 + 2  # token arrays of data that went go along, and what was read of two splits
    assert holdings(store) == []
