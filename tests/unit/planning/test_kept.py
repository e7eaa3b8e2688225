"""What is put into the store for all runs is foretold to within a few hundredths, and counted once for all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.planning.plan import plan
from chartune.runner import run
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.store import Store
from chartune.tasks.prepare import prepare
from chartune.testing.short_texts import short_texts
from chartune.testing.twins import make_twin

LORA = {"kind": "fresh", "method": {"kind": "lora", "rank": 1}}
HEADER = 128
"""Of a file of an array, which no plan counts."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's rates matter to no test here, nor what a run keeps of its plan."""
    monkeypatch.setattr("chartune.planning.rates.TRY_SECONDS", 0.0)
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_twin("bert", tmp_path_factory.mktemp("kept") / "bert", masked=True)


def fields(data: Any, base: Path, **more: Any) -> dict[str, Any]:
    return {
        "data": data, "backbone": {"name": str(base)}, "max_seq_len": 48,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 1, "unit": "steps"}}, **more,
    }  # fmt: skip


def written(store: Store) -> int:
    """Bytes of the arrays on the two shelves, but for their headers."""
    arrays = [file for shelf in ("tokens", "readings") for file in (store.root / shelf).glob("*/*.npy")]
    return sum(file.stat().st_size - HEADER for file in arrays)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        pytest.param(Finetune, {"stack": {"layers": []}}, id="head alone"),
        pytest.param(Finetune, {"stack": {"layers": []}, "scores_test": False}, id="head alone, not final"),
        pytest.param(Finetune, {"stack": {"layers": []}, "long": {"kind": "windows", "most": 2}}, id="windows"),
        pytest.param(
            Finetune,
            {"stack": {"layers": [LORA]}, "head": {"start": "probe"}, "long": {"kind": "windows", "pool": "attention"}},
            id="weights of windows are learnt",
        ),
        pytest.param(Finetune, {"stack": {"layers": [LORA]}}, id="layer"),
        pytest.param(Finetune, {"stack": {"layers": [LORA]}, "head": {"start": "probe"}}, id="layer, probe"),
        pytest.param(Pretrain, {"method": LORA["method"]}, id="decoder"),
        pytest.param(Pretrain, {"method": LORA["method"], "held_out_blocks": 2}, id="decoder, two blocks"),
        pytest.param(Pretrain, {"method": LORA["method"], "masking": {"rate": 0.3}}, id="encoder"),
    ],
)  # fmt: skip
def test_bytes_of_tokens_and_readings_are_foretold(
    kind: type[Finetune | Pretrain],
    more: dict[str, Any],
    tmp_path: Path,
    store: Store,
    llama: LocalBackbone,
    bert: Path,
) -> None:
    data = short_texts(tmp_path / "raw", tmp_path / "lists")
    base = bert if "masking" in more else llama.folder
    stage = kind.parse(fields(data.model_dump(mode="json"), base, **more))
    prepare(data, store.open())
    foretold = plan(stage, store, exact=True).disk
    assert foretold.needed == foretold.kept + foretold.while_training + foretold.shared
    run(stage, store)
    assert foretold.shared == pytest.approx(written(store), rel=0.05)
