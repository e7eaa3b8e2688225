"""A table of one's own: 200 patients in a CSV become an adapter and a report in two commands, as the README says."""

import json
import random
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import START, Run
from chartune.stages import baseline
from chartune.stages.tfidf import Tfidf
from chartune.testing.chain import FINETUNE, PRETRAIN, steps
from chartune.testing.command_line import chartune

CALM = ["stable", "improving", "afebrile", "walking", "comfortable"]
GRAVE = ["septic", "intubated", "hypotensive"]
FLAGS = ["--set", "optimisation.learning_rate=1e-2", "--set", "max_seq_len=48", "--set", "head.pooling=mean",
         "--set", "optimisation.duration.value=8", "--set", "stopping.evaluations_per_epoch=1"]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return notes(tmp_path_factory.mktemp("own"), 0.4)


def notes(folder: Path, prevalence: float, seed: int = 0) -> Path:
    """200 patients with text ids, one or two rows each; grave words raise the odds of `worse`."""
    chance = random.Random(seed)
    rows = []
    for number in range(200):
        worse = chance.random() < prevalence
        words = [chance.choice(GRAVE if worse and chance.random() < 0.4 else CALM) for _ in range(12)]
        rows += [(f"P-{number:03}", " ".join(words), "worse" if worse else "better")] * (1 + number % 2)
    file = folder / "notes.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


