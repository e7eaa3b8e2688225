"""Model folders of strangers: each is one clear error at the door, with its cause and a way out, or it loads whole."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForPreTraining, AutoModelForSequenceClassification

from chartune.errors import AdapterError
from chartune.models import values
from chartune.models.backbone import Backbone, LocalBackbone, find_backbone, inspect
from chartune.models.load import load_body
from chartune.models.tokenizer import load_tokenizer
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT, added

IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PROJECTION = "model.layers.0.self_attn.q_proj.weight"


def look(folder: Path) -> LocalBackbone:
    return inspect(folder, name=folder.name, licence="none", exposure="none")


def hidden(folder: Path) -> Tensor:
    body = load_body(look(folder), EXACT).module.eval()
    with torch.no_grad():
        states: Tensor = body(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


@pytest.fixture
def base(llama: LocalBackbone, tmp_path: Path) -> Path:
    """A LLaMA that may be spoilt."""
    return Path(shutil.copytree(llama.folder, tmp_path / "base"))


@pytest.fixture
def encoder(bert: LocalBackbone, tmp_path: Path) -> Path:
    """A BERT that may be spoilt."""
    return Path(shutil.copytree(bert.folder, tmp_path / "encoder"))


def configured(folder: Path, **fields: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return folder


def weighted(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})
    return folder


def sharded(folder: Path) -> Path:
    """The same weights in two shards with an index."""
    tensors = load_file(folder / WEIGHTS)
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(sorted(tensors))}
    for file in set(places.values()):
        save_file({n: tensors[n] for n, place in places.items() if place == file}, folder / file, {"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / WEIGHTS).unlink()
    return folder


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "bitsandbytes": ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
                     r"stored in 4 bits by bitsandbytes; get the unquantised weights"),
    "gptq": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "in 4 bits by gptq"),
    "compressed-tensors": ({"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {}}},
                           "in a few bits by compressed-tensors"),
    "rope": ({"rope_parameters": {"rope_type": "spiral", "rope_theta": 1e4}}, "is 'spiral', and transformers knows"),
    "rope of older configs": ({"rope_scaling": {"type": "spiral", "factor": 2.0}}, "must describe a model"),
    "activation": ({"hidden_act": "gelu_of_tomorrow"}, "its hidden_act is 'gelu_of_tomorrow', which no activation"),
    "positions null": ({"max_position_embeddings": None}, r"max_position_embeddings \(positions\) .* it is None"),
    "positions in words": ({"max_position_embeddings": "many"}, "a whole number from 1 .* it is 'many'"),
    "no heads": ({"num_attention_heads": 0}, "num_attention_heads .* from 1 .* it is 0"),
    "a million layers": ({"num_hidden_layers": 10**6}, r"num_hidden_layers \(layers\) .* it is 1000000"),
    "more layers than tensors": ({"num_hidden_layers": 1000}, "says 1,000 and the files beside it hold 21 tensors"),
    "another depth": ({"num_hidden_layers": 3}, "must hold every weight of its architecture, but lacks 9"),
    "a shallower one": ({"num_hidden_layers": 1}, "9 such tensors, the first is 'model.layers.1"),
    "a vocabulary of 10^12": ({"vocab_size": 10**12}, "vocab_size .* it is 1000000000000"),
    "another vocabulary": ({"vocab_size": 400}, r"is of \[384, 32\] where \[400, 32\] is needed"),
    "a negative width": ({"hidden_size": -32}, "hidden_size"),
    "heads that do not divide": ({"num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": None}, "base"),
    "kernels of a hub": ({"attn_implementation": "somebody/kernels"}, "foreign code, but .* sets attn_implementation"),
    "code further in": ({"text_config": {"auto_map": {"AutoModel": "x.y"}}}, "foreign code, but .* sets auto_map"),
    "other weights": ({"transformers_weights": "evil.safetensors"}, "sets transformers_weights"),
    "another config": ({"configuration_files": ["config.5.0.0.json"]}, "sets configuration_files"),
    "a thousand million labels": ({"num_labels": 10**9}, r"num_labels \(labels\) .* it is 1000000000"),
    "an epsilon that is no number": ({"rms_norm_eps": float("nan")}, "rms_norm_eps must be a number above 0, .* nan"),
    "a negative epsilon": ({"rms_norm_eps": -1e-6}, "above 0, at most 0.1, but it is -1e-06"),
    "an epsilon above all that it stands beside": ({"rms_norm_eps": 1e30}, "at most 0.1, but it is 1e\\+30"),
    "more dropped than there is": ({"attention_dropout": 5.0}, "attention_dropout must be a share from 0 to 0.99, but"),
    "less dropped than nothing": ({"hidden_dropout_prob": -1}, "hidden_dropout_prob must be a share .* it is -1 at"),
    "rotary positions stretched by 0": (
        {"rope_parameters": {"rope_type": "linear", "factor": 0.0, "rope_theta": 1e4}}, "factor must be a number"),
    "an infinite number": ({"initializer_range": float("inf")}, "must be a finite number, but it is inf"),
    "no model type": ({"model_type": None}, "must name its architecture in model_type"),
    "a long model type": ({"model_type": "x" * 5000}, "got model_type='x{60}' at"),
    "a model type that is none": ({"model_type": ["llama"]}, "known family"),
}  # fmt: skip


@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_that_describes_no_model_for_these_weights_is_refused_at_the_door(base: Path, what: str) -> None:
    fields, told = CONFIGS[what]
    with pytest.raises(AdapterError, match=told) as caught:
        look(configured(base, **fields))
    assert caught.value.__cause__ is None


def test_a_zero_is_refused_where_denormals_are_flushed_to_it(base: Path) -> None:
    torch.set_flush_denormal(True)  # as every stage does
    try:
        with pytest.raises(AdapterError, match="rope_theta"):
            look(configured(base, rope_theta=0.0))
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"is_decoder": True}, "an encoder must read both ways, but .* sets is_decoder"),
     ({"position_embedding_type": "relative_key"}, "to relative_key, which transformers no longer computes"),
     ({"position_embedding_type": "relative_key_query"}, "to relative_key_query"),
     ({"layer_norm_eps": 1e30}, "layer_norm_eps must be a number above 0, at most 0.1")],
    ids=str,
)  # fmt: skip
def test_an_encoder_that_its_config_makes_another_model_is_refused(
    encoder: Path, fields: dict[str, Any], told: str
) -> None:
    look(configured(encoder, is_decoder=False, position_embedding_type="absolute"))
    with pytest.raises(AdapterError, match=told):
        look(configured(encoder, **fields))


def test_json_that_is_too_deep_or_too_large_is_refused(base: Path) -> None:
    for depth, told in ((70, "at most 64 deep"), (200_000, "it is damaged")):
        (base / "config.json").write_text('{"a":' + "[" * depth + "]" * depth + "}")
        with pytest.raises(AdapterError, match=told):
            look(base)
    os.truncate(base / "config.json", 1 << 30)
    with pytest.raises(AdapterError, match="at most 67,108,864 bytes, but has 1,073,741,824"):
        look(base)


def test_padding_beyond_the_vocabulary_is_no_matter(base: Path) -> None:
    expected = hidden(base)
    assert torch.equal(hidden(configured(base, pad_token_id=384)), expected)


@pytest.mark.parametrize(
    "fields",
    [{"return_dict": False}, {"output_hidden_states": True}, {"output_hidden_states": "x"}, {"output_attentions": True},
     {"chunk_size_feed_forward": 3}],
    ids=str,
)  # fmt: skip
def test_how_a_model_is_called_is_not_asked_by_its_file(base: Path, encoder: Path, fields: dict[str, Any]) -> None:
    for folder in (base, encoder):
        expected = hidden(folder)
        assert torch.equal(hidden(configured(folder, **fields)), expected)


def test_a_word_that_the_embedding_does_not_know_is_refused_with_both_numbers(base: Path) -> None:
    look(added(Path(shutil.copytree(base, base.with_name("full")))))
    with pytest.raises(AdapterError, match=r"\b384 rows .* 1 tokens .* id 384"):
        look(added(base, "fever"))


def test_padding_that_the_embedding_does_not_know_is_another_token_and_no_text_makes_it(base: Path) -> None:
    tokenizer = load_tokenizer(look(added(base, "[PAD]", pad="[PAD]")))
    assert tokenizer.pad_token_id < 384
    assert max(tokenizer("the patient [PAD] has fever")["input_ids"]) < 384


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("tokenizer_config.json", "[1, 2]", "must be a JSON object"),
        ("tokenizer_config.json", '{"fast_tokenizer_files": ["tokenizer.5.0.json"]}', "names fast_tokenizer_files"),
        ("tokenizer_config.json", '{"tokenizer_class": ["x"]}', r"tokenizers \S+ stops with \w+; update the library"),
        (
            "tokenizer.json",
            '{"version": "9.0", "model": {"type": "Later"}}',
            r"tokenizers \S+ stops with \w+; upd",
        ),
        ("tokenizer.json", "[" * 10_000, "must be a JSON object, but it is damaged"),
        ("special_tokens_map.json", '{"pad_token": [7]}', r"tokenizers \S+ stops with \w+; update"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_refused_with_the_reason(
    base: Path, file: str, content: str, told: str
) -> None:
    (base / file).write_text(content)
    with pytest.raises(AdapterError, match=told):
        look(base)


@pytest.mark.parametrize("name", ["tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model"])
def test_sentencepiece_alone_is_refused_with_what_it_needs(
    base: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    (base / "tokenizer.json").rename(base / name)
    with pytest.raises(AdapterError, match=rf"has {name} alone, .*`pip install sentencepiece protobuf"):
        look(base)


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"architectures": ["BertForMaskedLM"]}, "its architectures name BertForMaskedLM, so it is probably a bert"),
     ({"architectures": None}, r'vocab.txt, so it is probably a bert: add "model_type": "bert" to it'),
     ({"architectures": "Bert", "type_vocab_size": None}, 'add "model_type": "bert"')],
)  # fmt: skip
def test_a_config_without_an_architecture_is_told_which_one_to_add(
    encoder: Path, fields: dict[str, Any], told: str
) -> None:
    config = json.loads((encoder / "config.json").read_text()) | fields
    del config["model_type"]
    (encoder / "config.json").write_text(json.dumps(config))
    (encoder / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(AdapterError, match=told):
        look(encoder)
    (encoder / WEIGHTS).rename(encoder / "pytorch_model.bin")
    said = chartune(
        "import-backbone", encoder, "--out", encoder.with_name("new"), "--store", encoder.with_name("store")
    )
    assert (said.code, "model_type" in said.err) == (4, True)


def as_integers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    scale = tensors[PROJECTION].abs().max() / 127
    return tensors | {PROJECTION: (tensors[PROJECTION] / scale).round().to(torch.int8)}


def in_eight_bit_floats(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {PROJECTION: tensors[PROJECTION].to(torch.float8_e4m3fn)}


def renamed(before: str, after: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {name.replace(before, after): tensor for name, tensor in tensors.items()}


def holding(name: str, *shape: int) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: tensors | {name: torch.ones(*shape)}


def wrapped(word: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {f"{word}.{name}": tensor for name, tensor in tensors.items()}


UNFIT: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "integers": (as_integers, r"plain floating-point numbers \(BF16, .*q_proj\.weight' as I8, as a quantised"),
    "eight bits": (in_eight_bit_floats, "as F8_E4M3, as a quantised model does; get the unquantised"),
    "scales": (holding(f"{PROJECTION}_scale", 32), "1 such tensors, the first is 'model.layers.0.*_scale': scales"),
    "biases": (holding("model.layers.0.self_attn.q_proj.bias", 32), r"the first is .*q_proj\.bias"),
    "a deeper model": (holding("model.layers.2.self_attn.q_proj.weight", 32, 32), r"the first is 'model\.layers\.2"),
    "a norm more": (holding("model.layers.0.self_attn.q_norm.weight", 8), "q_norm.weight': scales of a quantisation"),
    "another shape": (holding(PROJECTION, 16, 32), r"is of \[16, 32\] where \[32, 32\] is needed"),
    "DataParallel": (wrapped("module"), r"holds `module\.`: they were saved through DistributedDataParallel\. Save"),
    "compiled": (wrapped("_orig_mod"), "they were saved through torch.compile"),
    "compiled inside": (renamed("model.layers.0.", "model.layers.0._orig_mod."), r"holds `_orig_mod\.`"),
    "an adapter in place": (renamed("q_proj.weight", "q_proj.base_layer.weight"), "Merge it first"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNFIT)
def test_weights_that_are_not_those_of_the_architecture_are_refused_by_their_headers(base: Path, what: str) -> None:
    change, told = UNFIT[what]
    with pytest.raises(AdapterError, match=told):
        look(weighted(base, change))


def test_scales_beside_weights_without_a_prefix_are_refused_too(encoder: Path) -> None:
    with pytest.raises(AdapterError, match=r"the first is 'encoder\.layer\.0\.attention\.self\.query\.weight_scale'"):
        look(weighted(encoder, holding("encoder.layer.0.attention.self.query.weight_scale", 32)))
    with pytest.raises(AdapterError, match=r"the first is 'strange\.scale'"):
        look(
            weighted(
                encoder, lambda t: {n: x for n, x in t.items() if "_scale" not in n} | {"strange.scale": IDS + 0.0}
            )
        )


HARMLESS: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "half precision": lambda tensors: {name: tensor.bfloat16().float().bfloat16() for name, tensor in tensors.items()},
    "double precision": lambda tensors: {name: tensor.double() for name, tensor in tensors.items()},
    "a classifier's head": holding("score.weight", 2, 32),
    "frequencies of older files": holding("model.layers.0.self_attn.rotary_emb.inv_freq", 4),
    "frequencies": holding("model.rotary_emb.inv_freq", 4),
    "no prefix": lambda tensors: {n.removeprefix("model."): t for n, t in tensors.items() if "lm_head" not in n},
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_what_people_publish_beside_the_weights_still_loads_and_changes_nothing(base: Path, what: str) -> None:
    if what == "half precision":
        weighted(base, lambda tensors: {name: tensor.bfloat16().float() for name, tensor in tensors.items()})
    expected = hidden(base)
    assert torch.equal(hidden(weighted(base, HARMLESS[what])), expected)


@pytest.mark.parametrize("make", [AutoModelForPreTraining, AutoModelForSequenceClassification])
def test_an_encoder_with_its_heads_and_positions_still_loads(encoder: Path, make: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        whole = make.from_config(AutoConfig.from_pretrained(encoder), attn_implementation="eager").eval()
    whole.save_pretrained(encoder)
    weighted(encoder, lambda tensors: tensors | {"bert.embeddings.position_ids": torch.arange(160)[None]})
    with torch.no_grad():
        states = whole.bert(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    assert torch.equal(hidden(encoder), states)


def test_tied_weights_are_needed_once(base: Path) -> None:
    configured(base, tie_word_embeddings=True)
    weighted(base, lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "lm_head.weight"})
    body = load_body(look(base), EXACT, language_model=True)
    assert body.lm_head is not None
    assert torch.equal(body.lm_head.get_parameter("weight"), body.module.get_input_embeddings().weight)  # type: ignore[operator]


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_that_is_tied_and_differs_is_refused_where_it_is_needed(base: Path, tied: bool) -> None:
    configured(base, tie_word_embeddings=tied)
    body = look(base)
    assert load_body(body, EXACT).lm_head is None  # a body has no head to doubt
    if tied:
        with pytest.raises(AdapterError, match=r"lm_head\.weight and model\.embed_tokens\.weight differ, and tie_word"):
            load_body(body, EXACT, language_model=True)
        embedding = "model.embed_tokens.weight"
        weighted(base, lambda tensors: tensors | {"lm_head.weight": tensors[embedding].clone()})
    assert load_body(look(base), EXACT, language_model=True).lm_head is not None


def test_a_language_model_without_its_head_is_refused_before_it_is_loaded(base: Path) -> None:
    weighted(base, lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "lm_head.weight"})
    found = look(base)
    with pytest.raises(AdapterError, match=r"lacks 1, the first is lm_head\.weight"):
        load_body(found, EXACT, language_model=True)


def test_an_adapter_beside_the_base_is_refused_and_never_loaded(base: Path) -> None:
    (base / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"holds adapter_config\.json, too; move .* --clinical"):
        look(base)


def test_shards_are_read_by_their_index(base: Path) -> None:
    expected = hidden(base)
    assert torch.equal(hidden(sharded(base)), expected)


def without_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def stale(folder: Path) -> None:
    shutil.copyfile(folder / "model-00001-of-00002.safetensors", folder / WEIGHTS)


def without_a_shard(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()


def indexed(change: Callable[[dict[str, str]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        told = json.loads((folder / INDEX).read_text())
        (folder / INDEX).write_text(json.dumps(told | {"weight_map": change(told["weight_map"])}))

    return spoil


def in_a_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    for shard in folder.glob("model-*"):
        shard.rename(folder / "sub" / shard.name)
    indexed(lambda places: {name: f"sub/{place}" for name, place in places.items()})(folder)


def of_another_model(folder: Path) -> None:
    shard = folder / "model-00002-of-00002.safetensors"
    save_file(load_file(shard) | load_file(folder / "model-00001-of-00002.safetensors"), shard, {"format": "pt"})


SHARDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no index": (without_index, r"holds 2 shards and lacks model\.safetensors\.index\.json; copy it"),
    "a stale single file": (stale, r"its weights once, but .* holds model\.safetensors and model\.safetensors\.index"),
    "a missing shard": (without_a_shard, r"lacks model-00002-of-00002\.safetensors"),
    "shards elsewhere": (in_a_folder, r"beside it, but .* names 'sub/model-0000"),
    "shards above": (indexed(lambda places: places | {"x": "../model.safetensors"}), r"names '\.\./model"),
    "a tensor that is nowhere": (indexed(lambda places: places | {"x": places["lm_head.weight"]}), "lies in none"),
    "a tensor that it forgot": (indexed(lambda places: dict([*places.items()][1:])), "None of 'lm_head.weight'"),
    "the same tensor twice": (of_another_model, "every tensor must lie in one file"),
    "a map that is none": (indexed(lambda places: [*places]), "must say in its weight_map"),
}  # fmt: skip


@pytest.mark.parametrize("what", SHARDS)
def test_shards_and_index_that_disagree_are_refused(base: Path, what: str) -> None:
    spoil, told = SHARDS[what]
    spoil(sharded(base))
    with pytest.raises(AdapterError, match=told):
        look(base)


def test_a_single_file_of_another_name_is_told_its_name(base: Path) -> None:
    (base / WEIGHTS).rename(base / "consolidated.safetensors")
    with pytest.raises(AdapterError, match=r"model\.safetensors, .*consolidated\.safetensors"):
        look(base)


def test_every_shard_and_the_index_are_of_the_identity(base: Path) -> None:
    found = [look(sharded(base)).content_hash]
    shard = base / "model-00002-of-00002.safetensors"
    save_file({n: t + 1 for n, t in load_file(shard).items()}, shard, {"format": "pt"})
    found.append(look(base).content_hash)
    (base / INDEX).write_text((base / INDEX).read_text() + " ")
    found.append(look(base).content_hash)
    assert len(set(found)) == 3


def test_what_a_library_might_pick_up_beside_the_hashed_files_has_no_influence(base: Path) -> None:
    expected, before = hidden(base), look(base).content_hash
    found = look(base)
    (base / "generation_config.json").write_text('{"max_length": "many", "bos_token_id": [')
    (base / "adapter_config.json").write_text("{}")  # written between hashing and loading
    (base / "chat_template.jinja").write_text("{{ evil }}")
    (base / "model.bin").write_bytes(b"x")
    with torch.no_grad():
        body = load_body(found, EXACT, language_model=True).module.eval()
        assert torch.equal(body(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state, expected)
    (base / "adapter_config.json").unlink()
    assert look(base).content_hash == before


@pytest.mark.parametrize("file", [WEIGHTS, "config.json", "tokenizer.json"])
def test_a_file_that_changes_between_hashing_and_loading_is_refused(base: Path, file: str) -> None:
    found, stamp = look(base), (base / file).stat()
    content = bytearray((base / file).read_bytes())
    (base / file).write_bytes(content)
    os.utime(base / file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(AdapterError, match=f"{file} has changed"):
        load_body(found, EXACT)
    with pytest.raises(AdapterError, match="has changed"):
        load_tokenizer(found)


def test_weights_that_are_no_numbers_are_refused_when_they_are_loaded_and_at_the_door_from_then_on(
    base: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted(
        base, lambda tensors: tensors | {PROJECTION: tensors[PROJECTION].index_fill(0, torch.tensor(3), torch.nan)}
    )
    found = find_backbone(Backbone(name=str(base)), store)
    assert found is not None
    with pytest.raises(AdapterError, match=r"layers\.0\.self_attn\.q_proj\.weight of base"):
        load_body(found, EXACT)
    with pytest.raises(AdapterError, match="must be finite numbers"):
        find_backbone(Backbone(name=str(base)), store)


@pytest.mark.parametrize("damage", [None, "[1]", "[" * 100_000, '{"x": 7}'])
def test_weights_are_looked_at_once_and_a_damaged_memory_costs_only_time(
    base: Path, store: Store, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    looked: list[object] = []

    def look_at(model: object) -> str:
        looked.append(model)
        return ""

    monkeypatch.setattr(values, "_not_finite", look_at)
    for _ in range(2):
        found = find_backbone(Backbone(name=str(base)), store)
        assert found is not None
        load_body(found, EXACT)
        if damage is not None:
            (store.root / values.SEEN).write_text(damage)
    assert len(looked) == (1 if damage is None else 2)
    weighted(base, lambda tensors: tensors | {PROJECTION: tensors[PROJECTION] + 1})
    other = find_backbone(Backbone(name=str(base)), store)
    assert other is not None
    load_body(other, EXACT)
    assert len(looked) == (2 if damage is None else 3)


def test_infinity_is_no_number_in_any_precision() -> None:
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        assert values.is_finite(torch.ones(3, 3, dtype=dtype))
        for odd in (torch.inf, -torch.inf, torch.nan):
            assert not values.is_finite(torch.tensor([1.0, odd, 2.0], dtype=dtype))
    assert values.is_finite(torch.tensor([1, 2]))
    assert values.is_finite(torch.zeros(0))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A table of notes of a person's own, of two classes."""
    lines = [f"{n},{'fever and cough' if n % 2 else 'a fall on stairs'} {n},{n % 2}" for n in range(1, 81)]
    (tmp_path / "notes.csv").write_text("\n".join(["subject_id,text,label", *lines]) + "\n")
    return tmp_path / "notes.csv"


@pytest.mark.parametrize(
    "verb",
    [("plan", "finetune"), ("plan", "pretrain"), ("finetune",), ("pretrain",), ("audit-data",), ("import-backbone",)],
    ids=" ".join,
)
def test_every_verb_passes_the_same_door(
    base: Path, notes: Path, store: Store, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted(base, as_integers)
    arguments: list[object] = [*verb, notes, "--base", base, "--store", store.root]
    if verb == ("import-backbone",):
        torch.save(load_file(base / WEIGHTS), base / "pytorch_model.bin")
        (base / WEIGHTS).unlink()
        arguments = [*verb, base, "--out", base.with_name("new"), "--store", store.root]
    if verb == ("audit-data",):
        assert chartune("prepare", notes, "--store", store.root).code == 0
        arguments = [*verb, "--base", base, "--store", store.root]
    said = chartune(*arguments)
    assert said.code == 4, said.err
    assert "as I8, as a quantised model does" in said.err
    assert not base.with_name("new").exists()
