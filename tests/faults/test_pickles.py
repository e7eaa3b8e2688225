"""Pickled weights: what is honest becomes safetensors, what is not is refused unopened, unexecuted, unpublished."""

import json
import os
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForPreTraining, BertForPreTraining

from chartune.errors import AdapterError, ConfigError, StoreError
from chartune.importing.folder import RECORD, import_backbone, import_warnings
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.load import load_body
from chartune.outputs import OUTGOING
from chartune.store import sha256
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT

IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])


class Payload:
    """What a malicious checkpoint carries: reading it as a plain pickle writes a file."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.touched}",)


def pretraining(bert: LocalBackbone) -> BertForPreTraining:
    """A BERT with its pretraining heads, as clinical encoders were published; the decoder is tied."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return AutoModelForPreTraining.from_config(bert_config(bert), attn_implementation="eager").eval()


@pytest.fixture
def whole(bert: LocalBackbone) -> BertForPreTraining:
    return pretraining(bert)


def bert_config(bert: LocalBackbone) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(bert.folder)


@pytest.fixture
def folder(bert: LocalBackbone, tmp_path: Path) -> Path:
    """A model folder that lacks its weights."""
    made = tmp_path / "old-bert"
    shutil.copytree(bert.folder, made, ignore=shutil.ignore_patterns("*.safetensors"))
    return made


def old_names(model: BertForPreTraining) -> dict[str, Tensor]:
    """A state dict in the spelling of 2019, with the buffer that models kept then."""
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in model.state_dict().items()
    }
    return state | {"bert.embeddings.position_ids": torch.arange(160)[None]}


