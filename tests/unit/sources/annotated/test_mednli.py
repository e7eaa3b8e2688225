"""MedNLI: pairs in their published parts."""

from pathlib import Path

import pytest

from chartune.errors import LeakageError, SchemaError
from chartune.sources.annotated.mednli import MedNli
from chartune.store import Store
from chartune.testing.annotated_corpora import pair, write_mednli
from chartune.testing.downloads import write_loose, write_zip


def test_the_published_parts_are_kept_and_pairs_with_one_premise_are_a_group(tmp_path: Path) -> None:
    records = MedNli(folder=write_mednli(tmp_path)).load()
    assert dict(records.pairs.group_by("split").len().rows()) == {"train": 9, "validation": 3, "test": 3}
    assert set(records.pairs.group_by("group").len()["len"]) == {3}
    assert records.pairs.filter(pair_id="train-1-neutral").row(0)[2:] == (
        "train", "Premise 1 of train.", "Hypothesis neutral.", "neutral",
    )  # fmt: skip


def test_a_pair_without_a_label_and_a_pair_twice_are_counted(tmp_path: Path) -> None:
    records = MedNli(folder=write_mednli(tmp_path)).load()
    assert records.findings.count("pairs") == 2
    assert records.warnings()[0] == "train: 11232 pairs are published, here are 9."


def test_parts_may_stand_in_an_archive(tmp_path: Path) -> None:
    folder = write_mednli(tmp_path / "loose")
    files = {f"mednli-1.0.0/{file.name}": file.read_bytes() for file in folder.iterdir()}
    packed = MedNli(folder=write_zip(tmp_path / "mednli.zip", files)).load()
    assert packed.pairs.equals(MedNli(folder=folder).load().pairs)


def test_a_line_that_is_no_object_is_refused_by_number(tmp_path: Path) -> None:
    write_loose(tmp_path, {"mli_train_v1.jsonl": pair("1", "a", "b", "neutral") + "\n{canary\n"})
    with pytest.raises(SchemaError, match="line 2 is none") as error:
        MedNli(folder=tmp_path).load()
    assert "canary" not in str(error.value)
    assert error.value.__context__ is None


def test_half_a_character_becomes_a_mark(tmp_path: Path) -> None:
    line = pair("1", "a", "b", "neutral").replace('"a"', '"a \\ud83d"')
    write_loose(tmp_path, {"mli_train_v1.jsonl": line})
    assert MedNli(folder=tmp_path).load().pairs["premise"].to_list() == ["a ?"]


def test_a_pair_in_two_splits_is_refused(tmp_path: Path) -> None:
    line = pair("1", "a", "b", "neutral")
    write_loose(tmp_path, {"mli_train_v1.jsonl": line, "mli_test_v1.jsonl": line})
    with pytest.raises(LeakageError, match="one split"):
        MedNli(folder=tmp_path).load()


def test_training_pairs_must_be_there(tmp_path: Path) -> None:
    write_loose(tmp_path, {"mli_test_v1.jsonl": pair("1", "a", "b", "neutral")})
    with pytest.raises(SchemaError, match=r"must have mli_train_v1\.jsonl"):
        MedNli(folder=tmp_path).load()


def test_facts_are_checked_against_the_sums_of_the_release(tmp_path: Path, store: Store) -> None:
    folder = write_mednli(tmp_path / "m")
    (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64} mli_train_v1.jsonl\n")
    with pytest.raises(SchemaError, match="SHA256SUMS"):
        MedNli(folder=folder).facts(store)
