"""What a store holds, who needs what of it, and how it goes: never what something that stays is made from."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError, StoreError
from chartune.runs.holdings import Holding, holdings
from chartune.runs.removal import DAY, Selection, removal, remove
from chartune.store import Store, write_json
from chartune.testing.command_line import chartune

DATA, OTHER, BASE = "da7a" * 4, "07e6" * 4, "b" * 64
CLINICAL, STACK, ALONE, BEGUN = "c11c" * 4, "57ac" * 4, "a10e" * 4, "be6e" * 4


def about(data: str, *parents: str, name: str = "a name", base: str = "tiny") -> dict[str, Any]:
    return {"kind": "finetune", "name": name, "data": data, "parents": list(parents),
            "backbone": {"name": base, "content_hash": BASE}}  # fmt: skip


def put(store: Store, kind: str, name: str, files: dict[str, Any], **facts: Any) -> None:
    folder = store.partial(kind, name)
    for file, content in files.items():
        write_json(folder / file, content)
    store.publish(kind, name, {"sensitivity": "restricted", **facts})


@pytest.fixture
def filled(store: Store) -> Store:
    """Two prepared datasets, a clinical adapter and a stack on it, a run alone, and what was begun."""
    for data in (DATA, OTHER):
        put(store, "data", data, {"dataset.json": {}, "task.json": ["x" * 5000]})
        put(store, "tokens", data[::-1], {"ids.json": []}, data=data, backbone=BASE)
    put(store, "backbones", "ba5e" * 4, {"config.json": {}}, sensitivity="open")
    put(store, "audits", "a0d1" * 4, {"audit.json": {}}, sensitivity="counts")
    put(store, "runs", CLINICAL, {"run.json": about(DATA, name="clinical")})
    put(store, "runs", STACK, {"run.json": about(DATA, CLINICAL, name="stack")})
    put(store, "runs", ALONE, {"run.json": about(OTHER, name="alone", base="small-llama")})
    return store


def judged(store: Store, **wanted: Any) -> tuple[set[str], set[str]]:
    """Fingerprints of what goes, and of what is held back."""
    made = removal(holdings(store), Selection(**wanted))
    return {one.fingerprint for one in made.goes}, {one.fingerprint for one in made.held_back}


def test_the_restricted_is_listed_first_with_size_state_and_who_needs_it(filled: Store) -> None:
    (filled.partial("runs", BEGUN) / "checkpoint").write_bytes(b"x" * 3000)
    listed = json.loads(chartune("clean", "--store", filled.root, "--json").out)
    rows = {row["fingerprint"]: row for row in listed["holdings"]}
    assert [row["sensitivity"] for row in listed["holdings"]] == ["restricted"] * 8 + ["counts", "open"]
    assert rows[BEGUN]["state"] == "unfinished"
    assert rows[BEGUN]["bytes"] >= 3000
    assert set(rows[DATA]["needed_by"]) == {CLINICAL, STACK, BEGUN}  # who knows what the last is made from?
    assert rows[STACK]["needed_by"] == [BEGUN]
    assert rows[DATA]["bytes"] == round(rows[DATA]["bytes"], -3)  # its first digit
    assert (listed["chosen"], listed["removed"]) == ([], [])
    assert "needed by" in chartune("clean", "--store", filled.root).out


def test_what_something_that_stays_is_made_from_is_held_back(filled: Store) -> None:
    assert judged(filled, names=(DATA,)) == (set(), {DATA})
    assert judged(filled, names=("clinical",)) == (set(), {CLINICAL})
    assert judged(filled, kinds=("tokens", "backbones")) == (set(), {DATA[::-1], OTHER[::-1], "ba5e" * 4})
    assert judged(filled, names=("stack",)) == ({STACK}, set())
    assert judged(filled, kinds=("runs",)) == ({CLINICAL, STACK, ALONE}, set())
    # Of the first dataset all runs go, and so do its token arrays; of the other one none.
    assert judged(filled, names=(DATA, "stack", "clinical")) == ({DATA, DATA[::-1], STACK, CLINICAL}, set())
    assert judged(filled, names=(DATA, "clinical")) == (set(), {DATA, CLINICAL})


def test_a_search_is_listed_by_the_name_of_its_cell_and_removed_unless_one_is_at_it(filled: Store) -> None:
    search = filled.root / "searches" / ("5ea2" * 4)
    search.mkdir(parents=True)
    write_json(search.with_name("note.json"), {})
    write_json(search / "search.json", {"cell": "lora (seed=0)"})
    (search / "journal.log").touch()
    (one,) = (one for one in holdings(filled) if one.kind == "searches")
    assert (one.name, one.state, one.sensitivity) == ("lora (seed=0)", "finished", "restricted")
    with filled.lease("searches", search.name):
        assert judged(filled, names=(search.name,)) == (set(), {search.name})
    assert chartune("clean", "--kind", "searches", "--yes", "--store", filled.root).code == 0
    assert not search.exists()
    assert len(holdings(filled)) == 9  # nothing else went


def test_what_was_begun_holds_its_parents_as_far_as_they_are_known(filled: Store) -> None:
    write_json(filled.partial("runs", BEGUN) / "run.json", about(DATA, CLINICAL))
    wanted = (DATA, "clinical", "stack", OTHER, "alone")
    assert judged(filled, names=wanted) == ({STACK, ALONE, OTHER, OTHER[::-1]}, {DATA, CLINICAL})
    (filled.root / "runs" / f"{BEGUN}.partial" / "run.json").unlink()
    assert judged(filled, names=wanted)[0] == set()
    assert judged(filled, unfinished=True) == ({BEGUN}, set())


def test_a_damaged_run_holds_back_whatever_it_may_need(filled: Store) -> None:
    (filled.root / "runs" / STACK / "run.json").write_text("{}")
    assert judged(filled, names=(DATA, "clinical", OTHER, "alone"))[0] == set()
    assert judged(filled, names=(STACK,)) == ({STACK}, set())


def test_what_a_living_process_writes_stays_with_all_it_needs(filled: Store) -> None:
    write_json(filled.partial("runs", BEGUN) / "run.json", about(DATA, CLINICAL))
    with filled.lease("runs", BEGUN):
        assert judged(filled, kinds=("runs",)) == ({STACK, ALONE}, {BEGUN, CLINICAL})
        (one,) = (one for one in holdings(filled) if one.fingerprint == BEGUN)
        with pytest.raises(StoreError, match="held by"):
            remove(filled, one)
        assert one.path.is_dir()
    assert BEGUN in judged(filled, kinds=("runs",))[0]


def test_age_kind_and_state_must_all_fit(filled: Store) -> None:
    for path in (filled.root / "runs" / STACK, *(filled.root / "runs" / STACK).iterdir()):
        os.utime(path, (0, 0))
    assert judged(filled, older_than=30.0, kinds=("runs",)) == ({STACK}, set())
    assert judged(filled, older_than=30.0, kinds=("audits",)) == (set(), set())
    every = holdings(filled)
    (alone,) = (one for one in every if one.fingerprint == ALONE)
    for days, goes in ((29.9, set()), (30.0, {ALONE})):
        made = removal(every, Selection(("alone",), older_than=30.0), now=alone.changed + days * DAY)
        assert {one.fingerprint for one in made.goes} == goes


def test_nothing_is_removed_without_yes_nor_everything_with_it(filled: Store) -> None:
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in filled.root.rglob("*")}
    dry = chartune("clean", "stack", "--store", filled.root)
    assert "would be removed" in dry.out
    assert chartune("clean", "--yes", "--store", filled.root).code == 2
    assert chartune("clean", "--kind", "rnus", "--store", filled.root, "--yes").code == 2
    assert chartune("clean", "no such", "--store", filled.root, "--yes").code == 2
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in filled.root.rglob("*")} == before


def test_with_yes_just_that_is_gone_with_the_files_beside_it(filled: Store) -> None:
    write_json(filled.root / "runs" / f"{STACK}.names.json", ["later"])
    write_json(filled.root / "runs" / f"{STACK}.monitoring.json", {})
    said = chartune("clean", "later", DATA, "--yes", "--store", filled.root, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["removed"] == [STACK]
    left = {path.name for path in (filled.root / "runs").iterdir()}
    assert left == {CLINICAL, ALONE}
    assert filled.find("data", DATA)


def test_children_go_before_what_they_are_made_from(filled: Store) -> None:
    goes = removal(holdings(filled), Selection(kinds=("runs", "data", "tokens", "backbones"))).goes
    places = {one.fingerprint: at for at, one in enumerate(goes)}
    assert len(places) == 8
    assert places[STACK] < places[CLINICAL] < places[DATA]
    assert places[ALONE] < min(places["ba5e" * 4], places[OTHER], places[OTHER[::-1]])


def test_a_removal_that_is_killed_leaves_no_half_and_is_finished_later(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stack,) = (one for one in holdings(filled) if one.fingerprint == STACK)

    def killed(path: Path, **_: Any) -> None:
        next(path.iterdir()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(filled, stack)
    assert filled.find("runs", STACK) is None
    assert [one.state for one in holdings(filled)].count("half removed") == 1
    assert STACK not in chartune("ls", "--store", filled.root).out
    said = chartune("clean", "--unfinished", "--yes", "--store", filled.root)
    assert said.code == 0, said.err
    assert [one.state for one in holdings(filled)].count("half removed") == 0
    assert {path.name for path in (filled.root / "runs").iterdir()} == {CLINICAL, ALONE}


def test_a_link_in_the_store_is_left_alone(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (filled.root / "runs" / f"{BEGUN}.partial").symlink_to(tmp_path / "mine")
    assert BEGUN not in {one.fingerprint for one in holdings(filled)}


def test_a_name_that_fits_several_is_refused(filled: Store) -> None:
    put(filled, "runs", "a10f" * 4, {"run.json": about(OTHER, name="alone")})
    every: list[Holding] = holdings(filled)
    for name in ("alone", "a10"):
        with pytest.raises(ConfigError, match="fits 2"):
            removal(every, Selection((name,)))


def test_machine_code_is_listed_as_open_and_goes_when_it_is_chosen(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    place = tmp_path / "compiled" / "0123456789abcdef"
    (place / "ab").mkdir(parents=True)
    (place / "ab" / "kernel.so").write_bytes(b"code")
    (code,) = holdings(store)
    assert (code.kind, code.state, code.sensitivity, code.path) == ("compiled", "finished", "open", place)
    (gone,) = removal([code], Selection((), ("compiled",), None, False), 0.0).goes
    remove(store, gone)
    assert holdings(store) == []
