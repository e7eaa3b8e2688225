"""Facts about raw files: known to the byte, and quickly the second time."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from chartune import hashing
from chartune.errors import SchemaError, StoreError
from chartune.sources import facts
from chartune.sources.facts import HASHES, SUMS, file_facts, file_hash
from chartune.store import Store


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)


def test_a_file_that_was_changed_just_now_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, store, stamp = tmp_path / "A.csv", Store(tmp_path / "store"), hashing.stamp_of
    file.write_text("one")
    written = stamp(file)
    monkeypatch.setattr(hashing, "SETTLED_NS", 10**18)
    monkeypatch.setattr(facts, "stamp_of", lambda _: written)  # a second change within one tick of the disk's clock
    monkeypatch.setattr(hashing, "stamp_of", lambda _: written)
    file_hash(file, store)
    file.write_text("two")
    assert file_hash(file, store) == hashlib.sha256(b"two").hexdigest()
    assert not (store.root / HASHES).exists()


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, store, hashed = tmp_path / "A.csv", Store(tmp_path / "store"), []

    def sha256(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(hashing, "sha256", sha256)
    file.write_text("one")
    first = file_hash(file, store)
    assert file_hash(file, store) == first == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 1
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert file_hash(file, store) == hashlib.sha256(b"two").hexdigest()
    assert len(hashed) == 2


def test_a_damaged_memory_of_hashes_costs_only_time(tmp_path: Path) -> None:
    file, store = tmp_path / "A.csv", Store(tmp_path / "store")
    file.write_text("one")
    digest = file_hash(file, store)
    (store.root / HASHES).write_text("{half")
    assert file_hash(file, store) == digest
    assert list(json.loads((store.root / HASHES).read_text()).values()) == [digest]


@pytest.mark.parametrize("damage", ["[1, 2]", "7", '{"A": 5}', "[" * 100_000, "\udcff", '{"A": ["b"]}'])
def test_a_memory_of_hashes_of_any_other_form_is_not_believed(tmp_path: Path, damage: str) -> None:
    file, store = tmp_path / "A.csv", Store(tmp_path / "store")
    file.write_text("one")
    digest = file_hash(file, store)
    (store.root / HASHES).write_text(damage, errors="surrogateescape")
    assert file_hash(file, store) == digest
    assert list(json.loads((store.root / HASHES).read_text()).values()) == [digest]


def test_a_memory_that_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    file, store = tmp_path / "A.csv", Store(tmp_path / "store")
    file.write_text("one")
    (store.root / HASHES).mkdir(parents=True)
    with pytest.raises(StoreError, match="writing"):
        file_hash(file, store)


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, how: str) -> None:
    file, store, other = tmp_path / "A.csv", Store(tmp_path / "store"), tmp_path / "B.csv"
    file.write_text("one")
    before = file.stat()
    file_hash(file, store)
    if how == "in place":
        file.write_text("two")
    else:
        other.write_text("two")
        other.replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert file_hash(file, store) == hashlib.sha256(b"two").hexdigest()


def test_a_record_of_an_older_version_is_not_believed(tmp_path: Path) -> None:
    file, store = tmp_path / "A.csv", Store(tmp_path / "store").open()
    file.write_text("one")
    stat = file.stat()
    old = {f"{file.absolute()}|{stat.st_size}|{stat.st_mtime_ns}": "0" * 64}
    (store.root / HASHES).write_text(json.dumps(old))
    assert file_hash(file, store) == hashlib.sha256(b"one").hexdigest()


def test_bytes_that_are_not_those_released_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("one")
    (tmp_path / SUMS).write_text(f"{hashlib.sha256(b'one').hexdigest()}  A.csv\n{'0' * 64}  B.csv\n")
    assert file_facts(file, Store(tmp_path / "store")).bytes == 3
    (tmp_path / "B.csv").write_text("two")
    with pytest.raises(SchemaError, match=r"B\.csv must have the SHA-256 that SHA256SUMS\.txt lists \(0{12}"):
        file_facts(tmp_path / "B.csv", Store(tmp_path / "store"))


def test_a_list_of_sums_above_the_folder_counts_too(tmp_path: Path) -> None:
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "a.csv").write_text("one")
    (tmp_path / SUMS).write_text(f"{'0' * 64} a.csv\n{hashlib.sha256(b'one').hexdigest()} hosp/a.csv\n")
    assert file_facts(tmp_path / "hosp" / "a.csv", Store(tmp_path / "store")).bytes == 3
    (tmp_path / SUMS).write_text(f"{'0' * 64} hosp/a.csv\n")
    with pytest.raises(SchemaError, match=r"a\.csv must have the SHA-256"):
        file_facts(tmp_path / "hosp" / "a.csv", Store(tmp_path / "store"))
