"""A base model is checked at the door."""

import importlib.util
import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from chartune.errors import AdapterError, ConfigError, StoreError
from chartune.models.architecture import shape_of
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone, inspect, usual
from chartune.models.load import load_body
from chartune.models.meta import meta_body
from chartune.models.precision import HALF, Computed
from chartune.models.rounding import round_matrices
from chartune.stages.inputs import find_adapter
from chartune.stages.model_stage import must_have_positions
from chartune.store import Store
from chartune.testing.twins import EXACT, FAMILIES, twin


def look(folder: Path) -> LocalBackbone:
    return inspect(folder, name="x", licence="none", exposure="none")


@pytest.fixture
def copy(llama: LocalBackbone, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama.folder, tmp_path / "copy"))


def test_a_base_without_a_tokenizer_is_refused_with_the_way_out(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(AdapterError, match=r"tokenizer\.json"):
        look(copy)


def test_a_base_with_pickled_weights_only_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(AdapterError, match="chartune import-backbone"):
        look(copy)


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code", "_attn_implementation_internal"])
def test_a_config_that_asks_for_foreign_code_is_refused(copy: Path, key: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, key: "evil/repo--model.py"}))
    with pytest.raises(AdapterError, match=key):
        look(copy)


@pytest.mark.parametrize(("model_type", "why"), {
    "lama": "did you mean llama", "mamba": "without attention", "t5": "writes with a decoder",
    "gemma3": r"several models \(text_config, vision_config\)", "vit": "reads pixel_values",
    "funnel": "not one headless model", "patchtst": "reads past_values", "mixtral": "mixture of experts",
}.items())  # fmt: skip
def test_an_architecture_that_cannot_be_adapted_is_refused_with_the_reason(
    copy: Path, model_type: str, why: str
) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(AdapterError, match=why):
        look(copy)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/base", "n" * 5000, "a\0b", "./" + "n" * 300])
def test_a_name_that_no_folder_can_have_is_refused_like_any_other(store: Store, name: str) -> None:
    with pytest.raises(ConfigError, match=r"catalog|local cache"):
        find_backbone(Backbone(name=name), store)
    with pytest.raises(ConfigError):
        find_adapter(name, store)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match="small-llama, smollm2, minilm"):
        find_backbone(Backbone(name=str(tmp_path)), store)


@pytest.mark.parametrize(("typed", "meant"), [("miniml", "minilm"), ("./small_lama", "small-llama"), ("gpt-9", None)])
def test_a_name_that_is_near_one_of_the_catalog_is_answered_with_it(
    store: Store, typed: str, meant: str | None
) -> None:
    with pytest.raises(ConfigError, match="catalog") as caught:
        find_backbone(Backbone(name=typed), store)
    assert str(caught.value).endswith(f"Did you mean `{meant}`?" if meant else "is not.")


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_family_reads_as_far_as_it_says_and_has_no_pooler(twins: Path, model_type: str) -> None:
    backbone = twin(twins, model_type)
    body = load_body(backbone, EXACT)
    assert not any("pooler" in name for name, _ in body.module.named_modules())
    longest = torch.full((1, min(512, backbone.max_positions)), 5)
    assert body.module(input_ids=longest, attention_mask=torch.ones_like(longest)).last_hidden_state.isfinite().all()
    shape = shape_of(backbone)
    drawn = meta_body(shape, backbone.family, EXACT).module
    assert {n: p.shape for n, p in drawn.named_parameters()} == {n: p.shape for n, p in body.module.named_parameters()}


def test_a_base_that_lacks_weights_is_refused_and_not_filled_at_random(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.0.self_attn.q_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdapterError, match=r"layers\.0\.self_attn\.q_proj"):
        load_body(look(copy), EXACT)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_cut_off_file_is_a_clear_error(copy: Path, file: str) -> None:
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(AdapterError, match=r"but (it|safetensors) "):
        load_body(look(copy), EXACT)


def test_more_tokens_than_positions_are_refused(bert: LocalBackbone) -> None:
    must_have_positions(160, bert)
    with pytest.raises(ConfigError, match=r"160 .*tiny-bert.* 161"):
        must_have_positions(161, bert)


def test_virtual_tokens_that_leave_a_text_no_place_are_refused_with_how_many_do(bert: LocalBackbone) -> None:
    must_have_positions(2, bert, taken=158)
    with pytest.raises(ConfigError, match="must be at most 2 for tiny-bert behind 158 virtual tokens"):
        must_have_positions(3, bert, taken=158)
    for taken in (159, 5000):
        with pytest.raises(ConfigError, match=f"has 160 and {taken} tokens are virtual; choose at most 158"):
            must_have_positions(2, bert, taken=taken)


