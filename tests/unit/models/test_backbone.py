"""A base model is checked at the door."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from chartune.errors import AdapterError, ConfigError
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone, inspect
from chartune.models.load import Resolved, load_body
from chartune.stages.stage import must_reach
from chartune.store import Store


def look(folder: Path) -> LocalBackbone:
    return inspect(folder, name="x", licence="none", exposure="none")


@pytest.fixture
def copy(llama: LocalBackbone, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama.folder, tmp_path / "copy"))


def test_a_base_without_a_tokenizer_is_refused_with_the_way_out(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(AdapterError, match=r"needs its tokenizer .* copy the tokenizer files"):
        look(copy)


def test_a_base_with_pickled_weights_only_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(AdapterError, match="a pickle can run code"):
        look(copy)


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code", "_attn_implementation_internal"])
def test_a_config_that_asks_for_foreign_code_is_refused(copy: Path, key: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, key: "evil/repo--model.py"}))
    with pytest.raises(AdapterError, match=key):
        look(copy)


def test_an_unknown_architecture_is_refused_with_the_known_ones(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(AdapterError, match=r"bert, .*llama.*mamba"):
        look(copy)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match="small-llama, minilm"):
        find_backbone(Backbone(name=str(tmp_path)), store)


def test_a_base_that_lacks_weights_is_refused_and_not_filled_at_random(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.0.self_attn.q_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdapterError, match=r"lacks 1, the first is layers\.0\.self_attn\.q_proj"):
        load_body(look(copy), Resolved("cpu", "fp32", "eager", "a test"))


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_cut_off_file_is_a_clear_error(copy: Path, file: str) -> None:
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(AdapterError, match="but it "):
        load_body(look(copy), Resolved("cpu", "fp32", "eager", "a test"))


def test_more_tokens_than_positions_are_refused(bert: LocalBackbone) -> None:
    must_reach(160, bert)
    with pytest.raises(ConfigError, match=r"at most 160 for tiny-bert, but got 161"):
        must_reach(161, bert)


def test_the_identity_is_the_content_not_the_place(copy: Path, llama: LocalBackbone) -> None:
    assert look(copy).content_hash == llama.content_hash
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    assert look(copy).content_hash != llama.content_hash
