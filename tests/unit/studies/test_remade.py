"""An adapter of a ledger that is trained again here: cells that stand on the ledger's weights still count as done."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.stages.identity import Identity
from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.ledger import Entry, append, must_be_writable, read_entries
from chartune.studies.parents import family_of
from chartune.studies.remade import named
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts

ELSEWHERE = "e" * 64
BELOW = {"kind": "trainable", "adapter": {"from": "clinical"}}
RATES = {"optimisation.learning_rate": [1e-3, 1e-2]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("chartune.planning.rates.TRY_SECONDS", 0.0)
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


def study_of(folder: Path, base: Path) -> Study:
    data = json.loads(short_texts(folder / "raw", folder / "lists").model_dump_json())
    model = {
        "backbone": {"name": str(base)}, "max_seq_len": 16, "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 1, "unit": "steps"}},
    }  # fmt: skip
    stages = {
        "clinical": {"kind": "pretrain", "method": {"kind": "lora", "rank": 2, "targets": "attention"}},
        "trained_on": {"kind": "finetune", "stack": {"layers": [BELOW]}, "space": RATES},
        "further": {"kind": "finetune", "stack": {"layers": [BELOW]}, "seed": 5},
    }
    return Study.parse({
        "title": "t", "data": data, "search": {"sampler": "grid", "trials": 2},
        "shared": {"pretrain": model, "finetune": model}, "stages": stages,
    })  # fmt: skip


def as_made_elsewhere(entry: Entry) -> Entry:
    """A line of a machine whose clinical adapter has other last digits."""
    if entry.kind == "pretrain" and entry.adapter is not None:
        return entry.model_copy(update={"adapter": {**entry.adapter, "sha256": ELSEWHERE}})
    layers: list[Any] = [{**layer, "sha256": ELSEWHERE} for layer in entry.settings["adapters"]]
    settings = {**entry.settings, "adapters": layers}
    made = Identity(entry.kind, entry.revision, settings).fingerprint
    scores = {split: {entry.metric: {"value": 0.5}} for split in entry.scores}  # of eight patients none is shown
    return entry.model_copy(update={"settings": settings, "fingerprint": made, "scores": scores})


def test_cells_on_a_ledgers_weights_are_done_and_only_what_is_missing_is_trained(
    tmp_path: Path, store: Store, llama: LocalBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="searches need optuna")
    study, first, second = study_of(tmp_path, llama.folder), tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    conduct(study, store, first)
    must_be_writable(second)
    entries = read_entries(first)
    for entry in entries.values():
        if "further" not in entry.cell:
            append(second, as_made_elsewhere(entry))
    elsewhere, (here,) = Store(tmp_path / "other").open(), [one for one in entries.values() if one.kind == "pretrain"]
    capsys.readouterr()
    conduct(study, elsewhere, second)
    said = capsys.readouterr().err
    assert said.count("its score stands in the ledger") == 2
    standings = survey(family_of(study)[0], elsewhere, read_entries(second)).standings
    clinical, trained_on, further = (standings[number] for number in range(3))
    assert clinical.run is not None
    assert clinical.identity is not None
    assert clinical.identity.fingerprint == here.fingerprint
    assert trained_on.only_listed
    assert trained_on.state == "done"
    assert further.run is not None


def test_only_the_answer_to_the_same_question_stands_for_an_adapter() -> None:
    layers = [{"sha256": "a" * 64, "method": {"rank": 2}}, None]
    identity = Identity("finetune", 1, {"adapters": layers})
    listed = {"sha256": ELSEWHERE, "method": {"rank": 2}}
    assert [one.settings["adapters"] for one in named(identity, {"a" * 64: listed})] == [layers, [listed, None]]
    assert list(named(identity, {"b" * 64: listed})) == [identity]
    assert list(named(Identity("tfidf", 1, {}), {"a" * 64: listed})) == [Identity("tfidf", 1, {})]
