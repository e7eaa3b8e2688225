"""A study from its file to its report: planned, run, looked at, continued elsewhere by its ledger."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from chartune.errors import RunError
from chartune.models.backbone import LocalBackbone
from chartune.runner import run
from chartune.runs.ledger import finished_runs
from chartune.stages.identity import Identity
from chartune.stages.inputs import content_of
from chartune.store import Store
from chartune.studies.ledger import append, must_be_writable, read_entries
from chartune.studies.study import Study
from chartune.testing.command_line import Completed, chartune
from chartune.testing.short_texts import short_texts

RATE = "optimisation.learning_rate"
CELLS = ("clinical (seed=0)", "words", f"stacked (seed=0, {RATE}=0.001)", f"stacked (seed=0, {RATE}=0.002)")
Asked = Callable[..., Completed]


@dataclass(frozen=True)
class Place:
    """Where a study is."""

    root: Path
    study: Path
    ledger: Path
    store: Path
    first: Completed
    """How its first run ended."""

    def lines(self) -> list[str]:
        return self.ledger.read_text().splitlines()


@pytest.fixture(scope="module", autouse=True)
def unplanned() -> Iterator[None]:
    """Without plans of single runs: they take longer than these runs."""
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


def written(folder: Path, base: LocalBackbone) -> Path:
    data = short_texts(folder / "raw", folder / "lists")
    model = {
        "backbone": {"name": str(base.folder)}, "max_seq_len": 32,
        "numerics": {"precision": "fp32", "attention": "eager"},
        "optimisation": {"duration": {"value": 2, "unit": "steps"}},
    }  # fmt: skip
    lora = {"kind": "lora", "rank": 2}
    stack = [{"kind": "frozen", "adapter": {"from": "clinical"}}, {"kind": "fresh", "method": lora}]
    stages: dict[str, Any] = {
        "clinical": {"kind": "pretrain", "grid": {"seed": [0]}, "method": lora},
        "words": {"kind": "tfidf", "least_documents": 1},
        "stacked": {"kind": "finetune", "grid": {"seed": [0], RATE: [0.001, 0.002]}, "stack": {"layers": stack}},
    }
    study = {"title": "A tiny study", "data": json.loads(data.model_dump_json()), "stages": stages,
             "shared": {"pretrain": model, "finetune": model}}  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, llama: LocalBackbone) -> Place:
    root = tmp_path_factory.mktemp("study")
    file, store, ledger = written(root, llama), root / "store", root / "ledger.jsonl"
    study = Study.read(file)
    run(study.stage(study.cells()[1], {}).model_copy(update={"name": "mine"}), Store(store))
    first = chartune("study", file, "--ledger", ledger, "--out", root / "first.html", "--store", store, "--json")
    return Place(root, file, ledger, store, first)


@pytest.fixture
def asked(place: Place) -> Asked:
    """A verb and its further words → what it said on the study in its store."""

    def said(verb: str, *words: object, store: Path = place.store) -> Completed:
        return chartune("study", verb, place.study, *words, "--store", store)

    return said


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("finetune", "pretrain"):
        monkeypatch.delattr(f"chartune.stages.{kind}.fit")


def states(said: Completed) -> dict[str, str]:
    return {row["cell"]: row["state"] for row in json.loads(said.out)["cells"]}


def test_a_file_alone_means_run_and_a_finished_study_is_found(place: Place, asked: Asked, nothing_trains: None) -> None:
    assert place.first.code == 0
    again = asked("run", "--out", place.root / "again.html", "--json")
    assert json.loads(again.out)["runs"] == json.loads(place.first.out)["runs"]
    options_first = chartune("study", "--store", place.store, "--json", "--out", place.root / "x.html", place.study)
    assert json.loads(options_first.out)["runs"] == json.loads(place.first.out)["runs"]


def test_a_study_renames_no_run_and_its_report_has_its_own_titles(place: Place) -> None:
    assert "mine" in {run.name for run in finished_runs(Store(place.store))}
    page = (place.root / "first.html").read_text()
    assert "<summary>1 · words" in page
    assert "· mine" not in page


def test_a_taken_name_gets_a_number_but_not_from_another_seed(place: Place) -> None:
    study = Study.read(place.study)
    stage = study.stage(study.cells()[1], {})
    store = Store(place.store)
    other = run(stage.model_copy(update={"name": "mine", "least_documents": 2}), store)
    seed = run(stage.model_copy(update={"name": "mine", "seed": 5}), store)
    assert (other.name, seed.name) == ("mine (2)", "mine")
    assert run(stage.model_copy(update={"name": "mine", "least_documents": 2}), store).name == "mine (2)"
    for made in (other, seed):
        shutil.rmtree(made.path)


def test_status_says_done_running_failed_and_missing(
    place: Place, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert states(asked("status", "--json")) == dict.fromkeys(CELLS, "done")
    empty = asked("status", "--json", store=tmp_path / "empty")
    assert states(empty) == dict.fromkeys(CELLS, "missing")
    assert not (tmp_path / "empty").exists()
    place_of = {row["cell"]: row["run"] for row in json.loads(asked("status", "--json").out)["cells"]}
    part = shutil.copytree(place.store, tmp_path / "part")
    for cell in (CELLS[2], CELLS[3]):
        shutil.rmtree(part / "runs" / place_of[cell])

    def broken(*_: object) -> None:
        raise RunError("a rule must hold, but it does not")

    with monkeypatch.context() as change, Store(part).lease("runs", place_of[CELLS[3]]):
        change.setattr("chartune.stages.finetune.fit", broken)
        running = states(asked("status", "--json", store=part))
        assert (running[CELLS[2]], running[CELLS[3]]) == ("missing", "running")
        ended = asked("run", "--out", tmp_path / "r.html", "--json", store=part)
    assert ended.code == 5
    assert [gap["stage"] for gap in json.loads(ended.out)["gaps"]] == [CELLS[2], CELLS[3]]
    said = asked("status", store=part)
    assert f"failed   {CELLS[2]}" in said.out
    assert "a rule must hold" in said.out


@pytest.mark.slow
def test_a_plan_of_the_grid_makes_nothing_and_sums_what_is_not_done(place: Place, asked: Asked, tmp_path: Path) -> None:
    planned = asked("plan", "--json", "--ledger", place.ledger, store=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    made = json.loads(planned.out)
    by_cell = {row["cell"]: row for row in made["cells"]}
    assert tuple(by_cell) == CELLS
    assert all(by_cell[cell]["peak_bytes"] > 0 for cell in CELLS if cell != "words")
    assert "its layer from `clinical` is not made yet" in by_cell[CELLS[2]]["note"]
    total = made["total"]
    assert total["cells"] == 4
    assert total["peak_bytes"] == max(row["peak_bytes"] or 0 for row in made["cells"])
    kept, every = (sum(row[what] or 0 for row in made["cells"]) for what in ("kept_bytes", "shared_bytes"))
    own = kept + max(row["training_bytes"] or 0 for row in made["cells"])
    assert own <= total["disk_bytes"] <= own + every


def test_what_is_done_needs_no_plan_and_what_cannot_be_planned_says_why(asked: Asked, place: Place) -> None:
    done = json.loads(asked("plan", "--json").out)
    assert done["total"]["cells"] == 0
    assert all(row["done"] for row in done["cells"])
    lost = ["--set", "shared.finetune.max_seq_len=4000", "--set", "stages.words.least_documents=2"]
    said = json.loads(asked("plan", "--json", *lost).out)
    rows = {row["cell"]: row for row in said["cells"]}
    assert [rows[cell]["done"] for cell in CELLS] == [True, False, False, False]
    assert [rows[cell]["planned"] for cell in CELLS] == [True, True, False, False]
    assert "max_seq_len must be at most" in rows[CELLS[2]]["note"]
    assert rows["words"]["seconds"] > 1
    assert (said["total"]["cells"], said["total"]["seconds"]) == (3, rows["words"]["seconds"])


def test_a_report_of_what_is_done_runs_nothing(place: Place, asked: Asked, nothing_trains: None) -> None:
    said = asked("report", "--out", place.root / "done.html")
    assert said.code == 0
    assert "report of 4 of 4 cells" in said.out
    assert "A tiny study" in (place.root / "done.html").read_text()
    none = asked("report", store=place.root / "no-store")
    assert none.code == 5
    assert "this study has none" in none.err


def test_a_cell_that_is_named_final_later_scores_the_test_split_without_training(
    place: Place, asked: Asked, nothing_trains: None, tmp_path: Path
) -> None:
    store = shutil.copytree(place.store, tmp_path / "store")
    final = ["--set", "final=[{stage: stacked, learning_rate: 0.001}]"]
    assert asked("run", *final, "--out", tmp_path / "r.html", store=store).code == 0
    rows = json.loads(asked("status", "--json", *final, store=store).out)["cells"]
    assert {row["cell"]: row["final"] for row in rows} == dict(zip(CELLS, (True, False, True, False), strict=True))
    page = (tmp_path / "r.html").read_text()
    assert "2 of 3 variants are not final" in page
    assert page.count(">scored, as a final variant") == 1
    assert page.count(">not scored") == 2


def test_what_the_ledger_lists_is_done_on_another_machine_and_stands_in_the_report(
    place: Place, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("finetune", "pretrain", "tfidf"):
        monkeypatch.delattr(f"chartune.stages.{kind}.perform")
    words = ["--ledger", place.ledger, "--out", tmp_path / "r.html", "--json"]
    said = json.loads(asked("run", *words, store=tmp_path / "store").out)
    assert (said["runs"], len(said["listed"])) == ([], 4)
    page = (tmp_path / "r.html").read_text()
    assert "From the ledger" in page
    assert all(cell in page for cell in CELLS)


def test_what_an_unfinished_cell_is_built_on_is_asked_for_again(place: Place, asked: Asked, tmp_path: Path) -> None:
    from chartune.studies.parents import family_of
    from chartune.studies.standing import needed, survey

    store = Store(tmp_path / "store").open()
    shutil.copytree(place.store / "data", store.root / "data")
    family, _ = family_of(Study.read(place.study))
    every = read_entries(place.ledger)
    assert needed(survey(family, store, every)) == set()
    del every[next(name for name, entry in every.items() if entry.cell == CELLS[3])]
    assert needed(survey(family, store, every)) == {CELLS.index("clinical (seed=0)")}
    states = [standing.state for standing in survey(family, store, every).standings.values()]
    assert states == ["done", "done", "done", "missing"]


@pytest.mark.slow
def test_another_machine_goes_on_where_the_first_has_stopped_though_its_weights_differ(
    place: Place, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.studies.identity.content_of", lambda own: {**content_of(own), "sha256": "0" * 64})
    ledger, store = tmp_path / "ledger.jsonl", tmp_path / "store"
    ledger.write_text("".join(f"{line}\n" for line in place.lines()[:-1]))
    more = json.loads(asked("run", "--ledger", ledger, "--out", tmp_path / "r.html", "--json", store=store).out)
    done = {run.name for run in finished_runs(Store(store))}
    assert done == {"clinical", "stacked learning_rate=0.002"}
    assert (len(more["runs"]), len(more["listed"])) == (2, 2)
    assert ledger.read_text().splitlines()[:3] == place.lines()[:3]
    assert len(ledger.read_text().splitlines()) == 4


def fingerprint(line: str) -> str:
    return str(json.loads(line)["fingerprint"])


def test_of_real_patients_no_score_of_few_is_shown_and_a_ledger_holds_no_predictions(place: Place) -> None:
    assert place.first.err.count("AUROC too few to show") == 2
    assert "AUROC 0." not in place.first.err
    assert "AUROC 1." not in place.first.err
    entries = read_entries(place.ledger)
    assert {entry.cell for entry in entries.values()} == set(CELLS)
    for entry in entries.values():
        assert not entry.exact
        assert entry.predictions is None
        if entry.task:
            assert entry.scores == {"validation": "too few to show"}
    text = place.ledger.read_text()
    assert str(place.root) not in text
    assert "twins" not in text


@pytest.mark.parametrize("cut", [1, 40, 2000])
def test_what_a_kill_left_of_the_last_line_is_no_line(place: Place, tmp_path: Path, cut: int) -> None:
    ledger, entries = tmp_path / "ledger.jsonl", read_entries(place.ledger)
    whole = place.ledger.read_bytes()
    last = len(whole) - len(whole.splitlines(keepends=True)[-1])
    ledger.write_bytes(whole[: max(last + 3, len(whole) - cut)])
    left = read_entries(ledger)
    assert len(left) == (len(entries) if cut == 1 else len(entries) - 1)
    append(ledger, list(entries.values())[-1])
    assert ledger.read_bytes() == whole


def test_a_line_that_is_damaged_or_is_of_other_settings_or_data_is_an_error(
    place: Place, asked: Asked, tmp_path: Path
) -> None:
    from chartune.studies import ledger as module

    def refused(line: str, *, above: bool = False) -> str:
        lines = place.lines()
        (tmp_path / "l.jsonl").write_text("\n".join([line, *lines] if above else [*lines[:1], line, *lines[2:]]) + "\n")
        said = asked("run", "--ledger", tmp_path / "l.jsonl", "--out", tmp_path / "r.html")
        assert said.code == 2
        return said.err

    second = place.lines()[1]
    assert "line 2 of the ledger" in refused(second[:-30])
    assert "is damaged, or was changed" in refused(second.replace('"seed":0', '"seed":1'))
    fields = json.loads(second)
    del fields["checksum"]
    fields["settings"]["stage"]["seed"] = 1
    signed = json.dumps({**fields, "checksum": module._checksum(fields)})
    assert "a fingerprint must be that of its settings" in refused(signed)
    fields["settings"]["data"] = "0" * 16
    fields["fingerprint"] = Identity(fields["kind"], fields["revision"], fields["settings"]).fingerprint
    signed = json.dumps({**fields, "checksum": module._checksum(fields)})
    assert "a ledger must be of the data of its study" in refused(signed, above=True)


def test_many_write_a_ledger_at_once_and_each_cell_stands_there_once(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = list(read_entries(place.ledger).values())

    def slowly(line: bytes) -> Any:
        time.sleep(0.002)  # so that all would read before one has written
        return fingerprint(line.decode()) if line else None

    monkeypatch.setattr("chartune.studies.ledger._fingerprint", slowly)
    must_be_writable(tmp_path / "l.jsonl")
    with ThreadPool(8) as pool:
        pool.map(lambda number: append(tmp_path / "l.jsonl", entries[number % len(entries)]), range(16))
    lines = (tmp_path / "l.jsonl").read_text().splitlines()
    assert sorted(lines, key=fingerprint) == sorted(place.lines(), key=fingerprint)


def test_all_that_is_wrong_is_said_at_once_before_anything_is_made(place: Place, tmp_path: Path) -> None:
    study = yaml.safe_load(place.study.read_text())
    study["stages"]["stacked"]["grid"]["task"] = ["mortality", "nosuch"]
    study["shared"]["finetune"]["max_seq_len"] = 4000
    study["stages"]["lost"] = {
        **study["stages"]["stacked"],
        "stack": {"layers": [{"kind": "frozen", "adapter": "gone"}, {"kind": "fresh"}]},
    }
    study["stages"]["far"] = {"kind": "pretrain", "backbone": {"name": str(tmp_path / "no-base")}}
    study["stages"]["above"] = {"kind": "finetune", "grid": {"seed": [1]},
                                "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "clinical"}}]}}  # fmt: skip
    study["stages"]["other"] = {
        "kind": "tfidf",
        "data": {"source": {"kind": "mimic3", "folder": str(tmp_path / "no-raw")}},
    }
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    said = chartune("study", file, "--store", tmp_path / "store", "--out", tmp_path / "r.html")
    assert said.code == 2
    for once in ("max_seq_len must be at most", "none is named 'gone'", "but got 'nosuch'", "no-base", "no-raw",
                 "a reference must mean one cell"):  # fmt: skip
        assert said.err.count(once) == 1, once
    assert "4 cells (" in said.err
    assert not (tmp_path / "store" / "data").exists()
