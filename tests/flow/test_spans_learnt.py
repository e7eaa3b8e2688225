"""Spans from raw files to scores: prepared, learnt on the one loop, loaded again, predicted of new texts, evaluated."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from seqeval.metrics import f1_score

from chartune.cli.account import account
from chartune.errors import ConfigError, DataError, RunError
from chartune.metrics.tagging import tag_names, tags_of, words_of
from chartune.models.backbone import LocalBackbone
from chartune.planning.workload import workload_of
from chartune.prediction.folders import standoff
from chartune.prediction.own import own_predictions
from chartune.runner import run
from chartune.runs.run import Run
from chartune.sources.annotated.brat_folder import BratFolder
from chartune.stages.evaluating import Evaluate, evaluate
from chartune.stages.exporting import export
from chartune.stages.finetune import Finetune
from chartune.stages.loading import load
from chartune.stages.predicting import predict
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.studies.ledger_rows import packed, unpacked
from chartune.tasks.prepare import prepare
from chartune.testing.command_line import chartune
from chartune.testing.own_corpora import write_brat, write_conll
from chartune.testing.twins import twin

STEPS = {"value": 60, "unit": "steps"}
HEAD: dict[str, Any] = {"stack": {"layers": []}, "optimisation": {"head_learning_rate": 5e-2, "duration": STEPS}}
LAYERS: dict[str, dict[str, Any]] = {
    "head only": {"layers": []}, "lora": {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]},
    "full": {"layers": [{"kind": "fresh", "method": {"kind": "full"}}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_conll(tmp_path_factory.mktemp("conll") / "raw")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    return twin(tmp_path_factory.mktemp("base"), "bert")


def stage(corpus: Path, base: LocalBackbone, kind: str = "conll", **fields: Any) -> Finetune:
    numerics = {"precision": "fp32"}
    data = {"source": {"kind": kind, "folder": str(corpus)}, "near_copies": None}
    return Finetune.parse(
        {
            "data": data,
            "backbone": {"name": str(base.folder)},
            "max_seq_len": 40,
            "numerics": numerics,
            **HEAD,
            **fields,
        }
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("kept") / "store").open()


@pytest.fixture(scope="module")
def learnt(corpus: Path, base: LocalBackbone, kept: Store) -> Run:
    return run(stage(corpus, base, name="learnt"), kept)


def test_spans_are_learnt_and_scored_as_seqeval_scores_their_tags(learnt: Run, kept: Store) -> None:
    table = read_table(prepare(stage_of(learnt).data, kept), "ner", for_model=True)
    assert learnt.about.labels == ("Drug", "Problem")
    assert learnt.scores["test"]["f1"].value > 0.6  # every word of a type is its own
    rows = table.frame.filter(pl.col("split") == "test").join(learnt.predictions("test"), on="hadm_id")
    names = tag_names(table.space.labels)
    tags: tuple[list[list[str]], list[list[str]]] = ([], [])
    for text, truth, made in rows.select("text", "label", "spans").iter_rows():
        words = words_of(text)
        for side, spans in zip(tags, (truth, made), strict=True):
            places = [(span["start"], span["end"], span["label"]) for span in spans]
            side.append([names[tag] for tag in tags_of(words, places)])
    assert learnt.scores["test"]["f1"].value == pytest.approx(f1_score(*tags))


def stage_of(done: Run) -> Finetune:
    return Finetune.parse(done.stage)


def test_what_is_read_and_can_be_said_stands_in_the_run(learnt: Run) -> None:
    words = learnt.about.words or {}
    assert {split: counts["documents"] for split, counts in words.items()} == {
        "train": 48, "validation": 12, "test": 12,
    }  # fmt: skip
    assert all(counts["rows"] > counts["documents"] for counts in words.values())
    assert all(counts["words_unread"] == counts["spans_no_tags_can_say"] == 0 for counts in words.values())
    assert learnt.about.pooling == "first piece of each word"
    assert learnt.about.truncated_fraction == 0


def test_a_loaded_run_gives_its_own_test_predictions(learnt: Run, kept: Store) -> None:
    table = read_table(prepare(stage_of(learnt).data, kept), "ner", for_model=True)
    test = table.frame.filter(pl.col("split") == "test")
    again = load(learnt, kept).read(test["text"].to_list())
    made = table.form.predicted(again.decided, None)[0]
    assert made.to_list() == learnt.predictions("test")["spans"].to_list()


def test_per_type_scores_and_predictions_by_name_come_with_the_run(learnt: Run) -> None:
    per_label = learnt.per_label()
    assert per_label is not None
    assert per_label["label"].to_list() == ["Drug", "Problem"]
    assert per_label["f1"].is_between(0, 1).all()
    rows = own_predictions(learnt)
    assert rows.columns[:5] == ["id", "subject_id", "split", "true_spans", "spans"]
    assert {span["type"] for spans in rows["true_spans"] for span in spans} == {"Drug", "Problem"}
    assert not any("text" in column for column in rows.columns)


def test_offsets_are_those_of_the_text_as_it_is_given(learnt: Run, kept: Store, tmp_path: Path) -> None:
    plain = "he has fever and aspirin today."
    texts = [plain, f"  \n{plain}  ", plain.replace("and", r"\n\n\n"), f"ﬁ😀 {plain}"]
    whole = predict(learnt, texts, store=kept)["spans"].to_list()
    named = [[(text[span["start"] : span["end"]], span["type"]) for span in spans]
             for text, spans in zip(texts, whole, strict=True)]  # fmt: skip
    assert ("fever", "Problem") in named[0]
    assert all(("fever", "Problem") in found and ("aspirin", "Drug") in found for found in named)
    table = tmp_path / "new.jsonl"
    table.write_text("".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(texts)))
    said = chartune("predict", learnt.fingerprint, table, "--out", tmp_path / "out.jsonl", "--store", kept.root)
    assert said.code == 0, said.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    places = [[(span["start"], span["end"], span["type"]) for span in line["spans"]] for line in lines]
    assert places == [[(span["start"], span["end"], span["type"]) for span in spans] for spans in whole]
    assert "fever" not in (tmp_path / "out.jsonl").read_text()


def test_a_threshold_leaves_out_spans_that_are_less_likely(learnt: Run, kept: Store) -> None:
    text = ["he has fever and aspirin today."]
    every = predict(learnt, text, store=kept)["spans"].to_list()[0]
    limit = sorted(span["probability"] for span in every)[-1]
    surest = predict(learnt, text, store=kept, threshold=limit)["spans"].to_list()[0]
    assert 0 < len(surest) < len(every)
    assert all(span["probability"] >= limit for span in surest)
    with pytest.raises(ConfigError, match="as the model has them"):
        predict(learnt, text, store=kept, recalibrated=True)


def test_in_csv_spans_are_json(learnt: Run, kept: Store, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n1,he has fever today.\n")
    said = chartune("predict", learnt.fingerprint, tmp_path / "new.csv", "--store", kept.root)
    spans = json.loads(pl.read_csv(said.out.encode())["spans"][0])
    assert [(span["start"], span["end"], span["type"]) for span in spans] == [(7, 12, "Problem")]


def test_a_run_is_evaluated_on_another_corpus_where_types_are_in_another_order(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    other = write_brat(tmp_path / "brat", sizes=(("train", 20), ("dev", 12), ("test", 12)))
    for file in other.rglob("*.ann"):
        file.write_text(file.read_text() + "T99\tAge 0 2\t" + file.with_suffix(".txt").read_text()[:2] + "\n")
    data = {"source": {"kind": "brat", "folder": str(other)}, "near_copies": None}
    done = evaluate(Evaluate.parse({"run": learnt.fingerprint, "data": data}), kept)
    external = done.about.external
    assert external is not None
    assert (external.rows, external.labels_shared, external.labels_unknown) == (44, 2, 1)
    assert done.about.labels == ("Age", "Drug", "Problem")
    assert done.scores["test"]["f1"].value > 0.6
    rows = own_predictions(done)
    assert {span["type"] for spans in rows["spans"] for span in spans} == {"Drug", "Problem"}
    assert not any(span["type"] == "Age" for spans in rows["true_spans"] for span in spans)
    said = chartune("evaluate", learnt.fingerprint, other, "--store", kept.root, "--json")
    assert said.code == 0, said.err


@pytest.mark.parametrize("method", LAYERS)
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_every_way_of_learning_trains_keeps_and_loads(
    method: str, family: str, corpus: Path, kept: Store, tmp_path: Path
) -> None:
    own = twin(tmp_path, family)
    few = {"duration": {"value": 2, "unit": "steps"}, "head_learning_rate": 5e-2, "batch_size": 8}
    done = run(stage(corpus, own, stack=LAYERS[method], optimisation=few), kept)
    text = ["he has fever and aspirin today."]
    first, second = (load(done, kept).read(text).decided[0] for _ in range(2))
    assert first.spans == second.spans
    assert np.array_equal(first.log_probabilities, second.log_probabilities)


def test_words_of_a_long_document_are_read_in_rows_and_with_one_window_counted_as_lost(
    corpus: Path, base: LocalBackbone, kept: Store
) -> None:
    few = {"duration": {"value": 2, "unit": "steps"}, "head_learning_rate": 5e-2}
    one = {"kind": "windows", "most": 1, "overlap": 4}
    done = run(stage(corpus, base, optimisation=few, long=one), kept)
    assert done.about.truncated_fraction == 1
    counts = (done.about.words or {})["test"]
    assert counts["rows"] == counts["documents"]
    assert 0 < counts["words_unread"] < counts["words"]
    assert 0 < counts["spans_no_tags_can_say"] < counts["spans"]
    unread, unsaid = (line for line in account(done, {}, None).splitlines() if "lost in test" in line)
    assert f"{counts['words_unread']:,} of {counts['words']:,} words are not read" in unread
    assert f"{counts['spans_no_tags_can_say']} of {counts['spans']} annotated spans cannot be predicted" in unsaid


def test_a_plan_counts_the_rows_of_documents(corpus: Path, base: LocalBackbone, learnt: Run, kept: Store) -> None:
    counts = (learnt.about.words or {})["train"]
    for known in (base, None):
        workload = workload_of(stage(corpus, base), known, kept, 4096, exact=True)
        assert workload.examples is not None
        assert workload.row is not None
        if known:
            assert workload.examples == counts["rows"]
            assert workload.row <= 40
        else:  # by words, whose pieces are guessed
            assert counts["documents"] < workload.examples < 3 * counts["rows"]
    limited = Finetune.parse(stage(corpus, base).model_dump() | {"long": {"kind": "windows", "most": 1, "overlap": 4}})
    assert workload_of(limited, base, kept, 4096, exact=True).examples == counts["documents"]


def test_test_scores_that_come_later_are_those_of_one_training(
    corpus: Path, base: LocalBackbone, learnt: Run, tmp_path: Path
) -> None:
    store = Store(tmp_path / "other").open()
    asked = stage(corpus, base)
    before = run(asked.model_copy(update={"scores_test": False}), store)
    assert "test" not in before.scores
    after = run(asked, store)
    assert after.about.trained_in == before.fingerprint
    assert after.scores == learnt.scores
    assert after.about.words == learnt.about.words
    assert after.predictions("test")["spans"].to_list() == learnt.predictions("test")["spans"].to_list()


def test_what_cannot_be_done_with_spans_is_refused_by_name(
    corpus: Path, base: LocalBackbone, learnt: Run, kept: Store, tmp_path: Path
) -> None:
    data = stage(corpus, base).data
    with pytest.raises(DataError, match="ner asks for spans in it; fine-tune a base model"):
        run(Tfidf(data=data), kept)
    with pytest.raises(ConfigError, match="`long` is head-tail"):
        run(stage(corpus, base, long={"kind": "head-tail"}), kept)
    with pytest.raises(ConfigError, match="`balance` must be none"):
        run(stage(corpus, base, balance="classes"), kept)
    with pytest.raises(RunError, match="predicts spans, which no stock"):
        export(learnt, kept, tmp_path / "out")


@pytest.mark.slow
def test_reports_comparisons_and_ledgers_take_such_runs(
    corpus: Path, base: LocalBackbone, learnt: Run, kept: Store, tmp_path: Path
) -> None:
    other = run(stage(corpus, base, seed=1), kept)
    report = tmp_path / "report.html"
    for words in (["report", "--out", report], ["ls"], ["show", learnt.fingerprint],
                  ["compare", learnt.fingerprint, other.fingerprint]):  # fmt: skip
        said = chartune(*words, "--store", kept.root)
        assert said.code == 0, said.err
    page = report.read_text(encoding="utf-8")
    assert "both ends and the type" in page
    assert "Paired on the same rows" in said.out
    lines = unpacked(packed(learnt) or "").splitlines()
    assert len(lines) == 1 + learnt.predictions().height
    assert lines[1].count(",") == 3


def test_documents_of_a_folder_become_a_folder_of_brat_that_is_read_back(
    learnt: Run, kept: Store, tmp_path: Path
) -> None:
    texts = {"ward/a": "he has severe\npain and aspirin today .\r\n", "b": "\ufeffno fever.", "c": "aspirin"}
    for name, text in texts.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"{name}.txt").write_bytes(text.encode())
    out = tmp_path / "out"
    words = ["predict", learnt.fingerprint, tmp_path / "in", "--store", kept.root, "--out"]
    said = chartune(*words, out)
    assert said.code == 0, said.err
    assert (out / "ward" / "a.txt").read_bytes().decode() == texts["ward/a"]
    assert chartune(*words, tmp_path / "out.jsonl").code == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["b", "c", "ward/a"]
    wanted = {
        line["id"].rpartition("/")[2]: [(s["start"], s["end"], s["type"]) for s in line["spans"]] for line in lines
    }
    assert any(wanted.values())
    records = BratFolder(folder=out).load()
    assert not records.findings.count("entities")
    for name, spans in wanted.items():
        read = records.entities.filter(pl.col("doc_id") == name).select("start", "end", "type").rows()
        assert sorted(read) == sorted(spans)
    again = chartune(*words, out)
    assert (again.code, "exists and is not empty" in again.err) == (2, True)


def test_a_span_over_a_line_break_has_a_piece_in_each_line() -> None:
    text = "he has severe\r\npain now"
    assert standoff(text, [{"start": 7, "end": 19, "type": "Problem"}]) == "T1\tProblem 7 13;15 19\tsevere pain\n"


def test_a_folder_is_for_spans_and_ids_must_be_names_of_files(learnt: Run, kept: Store, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n../x,he has fever\n")
    at = ["--store", kept.root, "--out", tmp_path / "out"]
    said = chartune("predict", learnt.fingerprint, tmp_path / "new.csv", *at)
    assert (said.code, "ids must be names of files" in said.err, "../x" in said.err) == (3, True, False)
    assert not (tmp_path / "out").exists()
    (tmp_path / "none").mkdir()
    said = chartune("predict", learnt.fingerprint, tmp_path / "none", *at)
    assert (said.code, "must hold .txt files" in said.err) == (3, True)
