"""Nothing is used that is not what was signed: one flipped bit in any file of the store, and no stage uses it."""

import shutil
from pathlib import Path

import pytest

from chartune import artefact as house
from chartune import hashing, writing
from chartune.adapters.adapter import read_adapter
from chartune.artefact import MANIFEST, Artefact, opened
from chartune.errors import StoreError
from chartune.store import Store


@pytest.fixture
def kept(tmp_path: Path) -> Artefact:
    return made(Store(tmp_path / "store"))


def made(store: Store) -> Artefact:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "a.txt").write_bytes(b"as it was signed")
        (folder / "inner" / "b.parquet").write_bytes(b"this, too")

    return store.obtain("tokens", "0123456789abcdef", write, {"sensitivity": "restricted"})


def flip(file: Path, bit: int = 3) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1 << bit
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["a.txt", "inner/b.parquet"])
def test_a_flipped_bit_is_noticed_when_the_file_is_opened(kept: Artefact, name: str) -> None:
    assert opened(kept.path / name) == kept.path / name
    flip(kept.path / name)
    with pytest.raises(StoreError, match=rf"{name} has the SHA-256 .*bring back a copy of it, or remove {kept.path}"):
        opened(kept.path / name)


def test_a_file_that_nobody_signed_is_not_read(kept: Artefact) -> None:
    (kept.path / "adapter_config.json").write_text("{}")
    with pytest.raises(StoreError, match="is not among the files that it lists"):
        kept.file("adapter_config.json")
    with pytest.raises(StoreError, match=r"adapter_config\.json is not among the files"):
        kept.whole()


@pytest.mark.parametrize("harm", ["flip", "empty", "cut", "list", "no files", "another's", "gone on disk"])
def test_a_damaged_manifest_is_told_as_such(kept: Artefact, harm: str) -> None:
    file = kept.path / MANIFEST
    whole = file.read_bytes()
    match harm:
        case "flip":
            flip(file, 0)
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "list":
            file.write_bytes(b"[]")
        case "no files":
            file.write_bytes(b'{"kind": "tokens", "fingerprint": "0123456789abcdef"}')
        case "another's":
            shutil.copytree(kept.path, kept.path.with_name("f" * 16))
            file = kept.path.with_name("f" * 16) / MANIFEST
        case _:
            file.write_bytes(b"\0" * len(whole))
    with pytest.raises(StoreError, match=rf"but {file} (is|was|has)"):
        opened(file.parent / "a.txt")


def test_every_bit_of_a_manifest_is_signed(kept: Artefact) -> None:
    file = kept.path / MANIFEST
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            told = kept.manifest()
        except StoreError:
            continue
        assert {name: entry.sha256 for name, entry in told.files.items()}
        assert told.sensitivity == "restricted"
        assert told.signature is None, place  # the flip hit its name, so that it looks like an older manifest


def test_a_large_file_is_hashed_once_per_machine_and_again_whenever_anything_about_it_differs(
    kept: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    sha256 = hashing.sha256

    def counting(path: Path) -> str:
        hashed.append(path)
        return sha256(path)

    monkeypatch.setattr(house, "LARGE", 4)
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)
    monkeypatch.setattr(hashing, "sha256", counting)
    monkeypatch.setattr(house, "sha256", counting)

    def another_process_opens() -> int:
        hashing._known.clear()
        hashed.clear()
        opened(kept.path / "a.txt")
        opened(kept.path / "a.txt")
        return len(hashed)

    assert another_process_opens() == 1
    assert another_process_opens() == 0
    kept.verify()
    assert len(hashed) == 2  # always full
    record = kept.path.with_name(f"{kept.fingerprint}.verified.json")
    for damage in (b"", b"{", b"[]", b'{"a.txt": 3}', record.read_bytes().replace(b'"a', b'"b')):
        record.write_bytes(damage)
        assert another_process_opens() == 1
    (kept.path / "a.txt").write_bytes(b"as it was signed")
    assert another_process_opens() == 1  # the same bytes at another time
    flip(kept.path / "a.txt")
    with pytest.raises(StoreError):
        another_process_opens()


def test_only_what_rests_and_equals_its_signature_is_recorded(kept: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "LARGE", 4)
    record = kept.path.with_name(f"{kept.fingerprint}.verified.json")
    monkeypatch.setattr(hashing, "SETTLED_NS", 10**18)
    opened(kept.path / "a.txt")
    assert not record.exists()
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)
    flip(kept.path / "inner" / "b.parquet")
    with pytest.raises(StoreError):
        opened(kept.path / "inner" / "b.parquet")
    assert not record.exists()
    opened(kept.path / "a.txt")
    assert record.exists()


def test_a_forged_record_of_other_bytes_lets_nothing_pass(kept: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "LARGE", 4)
    file = kept.path / "a.txt"
    flip(file)
    stat = file.stat()
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    record = kept.path.with_name(f"{kept.fingerprint}.verified.json")
    writing.write_json(record, {"a.txt": [*stamp, hashing.sha256(file)]})
    with pytest.raises(StoreError, match=r"a\.txt has the SHA-256"):
        opened(file)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "chartune.json"])
def test_a_damaged_file_of_a_parent_run_is_refused_before_it_is_parsed(tmp_path: Path, name: str) -> None:
    def write(folder: Path) -> None:
        (folder / "adapter").mkdir()
        for file in ("adapter_config.json", "adapter_model.safetensors", "chartune.json"):
            (folder / "adapter" / file).write_text("no adapter, which nobody may find out")

    run = Store(tmp_path / "store").obtain("runs", "0123456789abcdef", write, {})
    flip(run.path / "adapter" / name)
    with pytest.raises(StoreError, match=rf"{name} has the SHA-256"):
        read_adapter(run.path / "adapter")
