"""The lines of a ledger: each cell once, as it was written, of the study's data, and none that a kill has cut."""

import json
from pathlib import Path

import pytest

from chartune.errors import ConfigError
from chartune.stages.identity import Identity
from chartune.studies.ledger import Entry, append, must_be_of, must_be_writable, read_entries


def entry(seed: int, auroc: float = 0.7, **further: str) -> Entry:
    settings = {"data": "d" * 16, "stage": {"seed": seed}}
    made = {"fingerprint": Identity("finetune", 1, settings).fingerprint, **further}
    return Entry(
        format=1, study="s", cell=f"seed={seed}", name="n", kind="finetune", revision=1, settings=settings,
        metric="auroc", title="AUROC", exact=True, cost={}, scores={"test": {"auroc": auroc}}, **made,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    must_be_writable(tmp_path / "l.jsonl")
    return tmp_path / "l.jsonl"


def test_a_cell_that_stands_there_is_not_put_there_again(ledger: Path) -> None:
    append(ledger, entry(0))
    before = ledger.read_bytes()
    append(ledger, entry(0, 0.9))
    assert ledger.read_bytes() == before
    append(ledger, entry(1))
    assert [json.loads(line)["cell"] for line in ledger.read_text().splitlines()] == ["seed=0", "seed=1"]


def test_a_score_that_somebody_changed_is_refused(ledger: Path) -> None:
    append(ledger, entry(0))
    ledger.write_text(ledger.read_text().replace("0.7", "0.9"))
    with pytest.raises(ConfigError, match=r"line 1 of the ledger .* is damaged, or was changed"):
        read_entries(ledger)


def test_a_fingerprint_of_other_settings_is_refused(ledger: Path) -> None:
    append(ledger, entry(0, fingerprint=entry(1).fingerprint))
    with pytest.raises(ConfigError, match="a fingerprint must be that of its settings"):
        read_entries(ledger)


def test_what_a_kill_has_left_of_a_line_is_cut_off_when_the_next_is_written(ledger: Path) -> None:
    append(ledger, entry(0))
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + whole[:40])
    assert set(read_entries(ledger)) == {entry(0).fingerprint}
    append(ledger, entry(1))
    assert ledger.read_bytes().startswith(whole + b'{"cell":"seed=1"')


def test_a_ledger_of_other_data_is_refused(ledger: Path) -> None:
    must_be_of([entry(0)], ["d" * 16, "e" * 16], ledger)
    with pytest.raises(ConfigError, match="must be of the data of its study"):
        must_be_of([entry(0)], ["e" * 16], ledger)
