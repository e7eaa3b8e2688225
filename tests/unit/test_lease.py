"""Leases: one holder at a time; who is dead is found by what a process is, never by a date."""

import json
import multiprocessing
import os
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from chartune import lease
from chartune.errors import StoreError
from chartune.holder import born
from chartune.store import Store

ELSEWHERE: dict[str, dict[str, Any]] = {
    "another host": {"host": "elsewhere"},
    "another start of this host": {"boot": "00000000-0000-0000-0000-000000000000"},
    "another container": {"namespace": "pid:[1] time:[1]"},
    "an older version": {"token": None, "boot": None},
}
"""Holders with the number and birth of this very process that are not it."""


@pytest.fixture
def file(store: Store) -> Path:
    (store.root / "runs").mkdir()
    return store.root / "runs" / "f00d.lease"


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> float:
    """Who cannot be asked is watched for a moment."""
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.05)
    return 0.05


def taken(store: Store, **changes: Any) -> dict[str, Any]:
    """Leave a lease behind as this process would, with some facts changed; None: without them."""
    file = store.root / "runs" / "f00d.lease"
    with store.lease("runs", "f00d"):
        holder = json.loads(file.read_text())
    holder = {name: value for name, value in (holder | changes).items() if value is not None}
    file.write_text(json.dumps(holder))
    return holder


def dead_pid() -> int:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=int)
    process.start()
    process.join()
    return process.pid or 0


def hold(root: Path, held: Event, release: Event) -> None:
    with Store(root).lease("runs", "f00d"):
        held.set()
        release.wait(20)


def test_a_second_writer_is_refused_and_a_dead_ones_lease_is_taken_over(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(store.root, held, release))
    process.start()
    assert held.wait(20)
    with pytest.raises(StoreError, match=f"held by process {process.pid}"), store.lease("runs", "f00d"):
        pass
    process.kill()
    process.join()
    with store.lease("runs", "f00d"):
        pass
    assert not (store.root / "runs" / "f00d.lease").exists()


def test_a_process_that_got_the_number_of_a_dead_holder_does_not_hold_its_lease(store: Store) -> None:
    taken(store, started=(born(os.getpid()) or 0) - 1)
    with store.lease("runs", "f00d"):
        pass


def test_this_process_lives_by_its_number_and_its_birth(store: Store) -> None:
    taken(store)
    with pytest.raises(StoreError, match=f"held by process {os.getpid()}"), store.lease("runs", "f00d"):
        pass


@pytest.mark.parametrize(
    ("where", "days"), [*((where, 0) for where in ELSEWHERE), *(("another host", d) for d in (-99, 99))]
)
def test_a_holder_elsewhere_that_gives_no_sign_is_replaced_whatever_its_date(
    store: Store, watched: float, where: str, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(store, **ELSEWHERE[where])
    file = store.root / "runs" / "f00d.lease"
    date = file.stat().st_mtime + 86400 * days
    os.utime(file, (date, date))
    waited = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: sum(waited))
    monkeypatch.setattr(time, "sleep", waited.append)
    with store.lease("runs", "f00d"):
        assert sum(waited) >= watched  # not at once: it may live


def test_a_holder_elsewhere_that_gives_signs_is_respected_whatever_their_dates(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.4)
    taken(store, host="elsewhere")
    done = threading.Event()

    def beat() -> None:
        date = 2_000_000_000.0
        while not done.wait(0.03):
            date -= 3600  # its clock runs backwards
            os.utime(file, (date, date))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(StoreError, match="one process at a time"), store.lease("runs", "f00d", patience=0.6):
            pass
    finally:
        done.set()
        heart.join()


def test_who_slept_has_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = lease._Watch()
    assert watch.lives((b"{}", 1)) is None
    now = 3600.0  # both were frozen for an hour
    assert watch.lives((b"{}", 1)) is None
    for _ in range(round(lease.STALE_SECONDS)):
        now += 1
        seen = watch.lives((b"{}", 1))
    assert seen is False


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe", b"[" * 5000, b'{"pid": -1}'])
def test_a_damaged_lease_is_replaced_when_nobody_mends_it(
    store: Store, file: Path, watched: float, content: bytes
) -> None:
    file.write_bytes(content)
    with store.lease("runs", "f00d"):
        assert json.loads(file.read_text())["pid"] == os.getpid()


def test_a_folder_where_a_lease_should_be_is_a_clear_error(store: Store, file: Path) -> None:
    file.mkdir()
    with pytest.raises(StoreError, match=r"f00d\.lease failed: Is a directory"), store.lease("runs", "f00d"):
        pass


@pytest.mark.parametrize("content", [b"", None])
def test_a_living_holder_mends_its_lease(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.02)
    with store.lease("runs", "f00d"):
        whole = file.read_bytes()
        file.unlink() if content is None else file.write_bytes(content)
        for _ in range(6000):
            if file.exists() and file.read_bytes() == whole:
                break
            time.sleep(0.02)
        assert file.read_bytes() == whole


def test_a_holder_that_was_taken_for_dead_leaves_the_lease_of_its_successor_alone(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.02)
    with store.lease("runs", "f00d"):
        other = {**json.loads(file.read_text()), "token": "of somebody else"}
        file.write_text(json.dumps(other))
        os.utime(file, (1, 1))
        time.sleep(0.2)
        assert file.stat().st_mtime == 1  # nor is it kept alive
    assert json.loads(file.read_text()) == other


def test_without_locks_the_file_beside_the_guard_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    guard = store.root / ".guard"
    with lease.guarded(guard):
        assert (store.root / ".guard.held").exists()
        monkeypatch.setattr(lease, "STALE_SECONDS", 0.0)
        monkeypatch.setattr(lease, "GUARD_SECONDS", 0.05)
        with pytest.raises(StoreError, match=r"\.guard\.held was there for"), lease.guarded(guard):
            pass
    assert not list(store.root.glob(".guard.*"))
    with store.lease("runs", "f00d"):
        pass


def test_the_file_that_a_dead_process_has_left_beside_the_guard_is_taken_away(store: Store) -> None:
    with lease.guarded(store.root / ".guard"):
        left = json.loads((store.root / ".guard.held").read_text())
    left |= {"pid": dead_pid()}
    (store.root / ".guard.held").write_text(json.dumps(left))
    with store.lease("runs", "f00d"):
        pass
    assert not list(store.root.glob(".guard.*"))


def test_a_process_is_known_by_its_birth() -> None:
    own = born(os.getpid())
    assert own is not None
    assert own == born(os.getpid())
    assert born(dead_pid()) is None
    assert born(2**40) is None