def test_a_base_is_named_after_its_folder_and_one_of_the_hub_s_cache_after_its_model(
    copy: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = Path(shutil.copytree(copy, copy.parent / "models--lab--notes-bert" / "snapshots" / ("0" * 40)))
    for name, expected in ((copy, "copy"), (cached, "notes-bert")):
        found = find_backbone(Backbone(name=str(name)), store)
        assert found is not None
        assert found.name == expected
    monkeypatch.chdir(copy)
    here = find_backbone(Backbone(name="."), store)
    assert here is not None
    assert here.name == "copy"


def test_a_copy_of_a_catalogued_base_keeps_its_name_and_licence(copy: Path, store: Store) -> None:
    shutil.copytree(copy, store.partial("backbones", "0" * 16), dirs_exist_ok=True)
    store.publish("backbones", "0" * 16, {})
    for place in (copy, store.root / "backbones" / ("0" * 16)):
        found = find_backbone(Backbone(name=str(place)), store)
        assert found is not None
        assert (found.name, found.licence, found.folder) == ("small-llama", "Python-2.0", place)
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    changed = find_backbone(Backbone(name=str(copy)), store)
    assert changed is not None
    assert changed.name == "copy"


def test_weights_that_do_not_fit_on_the_disk_are_a_store_error(copy: Path, tmp_path: Path) -> None:
    body = load_body(look(copy), EXACT, language_model=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (100, 4096):  # neither config.json fits, or it does and the weights do not
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(StoreError, match=r"must .*room|must fit into"):
                body.save(tmp_path / f"made-{room}")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("stored", "tied", "precision"), [
    (torch.float64, False, "bf16"), (torch.float32, True, "fp16"), (torch.float16, False, "bf16"),
    (torch.bfloat16, True, "bf16"),
])  # fmt: skip
def test_weights_are_rounded_as_they_are_read_to_what_rounding_afterwards_gives(
    copy: Path, monkeypatch: pytest.MonkeyPatch, stored: torch.dtype, tied: bool, precision: Computed
) -> None:
    config, tensors = json.loads((copy / "config.json").read_text()), load_file(copy / "model.safetensors")
    (copy / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": tied}))
    odd, head = torch.tensor([1e-40, -3e-39, 6e-8, 1.00390625 + 1e-9, 65504.0], dtype=torch.float64), "lm_head.weight"
    wide = {name: tensor.double() for name, tensor in tensors.items() if not (tied and name == head)}
    wide["model.layers.1.mlp.up_proj.weight"].view(-1)[:5] = odd
    if not tied:
        wide[head] = wide["model.embed_tokens.weight"].flip(0) / 3
    save_file({name: tensor.to(stored) for name, tensor in wide.items()}, copy / "model.safetensors")
    torch.set_flush_denormal(True)
    exact = load_body(look(copy), EXACT, language_model=True).whole
    with monkeypatch.context() as patched:
        patched.setattr("chartune.models.load.round_matrices", lambda *_: None)
        read = load_body(look(copy), replace(EXACT, precision=precision), language_model=True).whole
    round_matrices(exact, HALF[precision])
    weights = dict(exact.named_parameters())
    assert {name: p.dtype for name, p in read.named_parameters()} == {name: p.dtype for name, p in weights.items()}
    assert all(torch.equal(p.view(torch.uint8), weights[name].view(torch.uint8)) for name, p in read.named_parameters())
    assert read.lm_head.weight.dtype == (torch.float32 if tied else HALF[precision])


@pytest.mark.slow
def test_a_base_in_fp32_is_loaded_in_the_memory_of_its_bf16(tmp_path: Path) -> None:
    """The file, of 0.5 GB, is mostly a hole."""
    shape = LlamaConfig(
        vocab_size=1000, hidden_size=1024, intermediate_size=2816, num_hidden_layers=10, num_attention_heads=8
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(shape)
    shape.save_pretrained(tmp_path)
    entries, total = {}, 0
    for name, tensor in model.state_dict().items():
        total += tensor.nbytes
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [total - tensor.nbytes, total]}
    header = json.dumps(entries).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + total)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert int(done.stdout) < 0.62 * total


PEAK = """
import json, sys
from pathlib import Path
from chartune.models.families import family_of
from chartune.models.load import load_body, must_match
from chartune.models.numerics import Resolved
from chartune.models.local import LocalBackbone, hashed
from chartune.testing.peak import peak_bytes

folder = Path(sys.argv[1])
files = tuple(hashed(folder / name) for name in ("config.json", "model.safetensors"))
config = json.loads((folder / "config.json").read_text())
base = LocalBackbone("x", folder, family_of("llama", "x"), config, "hash", "none", "none", files)
must_match(base, language_model=True)
before = peak_bytes()
body = load_body(base, Resolved("cpu", "bf16", "eager", "a test"), language_model=True)
print(peak_bytes() - before)
"""
"""What the peak of a process grows by when it loads a base, in bytes."""


def test_the_identity_is_the_content_not_the_place(copy: Path, llama: LocalBackbone) -> None:
    assert look(copy).content_hash == llama.content_hash
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    assert look(copy).content_hash != llama.content_hash


def test_a_base_that_nothing_here_can_convert_is_not_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.models.backbone.packaged", lambda row: Path("somewhere") if row.place else None)
    with_gguf, real = usual("pretrain"), importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "gguf" else real(name))
    without = usual("pretrain")
    assert (with_gguf and with_gguf.name) == ("smollm2" if real("gguf") else None)
    assert without is None
