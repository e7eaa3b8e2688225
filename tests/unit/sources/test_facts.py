"""Facts about raw files: known to the byte, and quickly the second time."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from chartune.errors import SchemaError
from chartune.sources import facts
from chartune.sources.facts import HASHES, SUMS, file_facts, file_hash
from chartune.store import Store


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, store, hashed = tmp_path / "A.csv", Store(tmp_path / "store"), []

    def sha256(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(facts, "sha256", sha256)
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
