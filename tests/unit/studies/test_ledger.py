"""A ledger that two machines wrote and somebody merged: order and repetition change nothing, disagreement is said."""

import json
from pathlib import Path

import pytest

from chartune.runs.efficiency import EFFICIENCY
from chartune.runs.run import Run
from chartune.stages.identity import Identity
from chartune.store import Store, write_json
from chartune.studies.cell import Cell
from chartune.studies.ledger import Entry, append, entry_of, must_be_writable, read_entries
from chartune.studies.report import listed_table
from chartune.testing import past_runs as past


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


MEASURED = {"best_seconds": 90.0, "best_flops": 1.234e15, "reading_texts": 37, "reading_seconds": 2.0,
            "reading_tokens": 999, "latency_seconds": 0.0125}  # fmt: skip


@pytest.mark.parametrize("source_kind", ["made-up", "mimic3"])
def test_a_line_carries_what_was_measured_and_of_real_patients_nothing_that_counts_texts(
    source_kind: str, store: Store, tmp_path: Path
) -> None:
    made = past.two_runs(tmp_path / "past", source_kind)
    write_json(made.partial("runs", "c" * 16) / EFFICIENCY, MEASURED)
    past.varied(made, "c" * 16, "lora", 1.0, {}, {"kind": "lora"}, source_kind=source_kind)
    run = Run.of(made, "c" * 16)
    settings = {"data": past.DATA, "stage": {"seed": 0}}
    line = entry_of(run, Cell("lora", {}, {"name": "lora"}), "s", Identity("finetune", 1, settings), made)
    (kept,) = lines(tmp_path, line)
    efficiency = json.loads(kept)["efficiency"]
    assert (efficiency["best_seconds"], efficiency["latency_seconds"]) == (90.0, 0.0125)
    table = listed_table([line])
    assert table is not None
    detail = table.rows[0][3].detail
    assert "to the best 1 min 30 s" in detail
    assert "one text 12.5 ms" in detail
    if source_kind == "made-up":
        assert efficiency == MEASURED
    else:
        assert not {name for name in efficiency if name.startswith("reading")}
        assert "1.234" not in kept
    (tmp_path / "l.jsonl").write_text(kept)
    assert read_entries(tmp_path / "l.jsonl")[line.fingerprint].efficiency == efficiency
