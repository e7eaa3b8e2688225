"""Files and folders that a user names: whole or not at all, and nothing that was planted there is touched."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from chartune.errors import ConfigError, StoreError
from chartune.holder import Holder
from chartune.outputs import HOLDER, OUTGOING, must_be_a_file, new_file, new_folder, write_output
from chartune.store import Store
from chartune.writing import ASIDE, write_bytes, write_exclusively, write_json

DEAD = replace(Holder.here(), pid=2**22 + 1)
ELSEWHERE = replace(Holder.here(), host="elsewhere")


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    out = tmp_path / "new" / ("n" * 250)
    for content in (b"a", b"bb"):
        write_output(out, content)
        assert out.read_bytes() == content
    assert out.stat().st_mode & 0o777 == 0o600
    assert os.listdir(out.parent) == [out.name]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    for name in ("r.html", ".r.html.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    write_output(tmp_path / "r.html", b"page")
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "r.html").read_text() == "page"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device"])
def test_what_is_no_file_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    out = Path("/dev/null") if kind == "device" else tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "pipe":
        os.mkfifo(out)
    elif kind == "link to a device":
        out.symlink_to("/dev/stdout" if Path("/dev/stdout").is_char_device() else "/dev/null")
    before = out.lstat()
    with pytest.raises(ConfigError, match="name a file in it" if kind == "folder" else "give `-` for standard output"):
        write_output(out, b"page")
    assert (out.lstat().st_ino, out.lstat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"--out must be writable, but .*file is no folder"):
        must_be_a_file(tmp_path / "file" / "below" / "out.csv")
    must_be_a_file(tmp_path / "new" / "out.csv")
    with pytest.raises(StoreError), new_file(tmp_path / ("long" * 100) / "out.csv"):  # as one that may not be looked at
        pytest.fail("a name that the disk does not take was taken")
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)  # as a read-only disk for root
    with pytest.raises(StoreError, match="is read-only; choose another place with --out"):
        must_be_a_file(tmp_path / "new" / "out.csv")


def test_standard_output_that_is_redirected_to_a_file_is_refused_and_its_name_stays(tmp_path: Path) -> None:
    with (tmp_path / "redirected").open("w") as stdout:
        name, beside = tmp_path / "stdout", tmp_path / "link"
        name.symlink_to(f"/proc/self/fd/{stdout.fileno()}")
        beside.symlink_to("stdout")
        for out in (name, beside, Path(f"/proc/self/fd/{stdout.fileno()}")):
            with pytest.raises(ConfigError, match="give `-` for standard output"):
                write_output(out, b"page")
            assert out.is_symlink()


def test_a_full_disk_leaves_the_old_file_and_says_which_option_leads_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "r.html").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"r\.html failed: No space left on device; .* another place with --out"):
        write_output(tmp_path / "r.html", b"page")
    with pytest.raises(OSError, match="No space"):
        write_json(tmp_path / "r.html", {})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"r.html": "old"}


def test_a_link_planted_in_the_store_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a.bin").symlink_to(tmp_path / "victim")
    write_bytes(tmp_path / "a.bin", b"weights")
    assert (tmp_path / "victim").read_text() == "mine"


def left(parent: Path, holder: Holder, name: str = f"{ASIDE}0123456789abcdef") -> Path:
    """What a killed process leaves beside the folder that it was writing."""
    (parent / name / "folder").mkdir(parents=True)
    (parent / name / HOLDER).write_text(json.dumps(asdict(holder)))
    return parent / name


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_others_write_is_not(tmp_path: Path) -> None:
    dead, foreign = left(tmp_path, DEAD), left(tmp_path, ELSEWHERE, f"{ASIDE}b")
    living, stranger = left(tmp_path, Holder.here(), f"{ASIDE}c"), tmp_path / f"{ASIDE}d"
    stranger.mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("x")
    assert not dead.exists()
    assert foreign.exists()
    assert living.exists()
    assert stranger.exists()
    assert os.listdir(tmp_path / "out") == ["a"]


def test_a_file_removes_what_a_killed_process_left_of_its_own_and_not_what_others_write(tmp_path: Path) -> None:
    dead, living = left(tmp_path, DEAD), left(tmp_path, Holder.here(), f"{ASIDE}c")
    (dead / "file").write_text("half a page")
    write_output(tmp_path / "r.html", b"page")
    assert sorted(os.listdir(tmp_path)) == sorted([living.name, "r.html"])


def test_a_store_lists_what_is_written_outside_it_and_clears_it_after_a_kill(store: Store, tmp_path: Path) -> None:
    with new_folder(tmp_path / "far" / "out", "--to", store.root):
        (entry,) = (store.root / OUTGOING).iterdir()
        aside = Path(json.loads(entry.read_text())["folder"])
        assert (aside / "folder").is_dir()
        Store(store.root).open()
        assert aside.exists()  # its process lives
    assert not list((store.root / OUTGOING).iterdir())
    dead = left(tmp_path / "far", DEAD)
    entry.write_text(json.dumps({"folder": str(dead), **asdict(DEAD)}))
    Store(store.root).open()
    assert not dead.exists()
    assert not entry.exists()
    (tmp_path / "thesis").mkdir()
    entry.write_text(json.dumps({"folder": str(tmp_path / "thesis"), **asdict(DEAD)}))
    Store(store.root).open()
    assert (tmp_path / "thesis").exists()


def test_the_later_of_two_is_told_and_the_folder_of_the_first_is_whole(tmp_path: Path) -> None:
    def write(text: str, between: Callable[[], None] = lambda: None) -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text(text)
            between()

    with pytest.raises(ConfigError, match="was taken meanwhile"):
        write("second", lambda: write("first"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "first"


def test_a_folder_on_a_disk_of_its_own_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()

    def across(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with new_folder(tmp_path / "out") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("x")
        monkeypatch.setattr("os.replace", across)
    assert (tmp_path / "out" / "sub" / "a").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["empty", "nowhere"])
def test_a_link_is_no_new_folder_and_that_is_said_before_any_work(tmp_path: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(ConfigError, match="is a link"), new_folder(tmp_path / "out"):
        pytest.fail("work was done")
    assert (tmp_path / "out").is_symlink()


def test_a_home_that_nobody_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--to must lead to a folder, but the home folder in ~nobody-here"):
        new_folder(Path("~nobody-here/out"), "--to").__enter__()


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOSPC])
def test_a_place_that_takes_no_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refused)  # /proc says "no such file" of a folder that it will not make
    with pytest.raises(StoreError, match="--to must be writable"), new_folder(tmp_path / "out", "--to"):
        pytest.fail("work was done")


def test_a_list_of_what_is_written_outside_that_no_reader_survives_is_passed_over(store: Store) -> None:
    (store.root / OUTGOING).mkdir(parents=True)
    for number, content in enumerate((b"[" * 100_000, b"\xff", b"[]", b'{"folder": 3}', b'{"folder": "a\\u0000"}')):
        (store.root / OUTGOING / f"{number}.json").write_bytes(content)
    assert store.open() is store


def test_a_failure_leaves_nothing_beside(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("planted", ["a file", "a link", "a link to nowhere"])
def test_a_name_aside_that_somebody_has_planted_is_not_written_through(tmp_path: Path, planted: str) -> None:
    (tmp_path / "victim").write_text("mine")
    name = tmp_path / "aside"
    if planted == "a file":
        name.write_text("mine")
    else:
        name.symlink_to(tmp_path / ("victim" if planted == "a link" else "nowhere"))
    with pytest.raises(FileExistsError):
        write_exclusively(name, b"weights")
    assert {path.read_text() for path in tmp_path.iterdir() if path.exists()} == {"mine"}
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_written_in_place_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with new_file(tmp_path / "rows.csv") as file:
            file.write_text("of a patient")
    finally:
        os.umask(before)
    assert (tmp_path / "rows.csv").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "other.csv") as file:
        file.write_text(str(1 / 0))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
