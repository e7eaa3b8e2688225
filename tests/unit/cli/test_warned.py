"""What verbs say of their data: all of it once, and of data that are found where it stands; a plan finds them, too."""

from pathlib import Path

import pytest

from chartune.cli.warned import say_warnings
from chartune.planning.prepared import prepared, prepared_otherwise
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes of patients, split by a semicolon, which is said when they are prepared."""
    file = tmp_path_factory.mktemp("notes") / "notes.csv"
    rows = [f"{n};Pain in the chest since day {n}.;{('well', 'ill')[n % 2]}" for n in range(60)]
    file.write_text("\n".join(["subject_id;text;label", *rows, ""]))
    return file


def test_notes_on_data_are_said_when_they_are_prepared_and_counted_when_they_are_found(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, data = Store(tmp_path / "store").open(), Preparation.parse({"source": {"kind": "tabular", "file": notes}})
    first = say_warnings(data, store, "labels")
    assert "note: notes: cells stand between semicolons" in capsys.readouterr().err
    again = say_warnings(data, store, "labels")
    said = capsys.readouterr().err
    name = prepare(data, store).fingerprint
    assert f"data: {name}, prepared before; what was noted then (2): chartune datasets {name[:8]}\n" in said
    assert "note:" not in said
    assert first == again != []
    assert all(f"warning: {line}" in said for line in again)


def test_a_plan_points_out_that_the_same_files_are_prepared_by_other_choices(notes: Path, tmp_path: Path) -> None:
    store, source = Store(tmp_path / "store").open(), {"kind": "tabular", "file": str(notes)}
    asked = Preparation.parse({"source": source})
    assert prepared_otherwise(asked, store) == ""
    other = prepare(Preparation.parse({"source": source, "tasks": [{"kind": "labels", "least_cases": 3}]}), store)
    assert prepared(asked, store) is None
    assert f"{other.fingerprint} are the same raw data prepared by other choices" in prepared_otherwise(asked, store)
    elsewhere = Preparation.parse({"source": {**source, "file": str(tmp_path / "notes.csv")}})
    assert prepared_otherwise(elsewhere, store) == ""
    made = prepare(asked, store)
    assert getattr(prepared(asked, store), "fingerprint", None) == made.fingerprint
