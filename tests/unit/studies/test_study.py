"""A study: a grid becomes cells, references mean one cell each, and a failure leaves a gap and not a ruin."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.errors import ConfigError, RunError
from chartune.mapping import merged
from chartune.runner import run
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.cell import reference
from chartune.studies.conduct import Means, conduct
from chartune.studies.demo import FILES, demo_study
from chartune.studies.failures import DIED
from chartune.studies.parents import family_of
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.testing.short_texts import short_texts

CLINICAL: dict[str, Any] = {"kind": "pretrain", "grid": {"seed": [0, 1]}}
STACKED: dict[str, Any] = {
    "kind": "finetune",
    "grid": {"seed": [0, 1], "task": ["mortality", "diagnoses_icd9"]},
    "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "clinical"}}, {"kind": "fresh"}]},
}


BASED: dict[str, Any] = {kind: {"backbone": {"name": "small-llama"}} for kind in ("pretrain", "finetune")}


def study(stages: dict[str, Any], folder: Path | str = "raw", shared: dict[str, Any] | None = None) -> Study:
    data = {"source": {"kind": "mimic3", "folder": str(folder)}}
    return Study.parse({"title": "t", "data": data, "stages": stages, "shared": merged(BASED, shared or {})})


def test_a_grid_becomes_a_cell_for_each_combination() -> None:
    cells = study({"clinical": CLINICAL, "stacked": STACKED}).cells()
    assert [cell.title() for cell in cells] == [
        "clinical (seed=0)", "clinical (seed=1)",
        "stacked (seed=0, task=mortality)", "stacked (seed=0, task=diagnoses_icd9)",
        "stacked (seed=1, task=mortality)", "stacked (seed=1, task=diagnoses_icd9)",
    ]  # fmt: skip
    assert {cell.asked["name"] for cell in cells} == {"clinical", "stacked"}


def test_an_axis_that_is_neither_seed_nor_task_stands_in_the_name() -> None:
    rank = {"kind": "finetune", "stack": {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]},
            "grid": {"stack.layers.0.method.rank": [2, 16]}}  # fmt: skip
    asked = study({"lora": rank})
    assert [cell.asked["name"] for cell in asked.cells()] == ["lora rank=2", "lora rank=16"]
    assert [asked.stage(cell, {}).stack.layers[0].method.rank for cell in asked.cells()] == [2, 16]


def test_a_grid_over_kinds_gives_each_kind_its_own_fields() -> None:
    shared = {"pretrain": {"method": {"rank": 4}}}
    kinds = {"kind": "pretrain", "grid": {"method.kind": ["lora", "full"]}}
    asked = study({"adapted": kinds}, shared=shared)
    methods = [asked.stage(cell, {}).method for cell in asked.cells()]
    assert [method.kind for method in methods] == ["lora", "full"]
    assert (methods[0].rank, methods[0].alpha) == (4, 32)  # pretraining's own default, but for what is shared


def test_a_grid_over_kinds_reaches_into_a_stack() -> None:
    layers = {"stack": {"layers": [{"kind": "fresh", "method": {"rank": 4}}]}}
    kinds = {"kind": "finetune", **layers, "grid": {"stack.layers.0.method.kind": ["full", "lora"]}}
    methods = [
        study({"tuned": kinds}).stage(cell, {}).stack.layers[0].method for cell in study({"tuned": kinds}).cells()
    ]
    assert [(method.kind, getattr(method, "rank", None)) for method in methods] == [("full", None), ("lora", 4)]


def test_a_reference_means_the_cell_of_the_same_seed() -> None:
    cells = dict(enumerate(study({"clinical": CLINICAL, "stacked": STACKED}).cells()))
    assert [reference(cells[n], "clinical", cells) for n in (2, 3, 4, 5)] == [0, 0, 1, 1]


def test_a_reference_that_could_mean_two_cells_is_refused() -> None:
    without = {**STACKED, "grid": {"task": ["mortality"]}}
    cells = dict(enumerate(study({"clinical": CLINICAL, "stacked": without}).cells()))
    with pytest.raises(ConfigError, match="2 fit"):
        reference(cells[2], "clinical", cells)


def test_a_reference_is_replaced_and_shared_fields_stand_below_own_ones() -> None:
    asked = study(
        {"clinical": {"kind": "pretrain"}, "stacked": {**STACKED, "grid": {}, "optimisation": {"batch_size": 2}}},
        shared={"finetune": {"max_seq_len": 33, "optimisation": {"batch_size": 8, "learning_rate": 0.5}}},
    )
    stage = asked.stage(asked.cells()[1], {"clinical": "0123456789abcdef"})
    assert stage.stack.layers[0].adapter == "0123456789abcdef"
    assert (stage.max_seq_len, stage.optimisation.batch_size, stage.optimisation.learning_rate) == (33, 2, 0.5)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (
            {"stacked": STACKED, "clinical": CLINICAL},
            "`stacked .*: it refers to `clinical`, which must be a stage",
        ),
        ({"lora": {"kind": "finetune", "max_seq_lenn": 3}}, "max_seq_lenn.*Did you mean `max_seq_len`"),
        ({"lora": {"kind": "finetun"}}, "`lora`: `kind` must be one of"),
        ({"lora": {"kind": "finetune", "grid": {"seed": 3}}}, "must map paths to lists"),
        ({}, "stages"),
        ({"lora": {"kind": "finetune", "grid": {3: [1]}}}, "the grid of `lora` must map paths to lists"),
        (
            {"lora": {"kind": "finetune", "task": "mortality", "grid": {"task.x": [1]}}},
            "the grid of `lora` must lead to a field, but `task.x` leads through `task`, which is a plain value",
        ),
        (
            {"lora": {"kind": "finetune", "stack": {"layers": []}, "grid": {"stack.layers.0.method.rank": [1]}}},
            "for `stack.layers.0.method.rank` there is no element '0' in `stack.layers`, which has 0",
        ),
        (
            {"lora": {"kind": "finetune", "stack": {"layers": [{"kind": "fresh"}]}, "grid": {"stack.layers.x": [1]}}},
            "there is no element 'x' in `stack.layers`, which has 1",
        ),
    ],
)
def test_a_slip_is_told_before_anything_runs(stages: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){expected}"):
        study(stages)


def test_a_study_survives_its_yaml(tmp_path: Path) -> None:
    demos = [demo_study(tmp_path, range(3), base, "fp32") for base in FILES]
    for asked in (study({"clinical": CLINICAL, "stacked": STACKED}), *demos):
        assert Study.parse(yaml.safe_load(asked.to_yaml())) == asked


def test_a_failed_stage_leaves_a_gap_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(stage: Any, store: Store) -> Run:
        if stage.kind == "pretrain":
            raise RunError("a loss must be finite, but is not")
        return run(stage, store)

    monkeypatch.setattr("chartune.studies.attempt.run", failing)
    above = {"kind": "finetune", "stack": {"layers": [{"kind": "frozen", "adapter": {"from": "lost"}}]}}
    stages = {"lost": {"kind": "pretrain"}, "above": above, "words": {"kind": "tfidf", "least_documents": 1}}
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    asked = Study.parse({"title": "t", "data": data, "stages": stages, "shared": BASED})
    store = Store(tmp_path / "store").open()
    first = conduct(asked, store)
    assert [run.name for run in first.runs] == ["words"]
    assert [gap.cell for gap in first.gaps] == ["lost", "above"]
    assert "a loss must be finite" in first.gaps[0].why
    assert "`lost`" in first.gaps[1].why
    again = conduct(asked, store)
    assert [run.about.finished for run in again.runs] == [run.about.finished for run in first.runs]


def test_a_failure_is_remembered_until_its_cell_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(stage: Any, store: Store) -> Run:
        raise RunError("a fit must end, but has not")

    def standing() -> tuple[str, str]:
        one = survey(family_of(asked)[0], store, {}).standings[0]
        return one.state, one.why

    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    stages = {"words": {"kind": "tfidf", "least_documents": 1}}
    asked = Study.parse({"title": "t", "data": data, "stages": stages})
    store = Store(tmp_path / "store").open()
    assert standing() == ("missing", "its data are not prepared")
    with monkeypatch.context() as change:
        change.setattr("chartune.studies.attempt.run", failing)
        conduct(asked, store)
    assert standing() == ("failed", "a fit must end, but has not")
    assert [gap.why for gap in conduct(asked, store).gaps] == ["a fit must end, but has not"]  # nobody asks for it
    conduct(asked, store, means=Means(retry_failed=True))
    assert standing() == ("done", "")
    assert not any((store.root / "studies").iterdir())


class KillError(BaseException):
    """Ends a study as SIGKILL does: nothing handles it."""


def interrupted(stage: Any, store: Store) -> Run:
    raise KeyboardInterrupt


def test_a_cell_that_kills_its_process_is_tried_again_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def killing(stage: Any, store: Store) -> Run:
        begun.append(stage.name)
        if stage.name in deadly:
            raise KillError
        return run(stage, store)

    def standing() -> list[tuple[str, str]]:
        return [(one.state, one.why) for one in survey(family_of(asked)[0], store, {}).standings.values()]

    monkeypatch.setattr("chartune.studies.attempt.run", killing)
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    stages = {name: {"kind": "tfidf", "least_documents": n} for n, name in enumerate(("large", "one", "two"), 1)}
    asked, store, deadly = Study.parse({"title": "t", "data": data, "stages": stages}), Store(tmp_path / "s"), {"large"}
    for _ in range(2):
        with pytest.raises(KillError):
            conduct(asked, store.open())
    assert begun == ["large", "one", "two", "large"]
    assert standing() == [("missing", ""), ("done", ""), ("done", "")]  # this process lives, and may be at it
    with monkeypatch.context() as dead:
        dead.setattr("chartune.holder.born", lambda _: None)
        assert standing()[0] == ("failed", DIED)
    notes = [file.read_bytes() for file in (store.root / "studies").iterdir()]
    with monkeypatch.context() as stopped:
        stopped.setattr("chartune.studies.attempt.run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            conduct(asked, store)
    assert [file.read_bytes() for file in (store.root / "studies").iterdir()] == notes  # it still comes last
    deadly.clear()
    assert [run.name for run in conduct(asked, store).runs] == ["large", "one", "two"]
    assert begun[4:] == ["large"]
    assert not any((store.root / "studies").iterdir())


def test_a_cell_that_was_interrupted_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.studies.attempt.run", interrupted)
    data = json.loads(short_texts(tmp_path / "raw", tmp_path / "lists").model_dump_json())
    asked = Study.parse({"title": "t", "data": data, "stages": {"words": {"kind": "tfidf"}}})
    with pytest.raises(KeyboardInterrupt):
        conduct(asked, Store(tmp_path / "store").open())
    assert not any((tmp_path / "store" / "studies").iterdir())


RECIPES = sorted((Path(__file__).parents[3] / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_recipe_is_a_study_with_one_meaning_for_each_reference(file: Path) -> None:
    asked = Study.read(file)
    cells = dict(enumerate(asked.cells()))
    for cell in cells.values():
        for need in cell.needs():
            reference(cell, need, cells)
    assert Study.parse(yaml.safe_load(asked.to_yaml())) == asked


SHIPPED = [*RECIPES, Path(str(files("chartune.studies") / "demo.yaml"))]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_what_is_shipped_states_what_its_results_rely_on(file: Path) -> None:
    for cell in Study.read(file).cells():
        if cell.asked["kind"] not in ("pretrain", "finetune"):
            continue
        layers = (
            [{"kind": "fresh", **cell.asked}] if cell.asked["kind"] == "pretrain" else cell.asked["stack"]["layers"]
        )
        methods = [layer["method"] for layer in layers if layer["kind"] == "fresh"]
        assert "backbone" in cell.asked, cell.title()
        assert all({"rank", "alpha", "targets"} <= set(m) for m in methods if m["kind"] == "lora"), cell.title()


def test_there_are_recipes() -> None:
    assert RECIPES
