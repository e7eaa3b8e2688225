"""The dataset card: everything a reader must know of prepared data, and nothing of a patient."""

import re
from typing import Any

import polars as pl
import pytest
import yaml

from chartune.sources.mimic3 import Mimic3
from chartune.store import Artefact, Store
from chartune.tasks.annotated.task import EXAMPLES as ANNOTATED
from chartune.tasks.dataset import read_dataset
from chartune.tasks.dataset_card import COLUMNS, dataset_card
from chartune.tasks.inputs import EXAMPLES
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing import past_data
from chartune.testing.plain import typed
from chartune.testing.raw_tables import RawHospital

NAME = "0123456789abcdef"
HASHES = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{16})\b")
"""In one card of a hundred the digits of a hash spell an id."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Prepared data of a small hospital in the layout of MIMIC-III."""
    folder, raw = tmp_path_factory.mktemp("card"), RawHospital()
    for subject_id in range(1, 30):
        raw.stay(subject_id, died=subject_id % 2)
    tasks = [{"kind": "mortality"}, {"kind": "mortality", "hospice": "died", "reads": {"kind": "bedside-notes"}}]
    source = Mimic3(folder=raw.write(folder / "raw"))
    return prepare(Preparation.parse({"source": source, "tasks": tasks}), Store(folder / "store").open())


def head(card: str) -> dict[str, Any]:
    """What Hugging Face reads."""
    return dict(yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n")))


def test_the_head_is_yaml_that_tells_licence_tasks_and_size() -> None:
    metadata = head(dataset_card(typed(past_data.dataset("mimic3", 40, 90)), NAME))
    assert metadata == {
        "pretty_name": "MIMIC-III Clinical Database, prepared by chartune", "license": "other",
        "license_name": "physionet-credentialed-health-data-license-1.5.0",
        "task_categories": ["text-classification", "text-generation", "fill-mask"],
        "size_categories": ["1K<n<10K"], "tags": ["medical", "clinical-notes", "chartune", "mimic3"],
    }  # fmt: skip
    assert head(dataset_card(typed(past_data.dataset("made-up", 40, 90)), NAME))["license"] == "cc0-1.0"


@pytest.mark.parametrize(
    ("documents", "size"),
    [(0, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K"), (2_653_149, "1M<n<10M"), (10**8, "n>100M")],
)
def test_the_size_is_that_of_the_largest_table(documents: int, size: str) -> None:
    content = past_data.dataset("mimic3", 40, 90)
    content["corpus"]["counts"] = {"train": {"subjects": 1, "documents": documents}}
    assert head(dataset_card(typed(content), NAME))["size_categories"] == [size]


def test_a_card_tells_whom_when_what_and_from_where() -> None:
    content = past_data.dataset("mimic3", 40, 90)
    content["config"] = {"preset": "paper-text", "held_out_copies": "kept"}
    content["tasks"]["mortality"]["config"] = {"kind": "mortality", "hospice": "survived", "stays": {"min_age": 18}}
    card = dataset_card(typed(content), NAME)
    for said in (
        "**Restricted.**", "- **Licence:** PhysioNet Credentialed Health Data License", "- **Preset:** paper-text",
        f"- **Prepared data:** {NAME}", "- **Split rule:** kind hash, salt chartune",
        "hospice: survived; stays.min_age: 18",
        "- **Who:** adults with a discharge summary", "- **When:** on admission", "- **Kind:** retrospective-text",
        "- **Question:** Does the patient die during this stay?", "- **Labels:** 30",
        "| validation | 140+ | 200+ | 20+ |",
        "These filters left nobody out, or too few to show: ends",
        "| not a duplicate | copied notes teach a model to copy |",
        f"| PATIENTS.csv.gz | 29.7 KiB | {'2a' * 32} |", "The source says: NOTEEVENTS: 10+ rows have no admission",
        "## How to cite", "van Aken et al., 2021", f"chartune 0.1.0, data {NAME}", "| corpus.parquet |",
        "| text_time |",
    ):  # fmt: skip
        assert said in card


def test_fictional_patients_need_no_protection() -> None:
    card = dataset_card(typed(past_data.dataset("made-up", 7, 90)), NAME)
    assert "Restricted" not in card
    assert "| test | 330 | 400 | 7 |" in card


def test_small_counts_of_real_patients_and_names_of_labels_are_not_in_a_card() -> None:
    card = dataset_card(typed(past_data.dataset("mimic3", 7, 90)), NAME)
    assert "| test | 330+ | 400+ | &lt;10 |" in card
    assert "1,893" not in card
    assert not any(disease in card for disease in past_data.DISEASES)


def test_the_columns_are_those_of_every_task_with_a_row_per_example() -> None:
    assert set(COLUMNS) == (set(EXAMPLES) - {"asked"}) | {"label"} == set(ANNOTATED)
    spans = past_data.dataset("mimic3", 40, 90)
    spans["tasks"] = {"concepts": spans["tasks"]["mortality"] | {"answer": "spans"}}
    card = dataset_card(typed(spans), NAME)
    assert "text_time" not in card
    assert head(card)["task_categories"][0] == "token-classification"


def test_a_name_cannot_break_out_of_a_card() -> None:
    content = past_data.dataset("mimic3", 40, 90)
    content["source"]["title"] = "<img src=x>: 'a' | \"b\"\n---\n# Another"
    card = dataset_card(typed(content), NAME)
    assert head(card)["pretty_name"] == "<img src=x>: 'a' | \"b\" --- # Another, prepared by chartune"
    assert "\n# &lt;img src=x&gt;: 'a' \\| \"b\" --- # Another, prepared by chartune\n" in card


def test_the_card_stands_beside_the_data_and_says_what_they_say(prepared: Artefact) -> None:
    prepared.verify()
    assert (prepared.path / "README.md").read_text() == dataset_card(read_dataset(prepared), prepared.fingerprint)


def test_no_line_of_a_note_and_no_id_is_in_the_card(prepared: Artefact) -> None:
    card = (prepared.path / "README.md").read_text()
    frames = [pl.read_parquet(prepared.path / f"{name}.parquet") for name in ("mortality", "corpus")]
    lines = {line.strip().lower() for frame in frames for text in frame["text"] for line in text.splitlines()}
    assert len(lines - {""}) > 3
    assert not [line for line in lines if line and line in card.lower()]
    ids = {str(hadm_id) for hadm_id in frames[0]["hadm_id"]}
    assert ids.isdisjoint(re.findall(r"\d+", HASHES.sub("", card)))


def test_no_path_of_this_machine_is_in_the_card(prepared: Artefact) -> None:
    assert str(prepared.path.parents[2]) not in (prepared.path / "README.md").read_text()
