"""A ledger that two machines wrote and somebody merged: order and repetition change nothing, disagreement is said."""

import json
from pathlib import Path

import pytest

from chartune.stages.identity import Identity
from chartune.studies.ledger import Entry, append, must_be_writable, read_entries


def entry(seed: int, auroc: float) -> Entry:
    settings = {"data": "d" * 16, "stage": {"seed": seed}}
    return Entry(
        format=1, study="s", cell=f"seed={seed}", name="n", kind="finetune", revision=1, settings=settings,
        fingerprint=Identity("finetune", 1, settings).fingerprint, metric="auroc", title="AUROC", exact=True, cost={},
        scores={"test": {"auroc": auroc}},
    )  # fmt: skip


def lines(folder: Path, *entries: Entry) -> list[str]:
    written = []
    for number, one in enumerate(entries):
        must_be_writable(folder / f"{number}.jsonl")
        append(folder / f"{number}.jsonl", one)
        written.append((folder / f"{number}.jsonl").read_text())
    return written


def test_a_merged_ledger_says_where_two_machines_disagree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, other = lines(tmp_path, entry(0, 0.7), entry(1, 0.8), entry(0, 0.71))
    ledger = tmp_path / "l.jsonl"

    def scores(*given: str) -> list[float]:
        ledger.write_text("".join(given))
        return sorted(one.scores["test"]["auroc"] for one in read_entries(ledger).values())

    assert scores(first, second) == scores(second, first, second, first.replace("\n", "\r\n")) == [0.7, 0.8]
    assert capsys.readouterr().err == ""
    assert scores(first, second, other, other) == [0.7, 0.8]
    assert "1 cells stand in" in capsys.readouterr().err
    assert scores(other, first) == [0.71]
    assert json.loads(other)["fingerprint"] == json.loads(first)["fingerprint"]
