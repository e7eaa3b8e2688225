"""Hashes of files: asked once, and never believed of a file that may have changed since."""

import hashlib
import os
from pathlib import Path

import pytest

from chartune import hashing
from chartune.hashing import hashed, stamp_of
from chartune.models.local import hashed as model_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"one")
    return tmp_path / "a"


def test_a_file_that_rests_is_read_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)
    first = hashed(file)
    monkeypatch.setattr(hashing, "sha256", lambda _: pytest.fail("it was read again"))
    assert hashed(file) == first
    assert (first.sha256, first.settled) == (hashlib.sha256(b"one").hexdigest(), True)


def test_a_file_that_was_changed_since_is_read_again_even_where_its_size_and_time_are_as_before(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)
    assert hashed(file).settled
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashed(file).sha256 == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("look", [hashed, model_file])
def test_a_change_within_one_tick_of_the_clock_is_seen(
    file: Path, look: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = stamp_of(file)
    monkeypatch.setattr(hashing, "SETTLED_NS", 10**18)  # the file was changed less than this ago
    monkeypatch.setattr(hashing, "stamp_of", lambda _: stamp)
    assert callable(look)
    look(file)
    file.write_bytes(b"two")
    assert look(file).sha256 == hashlib.sha256(b"two").hexdigest()


def test_what_changes_while_it_is_read_is_not_remembered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SETTLED_NS", 0)
    read = hashing.sha256

    def meanwhile(path: Path) -> str:
        digest = read(path)
        path.write_bytes(b"two, longer")
        return digest

    monkeypatch.setattr(hashing, "sha256", meanwhile)
    assert not hashed(file).settled
    assert file.absolute() not in hashing._known
