"""`chartune predict RUN RUN …`: several runs score a table in one pass, each byte for byte as alone."""

from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from chartune.prediction import files, predictions, texts
from chartune.runs.run import Run
from chartune.serving import bulk
from chartune.stages.chosen import Chosen
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.served_runs import Served, notes

SOME: Final = ("rslora", "head only", "second head", "dora")


@pytest.fixture(scope="module")
def store(served: Served) -> Store:
    return served.store


@pytest.fixture(scope="module")
def runs(served: Served) -> dict[str, Run]:
    return served.runs


@pytest.fixture(scope="module")
def some(runs: dict[str, Run]) -> dict[str, Run]:
    return {name: runs[name] for name in SOME}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bulk") / "new.csv"
    pl.DataFrame({"id": range(40), "text": notes(40, seed=8)}).write_csv(file)
    return file


def test_several_runs_write_what_each_writes_alone(
    store: Store, some: dict[str, Run], table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (texts, files):
        monkeypatch.setattr(module, "CHUNK", 16)
    for ending in ("csv", "parquet"):
        said = chartune(
            "predict", *some, table, "--out", tmp_path / f"all-{{run}}.{ending}", "--store", store.root
        )  # fmt: skip
        assert said.code == 0, said.err
        for name, run in some.items():
            alone = tmp_path / f"alone.{ending}"
            assert chartune("predict", name, table, "--out", alone, "--store", store.root).code == 0
            assert alone.read_bytes() == (tmp_path / f"all-{run.fingerprint}.{ending}").read_bytes(), name


def test_heads_on_the_same_layers_share_one_pass_and_all_runs_one_base(
    store: Store, some: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    def counted(model: Any, *rest: Any) -> Any:
        read.append(model)
        return predictions.pooled_vectors(model, *rest)

    monkeypatch.setattr("chartune.serving.bulk.pooled_vectors", counted)
    scorers = bulk.scorers_of([Chosen(run) for run in some.values()], store)
    for batch in (notes(5, seed=1), notes(5, seed=2)):
        for scorer in scorers:
            scorer.decided(batch)
    assert len(read) == 2 * (len(some) - 1)
    weights = [scorer.model.body.embeddings.word_embeddings.weight.data_ptr() for scorer in scorers]  # type: ignore[attr-defined]
    assert len(set(weights)) == 1


def test_an_output_without_a_place_for_each_and_other_ways_of_reading_are_refused(
    store: Store, runs: dict[str, Run], table: Path, tmp_path: Path
) -> None:
    def refused(*words: object, source: object = table) -> str:
        said = chartune("predict", *words[:2], source, *words[2:], "--store", store.root)
        assert said.code == 2
        return said.err

    both = ("rslora", "dora")
    assert "must name a file for each" in refused(*both, "--out", tmp_path / "one.csv")
    assert "must name a file for each" in refused(*both)
    assert "named twice" in refused("dora", "dora", "--out", tmp_path / "{run}.csv")
    assert "is a folder" in refused(*both, "--out", tmp_path / "{run}.csv", source=tmp_path)
    assert not list(tmp_path.iterdir())


def test_tasks_of_a_bank_file_write_under_their_names(
    store: Store, some: dict[str, Run], table: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bank.yaml"
    file.write_text("tasks: {stay: {run: rslora}, second: {run: second head}}")
    said = chartune("predict", "--bank", file, table, "--out", tmp_path / "{task}.csv", "--store", store.root)
    assert said.code == 0, said.err
    for name, run in (("stay", "rslora"), ("second", "second head")):
        assert chartune("predict", run, table, "--out", tmp_path / "alone.csv", "--store", store.root).code == 0
        assert (tmp_path / f"{name}.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    for wrong in (("predict", table), ("predict", "rslora", table, "--bank", file)):
        assert "either runs or --bank" in chartune(*wrong, "--store", store.root).err
    file.write_text("tasks: {'../stay': {run: rslora}, second: {run: second head}}")
    said = chartune("predict", "--bank", file, table, "--out", tmp_path / "{task}.csv", "--store", store.root)
    assert "must hold no /" in said.err
