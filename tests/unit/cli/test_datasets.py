"""`datasets`: what is prepared, and the card of one of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from chartune.store import Store, write_json
from chartune.testing.command_line import chartune
from chartune.testing.past_data import dataset


def published(store: Store, name: str, data: dict[str, Any]) -> None:
    folder = store.partial("data", name)
    write_json(folder / "dataset.json", data)
    (folder / "mortality.parquet").write_bytes(b"x" * 3000)
    store.publish("data", name, {"sensitivity": "restricted"})


@pytest.fixture
def two(store: Store) -> Store:
    published(store, "0123456789abcdef", dataset("made-up", positives=3, assigned=1007))
    real = dataset("mimic3", positives=3, assigned=1007)
    published(store, "fedcba9876543210", {**real, "config": {"preset": "paper-code"}})
    return store


def test_every_dataset_is_listed_with_its_tasks(two: Store) -> None:
    said = chartune("datasets", "--store", two.root)
    assert said.code == 0
    assert "0123456789abcdef  A made-up hospital, 1,500 patients  (" in said.out
    assert "fedcba9876543210  MIMIC-III Clinical Database  (" in said.out
    assert "  layout: mimic3\n" in said.out
    assert "  layout: mimic3, 1.4 · preset: paper-code\n" in said.out
    assert said.out.count("made-up") == 1
    assert "  splits: hash (salt chartune)" in said.out
    assert "mortality                train 1,150 · validation 205 · test 400" in said.out
    assert "corpus                   train 2,510 · validation 140 · test 140" in said.out


def test_a_script_gets_size_date_and_whole_card(two: Store) -> None:
    rows = json.loads(chartune("datasets", "--store", two.root, "--json").out)["datasets"]
    assert {row["data"] for row in rows} == {"0123456789abcdef", "fedcba9876543210"}
    for row in rows:
        files = [file for file in Path(row["folder"]).iterdir() if file.name != "manifest.json"]
        assert row["bytes"] == sum(file.stat().st_size for file in files)
        assert row["made"].endswith("+00:00")
        assert row["tasks"]["mortality"]["citation"]


def test_the_card_of_one_says_who_when_seen_asked_and_every_filter(two: Store) -> None:
    output = chartune("datasets", "0123", "--store", two.root).out
    for line in (
        "  licence: CC0-1.0", "  warning: NOTEEVENTS: 12 rows have no admission", "mortality: In-hospital mortality",
        "  who: adults with a discharge summary", "  when: on admission", "  seen: eight sections", "  scored: AUROC",
        "  question: Does the patient die", "  kind: retrospective-text", "  citation: van Aken et al., 2021",
        "diagnoses_icd9: Diagnoses of the stay (ICD-9)", "corpus: Adaptation text",
    ):  # fmt: skip
        assert line in output
    assert "1,394 patients, 1,755 admissions, 1,755 notes  outcome not stated: the chief complaint" in output
    assert "removed nothing: ends after it begins, not empty" in output
    assert "        test: 330 patients, 400 admissions, 3 with the outcome" in output


def test_small_counts_of_real_patients_are_hidden_from_the_card(two: Store) -> None:
    output = chartune("datasets", "fedc", "--store", two.root).out
    assert "        test: 330+ patients, 400+ admissions, <10 with the outcome" in output
    assert "1,390+ patients, 1,750+ admissions" in output  # by classes: else the four who left could be had
    assert "1,394" not in output


def test_json_says_which_of_the_two_figures_it_holds(two: Store) -> None:
    rows = json.loads(chartune("datasets", "--store", two.root, "--json").out)
    assert rows["do_not_release"] is False
    held = {row["data"][:4]: (row["figures"], row["do_not_release"]) for row in rows["datasets"]}
    assert held == {"0123": ("exact", False), "fedc": ("rounded", False)}
    row = json.loads(chartune("datasets", "fedc", "--store", two.root, "--json").out)
    assert row["tasks"]["mortality"]["counts"]["test"] == {"subjects": "330+", "admissions": "400+", "positives": "<10"}
    assert "removed_admissions" not in row["tasks"]["mortality"]["attrition"][1]
    assert row["source"]["tables"]["PATIENTS"]["rows"] == "1,500+"
    assert "10+ rows have no admission" in row["source"]["warnings"][1]


def test_exact_counts_are_for_the_analyst_who_asks_and_are_marked(two: Store) -> None:
    output = chartune("datasets", "fedc", "--exact-counts", "--store", two.root).out
    assert output.startswith("DO NOT RELEASE")
    assert "1,394 patients, 1,755 admissions, 1,755 notes  outcome not stated" in output
    row = json.loads(chartune("datasets", "fedc", "--exact-counts", "--store", two.root, "--json").out)
    assert (row["figures"], row["do_not_release"]) == ("exact", True)
    assert row["tasks"]["mortality"]["counts"]["test"]["admissions"] == 400
    assert "DO NOT RELEASE" not in chartune("datasets", "0123", "--exact-counts", "--store", two.root).out
    assert chartune("datasets", "--exact-counts", "--store", two.root).out.startswith("DO NOT RELEASE")


def test_an_annotated_corpus_is_listed_in_its_own_units(store: Store) -> None:
    data = dataset("made-up", 1, 1)
    counts = {"train": {"subjects": 3, "examples": 40}, "test": {"subjects": 2, "examples": 30}}
    data["tasks"] = {"relations": {**data["tasks"]["mortality"], "counts": counts}}
    published(store, "0123456789abcdef", {**data, "corpus": None})
    output = chartune("datasets", "--store", store.root).out
    assert "relations                train 40 · test 30" in output
    assert "corpus" not in output


def test_an_empty_store_is_told_and_left_alone(tmp_path: Path) -> None:
    said = chartune("datasets", "--store", tmp_path / "none")
    assert said.code == 0
    assert "no prepared data" in said.out
    assert not (tmp_path / "none").exists()


TWO = (
    "fedcba9876543210 (MIMIC-III Clinical Database: mortality, diagnoses_icd9; 20",
    "0123456789abcdef (A made-up hospital, 1,500 patients: mortality, diagnoses_icd9; 20",
)


@pytest.mark.parametrize(
    ("words", "law"),
    [
        (["datasets", ""], "ConfigError: prepared data must be named, because {} holds 2; give one of "),
        (["audit-data"], "ConfigError: prepared data must be named, because {} holds 2; give one of "),
        (["datasets", "feed"], "by a fingerprint or its beginning, but 'feed' fits none; give one of "),
        (["export-data", "feed", "--to", "x"], "by a fingerprint or its beginning, but 'feed' fits none; give one of "),
    ],
)
def test_who_gives_no_name_or_a_wrong_one_is_told_the_choices(two: Store, words: list[str], law: str) -> None:
    said = chartune(*words, "--store", two.root)
    assert said.code == 2
    output = " ".join(said.err.split())
    assert all(choice in output for choice in (law.format(two.root), *TWO)), output


def test_who_asks_an_empty_store_for_data_is_told_how_they_are_made(store: Store) -> None:
    said = chartune("audit-data", "--store", store.root)
    assert said.code == 2
    assert f"{store.root} has none; `chartune prepare FOLDER` makes some" in " ".join(said.err.split())


def test_of_many_datasets_the_newest_are_told_and_the_others_counted(store: Store) -> None:
    for number in range(10):
        published(store, f"{number}0123456789abcde", dataset("made-up", 1, 1))
    said = chartune("audit-data", "--store", store.root)
    assert said.err.count("A made-up hospital") == 8
    assert "or one of 2 older (`chartune datasets`)" in " ".join(said.err.split())