def hidden(base: Path) -> Tensor:
    backbone = inspect(base, name="x", licence="none", exposure="none")
    body = load_body(backbone, EXACT).module.eval()
    with torch.no_grad():
        states: Tensor = body(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


def expected(whole: BertForPreTraining) -> Tensor:
    with torch.no_grad():
        states: Tensor = whole.bert(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return states


@pytest.mark.parametrize("zipped", [True, False], ids=["torch since 1.6", "torch before 1.6"])
def test_an_old_clinical_encoder_becomes_a_base_with_the_same_hidden_states(
    folder: Path, tmp_path: Path, whole: BertForPreTraining, zipped: bool
) -> None:
    torch.save(old_names(whole), folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    said = chartune(
        "import-backbone", folder, "--out", tmp_path / "new", "--store", tmp_path / "no store yet", "--json"
    )
    assert said.code == 0, said.err
    assert (tmp_path / "no store yet" / OUTGOING).is_dir()  # what is being written is listed, for after a kill
    assert torch.equal(hidden(tmp_path / "new"), expected(whole))
    record = json.loads((tmp_path / "new" / RECORD).read_text())
    assert record["left_out"] == {
        "computed": ["bert.embeddings.position_ids"],
        "tied": ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"],
    }
    assert record["source"]["files"]["pytorch_model.bin"]["sha256"] == sha256(folder / "pytorch_model.bin")
    assert record["content_hash"] == json.loads(said.out)["content_hash"]
    again, told = AutoModelForPreTraining.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not told["missing_keys"]
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in whole.state_dict().items())


def test_shards_become_shards(folder: Path, tmp_path: Path, whole: BertForPreTraining) -> None:
    names = sorted(whole.state_dict())
    files = {
        name: f"pytorch_model-0000{1 + (index % 2)}-of-00002.bin"
        for index, name in enumerate(names)
        if not name.startswith("cls.predictions.decoder")
    }
    for file in set(files.values()):
        torch.save({n: whole.state_dict()[n] for n, f in files.items() if f == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    import_backbone(folder, tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").glob("*.safetensors")) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    assert torch.equal(hidden(tmp_path / "new"), expected(whole))


@pytest.fixture(scope="module")
def imported(bert: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    """The base in `new` that was made of the pickled weights in `old` beside it; not to be written into."""
    place = tmp_path_factory.mktemp("imported")
    model = pretraining(bert)
    shutil.copytree(bert.folder, place / "old", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(model.state_dict(), place / "old" / "pytorch_model.bin")
    return import_backbone(place / "old", place / "new")


def copied(imported: LocalBackbone, place: Path) -> Path:
    """Copy the import and its source; returns the source."""
    return shutil.copytree(imported.folder.parent, place, dirs_exist_ok=True) / "old"


def test_the_same_import_is_found_and_another_one_does_not_overwrite_it(
    imported: LocalBackbone, tmp_path: Path, whole: BertForPreTraining
) -> None:
    assert import_backbone(imported.folder.with_name("old"), imported.folder) == imported
    folder = copied(imported, tmp_path)
    torch.save(old_names(whole), folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="must not exist yet"):
        import_backbone(folder, tmp_path / "new")


@pytest.mark.parametrize(("record", "error"), [
    ({"source": []}, ConfigError), ({"files": None}, ConfigError), ({"files": {"config.json": 3}}, AdapterError),
    ({"files": {"../config.json": {}}}, AdapterError),
])  # fmt: skip
def test_an_import_whose_record_is_damaged_is_refused(
    imported: LocalBackbone, tmp_path: Path, record: dict[str, Any], error: type[Exception]
) -> None:
    folder = copied(imported, tmp_path)
    kept = json.loads((tmp_path / "new" / RECORD).read_text())
    (tmp_path / "new" / RECORD).write_text(json.dumps(kept | record))
    with pytest.raises(error, match=r"must not exist yet|must equal"):
        import_backbone(folder, tmp_path / "new")


def test_papers_that_are_no_files_are_left_and_never_waited_for(
    folder: Path, tmp_path: Path, whole: BertForPreTraining
) -> None:
    torch.save(whole.state_dict(), folder / "pytorch_model.bin")
    os.mkfifo(folder / "README.md")
    (folder / "LICENSES").mkdir()
    (folder / "NOTICE").symlink_to("/dev/zero")
    (folder / "LICENSE.gone").symlink_to("nowhere")
    (folder / "LICENSE").write_text("as is")
    (folder / "README.huge").touch()
    os.truncate(folder / "README.huge", 1 << 40)
    os.mkfifo(folder / "special_tokens_map.json")
    import_backbone(folder, tmp_path / "new")
    copied = sorted(p.name for p in (tmp_path / "new").iterdir() if p.name.startswith(("LIC", "NOT", "READ", "spec")))
    assert copied == ["LICENSE"]


def test_a_folder_that_has_safetensors_is_used_as_it_is(bert: LocalBackbone, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--base {bert.folder}"):
        import_backbone(bert.folder, tmp_path / "new")


def evil(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights | {"bert.pooler.dense.bias": Payload(touched)}, folder / "pytorch_model.bin")


def nested(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save({"state": [weights, {"deep": (1, Payload(touched))}]}, folder / "pytorch_model.bin")


def evil_legacy(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights | {"x": Payload(touched)}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def bare(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Payload(touched)}))


def evil_shard(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save(weights, folder / "pytorch_model-00001-of-00002.bin")
    torch.save({"x": Payload(touched)}, folder / "pytorch_model-00002-of-00002.bin")
    files = dict.fromkeys(weights, "pytorch_model-00001-of-00002.bin") | {"x": "pytorch_model-00002-of-00002.bin"}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))


def tar(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    for name in ("storages", "tensors", "pickle"):
        (folder / name).write_bytes(pickle.dumps(Payload(touched)))
    with tarfile.open(folder / "pytorch_model.bin", "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.add(folder / name, name)


def cut(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_legacy(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def expanded(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save({"x": torch.zeros(1).expand(10**12)}, folder / "pytorch_model.bin")


def claimed(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    """A storage that says it has four terabytes, in a file of some bytes."""

    class Claim:
        def __reduce__(self) -> tuple[Any, ...]:
            size = (2**40,)
            return torch._utils._rebuild_tensor_v2, (Stored(), 0, size, (1,), False, {})

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, Stored):
                return "storage", torch.FloatStorage, "0", "cpu", 2**40, None
            return None

    with (folder / "pytorch_model.bin").open("wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(head, file, protocol=2)
        Pickler(file, protocol=2).dump({"x": Claim()})
        pickle.dump(["0"], file, protocol=2)


def deflated(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    """An archive whose pickle unfolds to eight gigabytes."""
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/version", b"3\n")
        with archive.open("archive/data.pkl", "w", force_zip64=True) as inner:
            for _ in range(80):
                inner.write(bytes(100_000_000))


def outside(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    files = {"x": f"../{touched.name}.bin"}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))


def not_tensors(folder: Path, touched: Path, weights: dict[str, Tensor]) -> None:
    torch.save({"epoch": 3, "state_dict": weights}, folder / "pytorch_model.bin")


Maker = Callable[[Path, Path, dict[str, Tensor]], None]
BAD: list[Any] = [
    (evil, r"without running code, but pytorch_model.bin in \S+ asks for posix.system; nothing of it was run"),
    pytest.param(nested, "asks for posix.system", marks=pytest.mark.slow),
    (evil_legacy, "asks for posix.system"),
    pytest.param(evil_shard, "one of 2 shards in .* asks for posix.system", marks=pytest.mark.slow),
    (bare, "is no file of torch.save"),
    pytest.param(tar, "is no file of torch.save", marks=pytest.mark.slow),
    (cut, "cut off or damaged"),
    pytest.param(cut_legacy, "cut off or damaged", marks=pytest.mark.slow),
    pytest.param(expanded, "says that x has 4000000000000 bytes, more than it holds", marks=pytest.mark.slow),
    (claimed, "its limit of memory"),
    (outside, "must name .* files beside it"),
    (not_tensors, "holds a int under epoch and not a tensor"),
]


@pytest.mark.parametrize(("make", "law"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bad_checkpoint_is_refused_and_nothing_of_it_runs_or_stays(
    folder: Path, tmp_path: Path, whole: BertForPreTraining, make: Maker, law: str
) -> None:
    make(folder, tmp_path / "touched", whole.state_dict())
    with pytest.raises(AdapterError, match=law):
        import_backbone(folder, tmp_path / "new")
    assert not (tmp_path / "touched").exists()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_payload_of_these_tests_is_a_real_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "touched")))
    assert (tmp_path / "touched").exists()


@pytest.mark.slow
def test_an_archive_that_unfolds_without_end_is_ended(folder: Path, tmp_path: Path) -> None:
    deflated(folder, tmp_path / "touched", {})
    with pytest.raises(AdapterError, match="must need no more memory"):
        import_backbone(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_weights_that_do_not_make_the_whole_body_are_not_published(
    folder: Path, tmp_path: Path, whole: BertForPreTraining
) -> None:
    weights = whole.state_dict()
    del weights["bert.encoder.layer.1.output.dense.weight"]
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(AdapterError, match=r"lacks 1, the first is encoder\.layer\.1\.output\.dense\.weight"):
        import_backbone(folder, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_config_that_asks_for_foreign_code_is_refused_before_the_weights_are_looked_at(
    folder: Path, tmp_path: Path
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.py"}}))
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(AdapterError, match="auto_map"):
        import_backbone(folder, tmp_path / "new")


def test_a_cased_vocabulary_that_would_be_lower_cased_is_told(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "the", "The", "Boston", "unit"]))
    assert "do_lower_case" in import_warnings(tmp_path)[0]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert import_warnings(tmp_path) == []


@pytest.mark.parametrize("big", [True, False], ids=["larger than its source may become", "a full disk"])
def test_a_file_that_outgrows_its_limit_is_told_apart_from_a_full_disk(
    folder: Path, tmp_path: Path, whole: BertForPreTraining, monkeypatch: pytest.MonkeyPatch, big: bool
) -> None:
    # The reader writes into a limit of its own, so it truly meets EFBIG; a disk cannot be filled in a test.
    torch.save(whole.state_dict(), folder / "pytorch_model.bin")
    spoilt = (
        "from chartune.importing import unpickle; limit = unpickle.limit; "
        "unpickle.limit = lambda memory, written, seconds: limit(memory, 4096, seconds); "
        if big else
        "from chartune.importing import unpickle; "
        "full = OSError(28, 'No space left on device'); "
        "unpickle.save_file = lambda *_: (_ for _ in ()).throw(full); "
    )  # fmt: skip
    start = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); " + spoilt + "unpickle.main()"
    monkeypatch.setattr("chartune.importing.reader.START", start)
    error, told = (AdapterError, "claims to be larger than its source") if big else (StoreError, "free some space")
    with pytest.raises(error, match=told) as caught:
        import_backbone(folder, tmp_path / "new")
    assert ("free some space" in str(caught.value)) is not big
    assert not (tmp_path / "new").exists()
