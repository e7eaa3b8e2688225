"""Annotated corpora go wherever charts go: one preparation, whatever the source, in every stage, study and verb."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError, DataError
from chartune.models.backbone import LocalBackbone
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.study import Study
from chartune.tasks.annotated.catalog import USUAL
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import (
    AnnotatedPreparation,
    Preparation,
    parse_preparation,
    preparation_class,
    prepare,
)
from chartune.testing.annotated_corpora import WRITERS, pair
from chartune.testing.chain import steps
from chartune.testing.command_line import chartune
from chartune.testing.downloads import write_loose

UNLEARNT = [(kind, task.name) for kind, tasks in USUAL.items() for task in tasks]
PREMISE: dict[str, Any] = {"kind": "inference", "pairs": "premise-only"}
LABELS = ("contradiction", "entailment", "neutral")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write(tmp_path_factory.mktemp(kind) / "raw") for kind, write in WRITERS.items()}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose premise tells the label, unlike real ones, so that there is something to learn from it alone."""
    chance, files = random.Random(0), {}
    for part, count in (("train", 90), ("dev", 36), ("test", 36)):
        lines = []
        for number in range(count):
            label = LABELS[number % 3]
            words = [chance.choice([label[:4], "pain", "calm", "rest"]) for _ in range(8)]
            lines.append(pair(f"{part}{number}", f"{part} {number} {' '.join(words)}.", "He rests.", label))
        files[f"mli_{part}_v1.jsonl"] = "\n".join(lines) + "\n"
    return write_loose(tmp_path_factory.mktemp("sentences") / "raw", files)


@pytest.fixture(scope="module")
def tried(sentences: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A baseline that a command trained on the premises."""
    store = tmp_path_factory.mktemp("tried") / "store"
    words = ["finetune", sentences, "--method", "tfidf", "--set", f"data.tasks=[{json.dumps(PREMISE)}]"]
    said = chartune(*words, "--store", store, "--json")
    assert said.code == 0, said.err
    return Run(Path(json.loads(said.out)["folder"])), store


def data(kind: str, folder: Path, **more: Any) -> dict[str, Any]:
    return {"source": {"kind": kind, "folder": str(folder)}, **more}


@pytest.mark.parametrize(("kind", "made"), [("mimic3", Preparation), *((kind, AnnotatedPreparation) for kind in USUAL)])
def test_the_kind_of_the_source_says_what_a_preparation_is(kind: str, made: type[Any]) -> None:
    plain = data(kind, Path("raw"))
    parsed = parse_preparation(plain)
    stage = Tfidf.parse({"data": plain})
    assert preparation_class(parsed) is type(parsed) is type(stage.data) is made
    assert Tfidf.parse(json.loads(stage.model_dump_json())) == stage == Tfidf.parse({"data": parsed})


def test_a_slip_is_told_with_its_place_in_either() -> None:
    for kind, field in (("mimic3", "stratom"), ("mednli", "near_copy")):
        with pytest.raises(ConfigError, match=rf"^not a Tfidf:\ndata\.{field}: not a field"):
            Tfidf.parse({"data": data(kind, Path("raw"), **{field: "x"})})


def test_a_learnable_task_on_one_text_is_trained_planned_and_reported(
    tried: tuple[Run, Path], sentences: Path, bert: LocalBackbone, tmp_path: Path
) -> None:
    baseline, store = tried
    assert (baseline.task, baseline.answer, baseline.about.labels) == ("inference", "multiclass", LABELS)
    assert baseline.scores["test"]["auroc"].value > 0.8
    flags = ["--base", bert.folder, *steps(2, "max_seq_len=16")]
    flags += ["--set", f"data.tasks=[{json.dumps(PREMISE)}]", "--store", store]
    plan = json.loads(chartune("plan", "finetune", sentences, *flags, "--json").out)
    assert (plan["workload"]["outputs"], plan["workload"]["data"]) == (3, baseline.data)
    said = chartune("finetune", sentences, "--method", "lora", *flags, "--json")
    assert said.code == 0, said.err
    run = Run(Path(json.loads(said.out)["folder"]))
    assert run.predictions("test").height == 36
    assert chartune("ls", "--store", store).code == 0
    assert chartune("show", run.fingerprint, "--store", store).code == 0
    report = tmp_path / "report.html"
    assert chartune("report", "--out", report, "--store", store).code == 0
    assert "Natural language inference" in report.read_text(encoding="utf-8")


def test_a_study_may_stand_on_an_annotated_corpus(tried: tuple[Run, Path], sentences: Path) -> None:
    baseline, store = tried
    study = Study.parse({
        "title": "Premises", "test": "all", "data": data("mednli", sentences, tasks=[PREMISE]),
        "stages": {"baseline": {"kind": "tfidf", "grid": {"least_documents": [3, 4]}}},
    })  # fmt: skip
    conducted = conduct(study, Store(store).open())
    assert not conducted.gaps
    assert conducted.runs[0].fingerprint == baseline.fingerprint


@pytest.mark.parametrize(("kind", "task"), UNLEARNT)
@pytest.mark.parametrize("method", [Tfidf, Finetune])
def test_what_is_asked_of_two_parts_and_spans_without_a_model_is_refused_before_anything_is_made(
    corpora: dict[str, Path], store: Store, kind: str, task: str, method: type[Tfidf] | type[Finetune]
) -> None:
    base = {} if method is Tfidf else {"backbone": {"name": "small-llama"}}
    stage = method.parse({"data": data(kind, corpora[kind]), "task": task, **base})
    if task in ("relations", "assertions"):  # a sentence with marked entities is a text
        assert not read_table(prepare(stage.data, store), task).of_pairs
        return
    refused = f"{task} asks for spans in it"
    if task in ("inference", "pairs"):
        refused = f"this stage reads one text, but {task} is asked of pairs of texts"
    if method is Finetune:
        table = read_table(prepare(stage.data, store), task, for_model=True)
        assert table.of_pairs if table.form.whole_text else table.spans("train")
        return
    with pytest.raises(DataError, match=refused):
        run(stage, store)
    assert not list((store.root / "runs").glob("*"))


@pytest.mark.parametrize("kind", WRITERS)
def test_it_is_listed_audited_and_exported_and_has_no_corpus_to_adapt_on(
    corpora: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    store = tmp_path / "store"
    made = prepare(parse_preparation(data(kind, corpora[kind])), Store(store).open())
    assert chartune("datasets", "--store", store).code == 0
    assert chartune("datasets", made.fingerprint, "--store", store).code == 0
    assert chartune("audit-data", "--store", store).code in (0, 3)
    for task in read_dataset(made).tasks:
        to = tmp_path / f"out-{task}"
        said = chartune("export-data", made.fingerprint, "--to", to, "--task", task, "--store", store)
        assert said.code == 0, said.err
    for verb in (["pretrain"], ["plan", "pretrain"]):
        said = chartune(*verb, corpora[kind], "--base", "small-llama", "--store", store)
        assert (said.code, "these data have none" in " ".join(said.err.split())) == (3, True), said.err


def test_flags_that_say_nothing_of_an_annotated_corpus_are_refused_in_stages_too(
    corpora: dict[str, Path], tmp_path: Path
) -> None:
    for flags in (["--preset", "paper-text"], ["--splits", tmp_path], ["--null-marks", "NA"]):
        said = chartune("plan", "finetune", corpora["mednli"], *flags, "--store", tmp_path / "store")
        assert (said.code, "mednli" in said.err) == (2, True), said.err
