"""The store: nothing half-written is ever seen, one writer at a time, damage is noticed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chartune import writing
from chartune.errors import StoreError
from chartune.store import Artefact, Store, storing
from chartune.testing.command_line import chartune
from chartune.writing import remembered


def written(store: Store, text: str = "a") -> Artefact:
    """A finished artefact of one small file."""
    return store.obtain("data", "f00d", lambda folder: note(folder, text), {"n": 1})


def note(folder: Path, text: str = "a", name: str = "a.txt") -> None:
    (folder / name).write_text(text)


def test_what_was_written_is_found_and_verifies(store: Store) -> None:
    artefact = written(store)
    assert store.find("data", "f00d") == artefact
    artefact.verify()
    assert artefact.manifest().model_extra == {"n": 1}
    assert [a.fingerprint for a in store.artefacts("data")] == ["f00d"]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("error", [ValueError("oops"), KeyboardInterrupt("oops")])
def test_a_failure_leaves_nothing_behind_but_what_an_interrupted_attempt_may_go_on_from(
    store: Store, error: BaseException, resume: bool
) -> None:
    def half(folder: Path) -> None:
        note(folder)
        raise error

    with pytest.raises(type(error), match="oops"):
        store.obtain("data", "f00d", half, {}, resume=resume)
    assert store.find("data", "f00d") is None
    kept = resume and isinstance(error, KeyboardInterrupt)
    assert [path.name for path in (store.root / "data").iterdir()] == ["f00d.partial"] * kept
    found: list[bool] = []
    store.obtain("data", "f00d", lambda folder: found.append((folder / "a.txt").exists()), {}, resume=resume)
    assert found == [kept]


def test_what_a_killed_process_left_is_not_taken_up_unasked(store: Store) -> None:
    note(store.partial("data", "f00d"), "of another time")
    artefact = store.obtain("data", "f00d", lambda folder: note(folder, name="b.txt"), {})
    assert list(artefact.manifest().files) == ["b.txt"]


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_behind(store: Store) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.bin")

    with pytest.raises(StoreError, match=r"No space left on device; free some space or choose another folder"):
        store.obtain("data", "f00d", full, {})
    assert list((store.root / "data").iterdir()) == []


def test_a_folder_that_lies_on_two_disks_is_a_clear_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def across(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "a", None, "b")

    def write(folder: Path) -> None:
        note(folder)
        monkeypatch.setattr("os.replace", across)  # as an image of a container does of a folder that came with it

    with pytest.raises(StoreError, match=r"Invalid cross-device link; put this folder onto one disk"):
        store.obtain("data", "f00d", write, {})


def test_other_errors_of_the_operating_system_are_not_blamed_on_the_store() -> None:
    with pytest.raises(FileNotFoundError), storing(Path("x")):
        Path("does-not-exist").read_text()


@pytest.mark.parametrize("harm", [lambda p: p.write_text("b"), lambda p: p.unlink()])
def test_a_changed_or_lost_file_is_noticed(store: Store, harm: Callable[[Path], None]) -> None:
    artefact = written(store)
    harm(artefact.path / "a.txt")
    with pytest.raises(StoreError, match=r"a\.txt (has the SHA-256|is missing)"):
        artefact.verify()


@pytest.mark.parametrize("name", ["file/store", "file", "loop", "nowhere", "/proc/store"])
def test_a_store_that_cannot_be_made_is_a_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    with pytest.raises(StoreError, match=r"choose another folder with --store"):
        Store(tmp_path / name).open()
    if name != "/proc/store":  # nothing tells that none can be made there
        said = chartune("ls", "--store", tmp_path / name)
        assert (said.code, said.out) == (7, "")


def test_an_artefact_that_is_removed_while_all_are_listed_is_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = written(store), store.obtain("data", "dead", lambda folder: note(folder, "b"), {})
    look = Path.stat

    def purged(path: Path, **asked: bool) -> os.stat_result:
        if path == gone.path:
            raise FileNotFoundError(path)
        return look(path, **asked)

    monkeypatch.setattr(Path, "stat", purged)
    assert store.artefacts("data") == [kept]


def test_a_store_in_the_home_of_nobody_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="write its whole path"):
        Store("~nobody-of-this-name/store")


def test_everything_is_private_and_stays_out_of_git(store: Store) -> None:
    written(store)
    assert (store.root / "data" / "f00d").stat().st_mode & 0o077 == 0
    assert (store.root / "data" / "f00d" / "a.txt").stat().st_mode & 0o077 == 0
    assert (store.root / ".gitignore").read_text().splitlines()[-1] == "*"


def test_what_another_process_finished_meanwhile_is_kept(store: Store) -> None:
    written(store, "first")
    note(store.partial("data", "f00d"), "second")
    assert (store.publish("data", "f00d", {}).path / "a.txt").read_text() == "first"
    assert not (store.root / "data" / "f00d.partial").exists()


def test_a_file_that_a_killed_attempt_was_writing_is_not_signed(store: Store) -> None:
    partial = store.partial("runs", "f00d")
    (partial / "inner").mkdir()
    for folder in (partial, partial / "inner"):
        note(folder, name=".chartune-0123456789abcdef.tmp")
    note(partial)
    artefact = store.publish("runs", "f00d", {})
    assert set(artefact.manifest().files) == {"a.txt"}
    artefact.verify()


def test_an_attempt_killed_while_signing_does_not_spoil_the_next(store: Store) -> None:
    partial = store.partial("runs", "f00d")
    (partial / "a.txt").write_text("a")
    (partial / "manifest.json").write_text("{}")
    store.publish("runs", "f00d", {}).verify()


def test_an_obtained_artefact_is_written_once(store: Store) -> None:
    asked = []

    def write(folder: Path) -> None:
        asked.append(folder)
        note(folder)

    first = store.obtain("tokens", "f00d", write, {})
    assert store.obtain("tokens", "f00d", write, {}) == first
    assert len(asked) == 1


@pytest.mark.parametrize("content", [b'{"a": 1}', b"[1]", b'{"a": ', b"\xff", b"[" * 100_000, None])
def test_what_only_saves_time_is_remembered_where_it_is_a_whole_mapping(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "memory.json").write_bytes(content)
    assert remembered(tmp_path / "memory.json") == ({"a": 1} if content == b'{"a": 1}' else {})
    assert remembered(tmp_path) == {}


def test_a_memory_that_is_too_large_is_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.json").write_text('{"a": 1}')
    monkeypatch.setattr(writing, "MOST_BYTES", 7)
    assert remembered(tmp_path / "memory.json") == {}
