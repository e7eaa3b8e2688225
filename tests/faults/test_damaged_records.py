"""Truncated, emptied or strange records: no verb ends in a traceback, listings go on and say which entry is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chartune.artefact import MANIFEST
from chartune.store import Artefact, Store
from chartune.testing import past_runs as past
from chartune.testing.command_line import Completed, chartune
from chartune.testing.signing import rewrite, sign_again

DAMAGES: dict[str, Callable[[bytes], bytes] | None] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "list": lambda data: b"[]",
    "zeros": lambda data: b"\0" * len(data),
    "another type": lambda data: b'{"files": 3, "tasks": 3, "kind": []}',
    "lost": None,
}
RECORDS = (".json", ".jsonl", ".yaml")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("records") / "store")


@pytest.fixture(params=DAMAGES)
def harmed(kept: Store, request: pytest.FixtureRequest) -> tuple[Store, str]:
    return kept, str(request.param)


def every_record(artefact: Artefact) -> list[Path]:
    """Its records, so that a new kind of them is asked about, too."""
    return [artefact.path / name for name in (MANIFEST, *artefact.manifest().files) if name.endswith(RECORDS)]


def with_damage(file: Path, damage: str) -> bytes:
    """Damage a file; returns what it was."""
    whole, harm = file.read_bytes(), DAMAGES[damage]
    if harm is None:
        file.unlink()
    else:
        file.write_bytes(harm(whole))
    return whole


def said(store: Store, *words: object) -> Completed:
    told = chartune(*words, "--store", store.root)
    assert "Traceback" not in told.err
    return told


def test_verbs_that_read_a_damaged_run_refuse_it_and_listings_go_on(harmed: tuple[Store, str]) -> None:
    store, damage = harmed
    (artefact,) = (one for one in store.artefacts("runs") if one.fingerprint == past.LORA)
    for file in every_record(artefact):
        whole = with_damage(file, damage)
        listed = said(store, "ls", "--json")
        rows = json.loads(listed.out)
        assert listed.code == 0
        gone = file.name == MANIFEST and damage == "lost"  # then nothing was ever finished
        assert list(rows["damaged"]) == ([] if gone else [past.LORA]), file.name
        assert len(rows["runs"]) == len(store.artefacts("runs")) - (not gone)
        if not gone:
            assert str(file) in rows["damaged"][past.LORA]
        verified = said(store, "show", past.LORA, "--verify")
        assert verified.code == (2 if gone else 7)
        assert gone or str(file) in verified.err
        assert said(store, "show", past.LORA).code in (0, 2, 7)
        assert said(store, "show", past.HEAD).code == 0
        file.write_bytes(whole)
    assert said(store, "show", past.LORA, "--verify").code == 0


def test_verbs_that_read_damaged_data_refuse_them_and_listings_go_on(harmed: tuple[Store, str]) -> None:
    store, damage = harmed
    (artefact,) = store.artefacts("data")
    other = shutil.copytree(artefact.path, artefact.path.with_name("e" * 16))
    sign_again(other)
    for file in every_record(artefact):
        whole = with_damage(file, damage)
        gone = file.name == MANIFEST and damage == "lost"
        listed = said(store, "datasets", "--json")
        rows = {row["data"]: row for row in json.loads(listed.out)["datasets"]}
        assert listed.code == 0
        assert "tasks" in rows["e" * 16]
        assert gone or str(file) in rows[past.DATA]["damaged"]
        export = ("export-data", past.DATA, "--to", store.root.parent / "out")
        show = ("show", past.DATA)
        for words in (show, (*show, "--verify"), ("datasets", past.DATA), ("audit-data", past.DATA), export):
            told = said(store, *words)
            assert told.code == (2 if gone else 7), (words, told.err)
            assert gone or str(file) in told.err
        assert said(store, "datasets").code == 0
        file.write_bytes(whole)
    shutil.rmtree(other)


@pytest.mark.parametrize("content", [b"", b"{", b"3", b"[3]", b"\xff\xfe", b"[" * 5000])
def test_a_damaged_file_of_names_is_told_by_listings(kept: Store, content: bytes) -> None:
    file = kept.root / "runs" / f"{past.TFIDF}.names.json"
    file.write_bytes(content)
    assert list(json.loads(said(kept, "ls", "--json").out)["damaged"]) == [past.TFIDF]
    for words in (("show", past.TFIDF), ("report", past.TFIDF, "--out", kept.root.parent / "r.html")):
        told = said(kept, *words)
        assert (told.code, str(file) in told.err) == (7, True)
    file.unlink()


@pytest.mark.parametrize("lost", ["scores.json", "cost.json", "run.json", "predictions.parquet"])
def test_what_every_run_has_is_damage_where_it_is_lost_and_not_unmeasured(kept: Store, lost: str) -> None:
    file = kept.root / "runs" / past.HEAD / lost
    whole = file.read_bytes()
    for signed in (False, True):
        file.unlink(missing_ok=True)
        if signed:
            sign_again(file.parent)
        assert lost in json.loads(said(kept, "ls", "--json").out)["damaged"][past.HEAD]
    file.write_bytes(whole)
    sign_again(file.parent)


def test_a_report_of_several_runs_leaves_the_damaged_out_and_says_so(tmp_path: Path) -> None:
    store, out = past.past_runs(tmp_path / "store"), tmp_path / "r.html"
    with_damage(store.root / "runs" / past.LORA / "scores.json", "cut")
    with_damage(store.root / "data" / past.DATA / "dataset.json", "cut")
    told = said(store, "report", past.HEAD, past.LORA, "--out", out)
    assert told.code == 0
    assert f"run {past.LORA} is left out of the report" in told.err
    assert f"of data {past.DATA} the report tells no more than the runs do" in told.err
    assert f"Left out, because files of theirs are damaged: {past.LORA}" in out.read_text()
    alone = said(store, "report", past.LORA, "--out", tmp_path / "alone.html")
    assert (alone.code, "scores.json" in alone.err) == (7, True)


def test_a_record_of_another_version_says_so_with_the_way_out(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path / "store")
    file = store.root / "data" / past.DATA / "dataset.json"
    rewrite(file, {**json.loads(file.read_text()), "tasks": [{"name": "mortality"}]})
    told = said(store, "show", past.DATA)
    assert told.code == 7
    assert "made by an older version or another" in told.err
    assert "`chartune prepare`" in told.err
    about = store.root / "runs" / past.LORA / "run.json"
    rewrite(about, {**json.loads(about.read_text()), "a_field_of_another_version": 1})
    assert "a_field_of_another_version" in said(store, "show", past.LORA).err