def warnings(said: str, field: str = "") -> list[str]:
    """The lines of warning, as `prepare` says them; `field`: where the verb takes splits."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("warning: ")]
    return [line.replace(f"--set {field}splits", "--set splits") for line in lines]


def readme_commands() -> list[list[str]]:
    """What the README tells a holder of notes to type, without the word `chartune`."""
    section = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").partition("## Your own notes")[2]
    block = section.split("```")[1]
    return [line.split()[1:] for line in block.splitlines() if line.startswith("chartune ")]


def test_the_two_commands_of_the_readme_make_an_adapter_and_a_report(
    table: Path, twins: Path, bert: LocalBackbone, tmp_path: Path
) -> None:
    store, report = tmp_path / "store", tmp_path / "report.html"
    given = {"notes.csv": str(table), "minilm": str(twins / "bert"), "report.html": str(report)}
    training, reporting = ([given.get(word, word) for word in words] for words in readme_commands())
    trained = chartune(*training, "--store", store, "--json", *FLAGS)
    assert trained.code == 0, trained.err
    told = json.loads(trained.out)
    done = Run(Path(told["folder"]))
    assert (done.task, done.about.answer, done.about.source and done.about.source.kind) == (
        "labels",
        "binary",
        "tabular",
    )
    assert (done.path / "adapter" / "adapter_model.safetensors").is_file()
    assert told["scores"]["test"]["auroc"]["value"] > 0.8
    predictions = done.predictions("test")
    rows = pl.read_csv(table).with_row_index("hadm_id", offset=1)
    mine = predictions.join(rows.select(pl.col("hadm_id").cast(pl.Int64), pl.col("label").alias("told")), on="hadm_id")
    assert mine.height == predictions.height > 20
    assert mine.filter((pl.col("label") == 1) != (pl.col("told") == "worse")).is_empty()
    written = chartune(*reporting, "--store", store)
    assert written.code == 0, written.err
    page = report.read_text()
    auroc = done.scores["test"]["auroc"]
    assert f"{auroc.value:.2f}<small>{auroc.low:.2f} to {auroc.high:.2f}</small>" in page
    prepared = chartune("prepare", table, "--store", store)
    assert warnings(trained.err, "data.") == warnings(prepared.out) != []  # the first command says what `prepare` would
    assert "mine" in page
    assert "septic" not in page
    assert "P-001" not in page


def test_a_run_is_compared_with_tfidf_on_the_same_words_which_is_fitted_once(
    table: Path, twins: Path, bert: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["finetune", table, "--base", twins / "bert", "--method", "head-only", "--store", tmp_path / "s"]
    words += ["--set", "max_seq_len=60", *FLAGS[:2], *steps(2)]
    alone = chartune(*words, "--no-baseline", "--json")
    assert "baseline" not in json.loads(alone.out)
    assert len(list((tmp_path / "s" / "runs").glob("*/tfidf"))) == 0
    told = [json.loads(chartune(*words, "--baseline", "--json").out) for _ in range(2)]
    assert told[0] == told[1]
    (fitted,) = (tmp_path / "s" / "runs").glob("*/tfidf")
    compared, run = told[0]["baseline"], Run(fitted.parent)
    assert (compared["run"], run.about.max_seq_len, run.task) == (run.fingerprint, 60, "labels")
    assert run.about.truncated_fraction == 1.0  # twelve words, each of some letters of the twin's tokenizer
    theirs, own = (each.scores["test"]["auroc"].value for each in (run, Run(Path(told[0]["folder"]))))
    shown = compared["difference"]
    assert (compared["metric"], compared["value"]) == ("auroc", pytest.approx(theirs, abs=0.006))
    assert shown["value"] == pytest.approx(own - theirs, abs=0.006)
    monkeypatch.setattr(baseline, "QUICK", 0)  # what is there already is taken, however long it would take
    line = next(line for line in chartune(*words, "--baseline").out.splitlines() if "TF-IDF on the same words" in line)
    assert line.endswith(f"is {shown['value']:.2f} [{shown['low']:.2f}, {shown['high']:.2f}]")
    shutil.rmtree(fitted.parent)
    refused = chartune(*words, "--baseline")
    assert (refused.code, "TF-IDF on the same words" in refused.out) == (0, False)
    assert "was not fitted unasked, because it would take long" in refused.err
    monkeypatch.setattr(baseline, "QUICK", 2**20)
    monkeypatch.setattr(baseline, "Tfidf", lambda **fields: Tfidf(**fields, least_documents=10_000))
    unfit = chartune(*words, "--baseline")
    assert (unfit.code, "TF-IDF on the same words" in unfit.out) == (0, False)
    assert "there is no TF-IDF on the same words: TF-IDF needs phrases" in unfit.err


def test_of_a_rare_outcome_the_reason_and_the_way_out_are_said_and_the_way_leads_out(tmp_path: Path) -> None:
    file, report = notes(tmp_path, 0.2, seed=3), tmp_path / "report.html"
    words = ["finetune", file, "--method", "tfidf", "--json", "--store"]
    reason = "fewer than ten test rows or patients with the outcome, or without it"
    said = chartune(*words, tmp_path / "thin")
    assert f"warning: a report hides these scores: {reason}." in said.err
    assert json.loads(said.out)["scores"]["test"] == "too few to show"
    exact = json.loads(chartune(*words, tmp_path / "thin", "--exact-counts").out)
    assert (exact["figures"], exact["do_not_release"]) == ("exact", True)
    hidden = exact["scores"]["test"]["auroc"]
    assert chartune("report", "--out", report, "--store", tmp_path / "thin").code == 0
    page = report.read_text()
    assert f"AUROC on the test split: too few to show. The reason: {reason}." in page
    assert f"{hidden['value']:.3f}" not in page[: page.index('id="provenance"')]
    way_out = re.findall(r"--set \S+=[\d.]+", said.err)
    assert way_out == ["--set data.splits.test=0.4", "--set data.splits.train=0.5"]
    again = chartune(*words, tmp_path / "thick", *" ".join(way_out).split())
    assert "a report hides these scores" not in again.err
    assert chartune("report", "--out", report, "--store", tmp_path / "thick").code == 0
    assert f"{json.loads(again.out)['scores']['test']['auroc']['value']:.2f}" in report.read_text()


def test_a_run_may_be_named_when_it_is_finished_and_is_stacked_on_by_that_name(
    table: Path, twins: Path, llama: LocalBackbone, tmp_path: Path
) -> None:
    model = ["--base", twins / "llama", "--store", tmp_path / "s", "--json"]
    runs = [
        json.loads(chartune("pretrain", table, *model, *steps(2, *PRETRAIN), *named).out)
        for named in ([], ["--name", "clinical"])
    ]
    assert runs[0]["run"] == runs[1]["run"]
    assert runs[1]["name"] == "clinical"
    said = chartune("finetune", table, "--clinical", "clinical", *model, *steps(2, *FINETUNE))
    assert said.code == 0, said.err
    assert Run(Path(json.loads(said.out)["folder"])).parents == (runs[0]["run"],)
    shown = chartune("show", runs[0]["name"], "--verify", "--store", tmp_path / "s", "--json")
    assert json.loads(shown.out)["run"] == runs[0]["run"]


def test_several_labels_and_several_classes_are_learnt_too(
    table: Path, twins: Path, bert: LocalBackbone, tmp_path: Path
) -> None:
    frame = pl.read_csv(table)
    both = pl.when(pl.col("text").str.contains("septic")).then(pl.col("label") + ";septic").otherwise("label")
    three = pl.when(pl.col("text").str.contains("septic")).then(pl.lit("septic")).otherwise("label")
    frame.with_columns(label=both).write_csv(tmp_path / "many.csv")
    frame.with_columns(label=three).write_csv(tmp_path / "three.csv")
    for file, sets, answer in (
        ("many.csv", ["--set", "data.source.separator=;"], "multilabel"),
        ("three.csv", [], "multiclass"),
    ):
        for method, least in (("lora", 0.6), ("tfidf", 0.8)):  # a random twin of two layers learns little
            base = ["--base", twins / "bert", *FLAGS, "--set", "targets=attention"] if method == "lora" else []
            said = chartune(
                "finetune", tmp_path / file, "--method", method, *base, "--store", tmp_path / "s", "--json", *sets
            )
            assert said.code == 0, said.err
            run = Run(Path(json.loads(said.out)["folder"]))
            assert run.about.answer == answer
            assert run.scores["test"]["auroc"].value > least
            assert (run.path / "per_label.parquet").is_file()


def test_a_head_that_begins_at_a_probe_is_kept_where_training_does_not_better_it(
    table: Path, twins: Path, bert: LocalBackbone, tmp_path: Path
) -> None:
    still = ["--set", "optimisation.learning_rate=1e-12", "--set", "optimisation.head_learning_rate=1e-12"]
    words = ["finetune", table, "--base", twins / "bert", "--store", tmp_path / "s", "--json"]
    words += ["--set", "max_seq_len=48", "--set", "head.start=probe", "--set", "head.pooling=mean"]
    runs = [chartune(*words, "--method", method, *still) for method in ("head-only", "lora")]
    scores = [json.loads(said.out)["scores"]["test"]["auroc"]["value"] for said in runs]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] > 0.75
    assert [json.loads(said.out)["best_step"] for said in runs] == [0, 0]
    told = chartune(*(word for word in words if word != "--json"), "--method", "lora", *still).out
    assert f"  kept: {START}; " in told
    assert chartune("ls", "--store", tmp_path / "s").out.count(f"kept: {START}") == 2
    run = json.loads(runs[1].out)["run"]
    card = chartune("show", run, "--card", "--store", tmp_path / "s").out
    assert f"**Kept:** {START}; " in card
