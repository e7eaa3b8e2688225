"""Many processes find a dead lease at the same moment, and a fresh store: one takes it, nobody fails."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest.mock import patch

import pytest

from chartune.errors import StoreError
from chartune.store import Store


def contend(root: Path, rounds: int, barrier: Barrier, first: bool, locks: bool) -> None:
    """Take the dead lease of each round together with the others; write down who met another holder inside."""
    if not locks:
        patch("fcntl.flock").start()  # as on a network disk whose locks hold on one machine only
    store, inside = Store(root), root / "inside"
    file = root / "runs" / "f00d.lease"
    with store.lease("runs", f"{os.getpid()}"):
        dead = json.loads((root / "runs" / f"{os.getpid()}.lease").read_text())
    dead["pid"] = 2**22 + 1  # more than Linux gives
    for _ in range(rounds):
        if first:
            file.write_text(json.dumps(dead))
            (root / ".guard.held").write_text(json.dumps(dead))
        barrier.wait(120)
        try:
            with store.lease("runs", "f00d"):
                try:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    with (root / "overlaps").open("a") as overlaps:
                        overlaps.write("x")
                with (root / "held").open("a") as held:
                    held.write("x")
                time.sleep(0.01)
                inside.unlink(missing_ok=True)
        except StoreError:
            pass
        barrier.wait(120)


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize(("processes", "rounds"), [(4, 15), pytest.param(8, 200, marks=pytest.mark.slow)])
def test_of_many_that_find_a_dead_lease_one_holds_it_at_a_time(
    store: Store, processes: int, rounds: int, locks: bool
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    (store.root / "runs").mkdir()
    workers = [
        context.Process(target=contend, args=(store.root, rounds, barrier, number == 0, locks))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * processes
    assert not (store.root / "overlaps").exists()
    assert len((store.root / "held").read_text()) >= rounds  # in every round somebody got it
    assert not list((store.root / "runs").iterdir())


@pytest.mark.slow
def test_three_first_preparations_on_a_fresh_store_all_end_well(hospital: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from chartune.cli import main; main()", "prepare", str(hospital)]
    command += ["--store", str(tmp_path / "store"), "--json"]
    three = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=300) for process in three]
    assert [process.returncode for process in three] == [0, 0, 0], told
    assert len({json.loads(out)["data"] for out, _ in told}) == 1
