"""Relations from raw files to scores: prepared, learnt on the one loop, predicted between given entities, evaluated."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.prediction.related import RelatedTexts
from chartune.runner import run
from chartune.runs.run import Run
from chartune.sources.annotated.brat_folder import BratFolder
from chartune.stages.finetune import Finetune
from chartune.stages.loading import load
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.studies.conduct import conduct
from chartune.studies.study import Study
from chartune.tasks.annotated.relations import Candidates
from chartune.tasks.prepare import prepare
from chartune.testing.command_line import chartune
from chartune.testing.own_corpora import related, write_related

RATES = {"learning_rate": 3e-3, "head_learning_rate": 3e-3}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_related(tmp_path_factory.mktemp("related") / "raw")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("kept") / "store").open()


def stage(corpus: Path, base: LocalBackbone, **fields: Any) -> Finetune:
    return Finetune.parse({
        "data": {"source": {"kind": "brat", "folder": str(corpus)}, "near_copies": None}, "task": "relations",
        "backbone": {"name": str(base.folder)}, "max_seq_len": 64, "numerics": {"precision": "fp32"},
        "stack": {"layers": [{"kind": "fresh", "method": {"kind": "full"}}]},
        "optimisation": {**RATES, "duration": {"value": 100, "unit": "steps"}}, **fields,
    })  # fmt: skip


@pytest.fixture(scope="module")
def learnt(corpus: Path, bert: LocalBackbone, kept: Store) -> Run:
    return run(stage(corpus, bert, name="learnt"), kept)


def test_relations_are_learnt_and_scored_without_those_that_are_none(learnt: Run) -> None:
    assert (learnt.task, learnt.answer) == ("relations", "relation")
    assert learnt.about.labels == ("no relation", "Treats")
    assert learnt.about.candidates == {"admissible": [["Drug", "Problem"]], "lines": 1, "entities": "marked"}
    scores = learnt.scores["test"]
    assert scores["f1"].value > 0.9
    rows = learnt.predictions("test")
    said, has = rows["logits"].list.arg_max().to_numpy(), rows["label"].to_numpy()
    right = int(((said == has) & (has > 0)).sum())
    assert scores["precision"].value == pytest.approx(right / (said > 0).sum())
    assert scores["recall"].value == pytest.approx(right / (has > 0).sum())
    assert scores["accuracy"].value == pytest.approx((said == has).mean())


def test_a_loaded_run_gives_its_own_test_predictions(learnt: Run, kept: Store) -> None:
    table = read_table(prepare(Finetune.parse(learnt.stage).data, kept), "relations", for_model=True)
    again = load(learnt, kept).decided(table.frame.filter(pl.col("split") == "test")["text"].to_list())
    own = np.asarray(learnt.predictions("test")["logits"].to_list())
    assert np.array_equal(again.astype(np.float32), own.astype(np.float32))


def test_a_folder_with_entities_gets_their_relations_as_brat_and_as_rows(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    new = related(12, 9)
    wanted = set()
    for number, (text, marks) in enumerate(new):
        place = folder / "ward" / f"d{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        lines = marks.splitlines()
        wanted |= {(f"d{number}", *line.split("\t")[1].split()[1:]) for line in lines if line[:2] in ("R1", "R2")}
        bare = [line for line in lines if not line.startswith("R")]
        place.with_suffix(".ann").write_text("\n".join([*bare, "R7\tOld Arg1:T1 Arg2:T2", "#1\tAnnotatorNotes T1\tx"]))
    words = ["predict", learnt.fingerprint, folder, "--store", kept.root, "--out"]
    said = chartune(*words, out)
    assert said.code == 0, said.err
    assert (out / "ward" / "d0.txt").read_text() == new[0][0]
    assert "#1\tAnnotatorNotes T1\tx" in (out / "ward" / "d0.ann").read_text()
    records = BratFolder(folder=out).load()
    assert records.entities.height == 48
    made = {(doc, f"Arg1:{head}", f"Arg2:{tail}") for doc, head, tail, _ in records.relations.iter_rows()}
    assert set(records.relations["type"]) == {"Treats"}
    assert not any(finding.left_out for finding in records.findings.all())
    assert len(made ^ wanted) <= 2
    assert chartune(*words, tmp_path / "out.jsonl").code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert rows[0]["id"] == "ward/d0:T1:T2"
    of_rows = {tuple(row["id"].split("/")[1].split(":")) for row in rows if row["label"] == "Treats"}
    assert of_rows == {(doc, head[5:], tail[5:]) for doc, head, tail in made}
    assert not any("aspirin" in str(row) for row in rows)
    texts = RelatedTexts(folder, Candidates.parse(learnt.about.candidates or {}))
    table = read_table(prepare(Finetune.parse(learnt.stage).data, kept), "relations", for_model=True)
    first = next(texts.chunks()).texts[0]
    signs = re.sub(r"n\d+x\d+|aspirin|insulin|pain|fever|for|beside", "w", first)
    assert signs == "w @ * Drug * w @ w # ^ Problem ^ w # ."
    assert re.sub(r"n\d+x\d+|aspirin|insulin|pain|fever|for|beside", "w", table.frame["text"][0]) == signs


def test_entities_outside_of_their_document_and_missing_annotations_are_refused_by_file(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("aspirin for pain")
    words = ["predict", learnt.fingerprint, tmp_path, "--store", kept.root]
    said = chartune(*words)
    assert (said.code, "must have an .ann file beside it, but 1 have none (a.txt)" in said.err) == (3, True), said.err
    for marks in ("T1\tDrug 0 7\taspirin\nT2\tProblem 90 94\tpain\n", "T1\tDrug zero\taspirin\n"):
        (tmp_path / "a.ann").write_text(marks)
        said = chartune(*words)
        assert (said.code, "in a.ann 1 cannot be used" in said.err, "pain" in said.err) == (3, True, False), said.err
    (tmp_path / "a.ann").write_text("T1\tDrug 0 7\taspirin\n")
    said = chartune(*words)
    assert (said.code, "with entities of the types that the run relates" in said.err) == (3, True), said.err


def test_a_run_is_evaluated_on_another_folder_between_the_types_that_it_knows(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    other = write_related(tmp_path / "raw", sizes=(("train", 20), ("dev", 12), ("test", 12)))
    for file in other.rglob("*.ann"):  # further types, which the run was never asked about
        file.write_text(file.read_text() + "R8\tCauses Arg1:T2 Arg2:T1\n")
    said = chartune("evaluate", learnt.fingerprint, other, "--task", "relations", "--store", kept.root, "--json")
    assert said.code == 0, said.err
    done = Run(Path(json.loads(said.out)["folder"]))
    assert done.about.external is not None
    assert done.about.external.rows == 2 * (20 + 12 + 12)
    assert done.scores["test"]["f1"].value > 0.9


@pytest.mark.slow
def test_a_study_takes_relations_and_a_baseline_reads_them_marked(
    corpus: Path, bert: LocalBackbone, kept: Store, tmp_path: Path
) -> None:
    study = Study.parse({
        "title": "Relations", "test": "all", "data": stage(corpus, bert).data.model_dump(mode="json"),
        "stages": {
            "words": {"kind": "tfidf", "task": "relations"},
            "lora": {"kind": "finetune", "task": "relations", "backbone": {"name": str(bert.folder)}, "max_seq_len": 64,
                     "optimisation": {"duration": {"value": 2, "unit": "steps"}}, "grid": {"seed": [0, 1]}},
        },
    })  # fmt: skip
    conducted = conduct(study, kept)
    assert not conducted.gaps
    words = next(done for done in conducted.runs if done.kind == "tfidf")
    assert words.fingerprint == run(Tfidf.parse(words.stage), kept).fingerprint
    assert words.scores["test"]["f1"].value > 0.9  # `for` and `beside` are words
    report = tmp_path / "report.html"
    said = chartune("report", "--out", report, "--store", kept.root)
    assert said.code == 0, said.err
    page = report.read_text(encoding="utf-8")
    assert "micro, without no relation" in page
    assert "Relations between concepts" in page
