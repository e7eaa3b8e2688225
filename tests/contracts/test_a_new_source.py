"""A new source is one file and one line: the worked example of docs/architecture.md, found, checked and prepared."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError
from chartune.sources.detect import detect
from chartune.sources.kinds import SOURCES
from chartune.sources.source import Source
from chartune.sources.survey import survey
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune

KIND = "clinic"
PATIENTS = 120


@pytest.fixture
def listed(listed_as_on_the_page: Callable[[str, dict[str, str]], Any]) -> type[Source]:
    """The source of the page, in the catalog."""
    return listed_as_on_the_page("A source", SOURCES)  # type: ignore[no-any-return]


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Stays of 120 patients, of whom every third died, each with a letter."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    stays = [(n, 1000 + n, "2020-03-01 08:00:00", "2020-03-05 12:00:00", 50, int(n % 3 == 0)) for n in range(PATIENTS)]
    letters = [(n, n, 1000 + n, "2020-03-05", f"Chief Complaint:\nfever, day {n}\n\nAllergies:\nlatex\n")
               for n in range(PATIENTS)]  # fmt: skip
    written(folder / "stays.csv", ("patient", "stay", "arrived", "left", "age", "died"), stays)
    written(folder / "letters.csv", ("letter", "patient", "stay", "dated", "text"), letters)
    return folder


def written(file: Path, names: tuple[str, ...], rows: list[Any]) -> None:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([names, *rows])


def test_it_is_recognised_and_its_tables_are_surveyed(listed: type[Source], clinic: Path) -> None:
    assert detect(clinic) == KIND
    assert [(row["table"], row["rows"], row["problem"]) for row in survey(clinic)] == [
        ("stays", PATIENTS, None), ("letters", PATIENTS, None),
    ]  # fmt: skip
    (clinic / "stays.csv").unlink()
    assert [row["problem"] for row in survey(clinic, kind=KIND)] == ["missing", None]


def test_the_command_line_prepares_it(listed: type[Source], clinic: Path, tmp_path: Path) -> None:
    words = ("prepare", clinic, "--tasks", "mortality", "--set", "corpus=null", "--store", tmp_path / "store")
    said = chartune(*words, "--exact-counts", "--json")
    assert said.code == 0, said.err
    prepared: dict[str, Any] = json.loads(said.out)
    counts = prepared["tasks"]["mortality"]["counts"]
    assert prepared["source"]["kind"] == KIND
    assert sum(split["admissions"] for split in counts.values()) == PATIENTS
    assert sum(split["positives"] for split in counts.values()) == PATIENTS // 3
    again = chartune(*words, "--source", KIND, "--json")
    assert json.loads(again.out)["data"] == prepared["data"]


def test_a_config_names_it_and_is_told_of_its_slips(listed: type[Source], clinic: Path) -> None:
    preparation = Preparation.parse({"source": {"kind": KIND, "folder": clinic}})
    assert isinstance(preparation.source, listed)
    assert Preparation.parse(preparation.model_dump(mode="json")) == preparation
    with pytest.raises(ConfigError, match=r"source\.foldr: not a field.*Did you mean `folder`"):
        Preparation.parse({"source": {"kind": KIND, "foldr": clinic, "folder": clinic}})
