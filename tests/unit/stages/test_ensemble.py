"""The prior, and ensembles of saved predictions: weights by the validation split, the same rows or none."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.answers import BINARY
from chartune.errors import ConfigError, RunError
from chartune.metrics.auroc import auroc
from chartune.report.compare import comparisons
from chartune.report.variants import numbered
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages import ensemble as room
from chartune.stages.ensemble import Ensemble, simplex
from chartune.stages.exporting import export
from chartune.stages.loading import load
from chartune.stages.prior import Prior
from chartune.stages.prior import _counted as counted
from chartune.stages.stage import Work
from chartune.stages.structured import Structured
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.studies.checks import prepared
from chartune.studies.conduct import conduct
from chartune.studies.ledger import read_entries
from chartune.studies.parents import family_of
from chartune.studies.standing import survey
from chartune.studies.study import Study
from chartune.tasks.prepare import prepare
from chartune.testing.command_line import chartune
from chartune.testing.short_texts import short_texts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Store, dict[str, Run]]:
    """Words, structured data and the prior of the same stays."""
    folder = tmp_path_factory.mktemp("ensemble")
    data, store = short_texts(folder / "raw", folder / "lists"), Store(folder / "store").open()
    stages = (
        Tfidf(data=data, task="mortality", least_documents=1, name="words"),
        Structured(data=data, task="mortality", least_patients=1, name="known"),
        Prior(data=data, task="mortality"),
    )
    return data, store, {stage.kind: run(stage, store) for stage in stages}


def rows_of(data: Any, store: Store) -> pl.DataFrame:
    return read_table(prepare(data, store), "mortality").frame


def together(data: Any, members: Sequence[Run | str], **fields: Any) -> Ensemble:
    names = tuple(each if isinstance(each, str) else each.fingerprint for each in members)
    return Ensemble(data=data, task="mortality", members=names, **fields)


def test_the_prior_gives_every_row_the_training_prevalence(made: tuple[Any, Store, dict[str, Run]]) -> None:
    data, store, runs = made
    rows = runs["prior"].predictions()
    train = read_table(prepare(data, store), "mortality").labels("train")
    assert rows["probability"].to_numpy() == pytest.approx((train.sum() + 0.5) / (len(train) + 1))
    rare = pl.when(pl.col("split") == "train", pl.col("hadm_id").rank() > 1).then(0).otherwise("label").alias("label")
    few = replace(read_table(prepare(data, store), "mortality"), frame=rows_of(data, store).with_columns(rare))
    place = Work(store, store.partial("runs", "rare"), "0" * 16)
    counted(Prior(data=data, task="mortality"), few, place)
    assert pl.read_parquet(place.folder / "predictions.parquet")["probability"].to_list() == pytest.approx(
        [(few.labels("train").sum() + 0.5) / (len(train) + 1)] * rows.height
    )
    assert runs["prior"].scores["test"]["auroc"].value == 0.5
    assert run(Prior(data=data, task="mortality"), store) == runs["prior"]
    with pytest.raises(RunError, match="is of kind prior"):
        load(runs["prior"], store)
    with pytest.raises(RunError, match="it reads no text"):
        export(runs["prior"], store, Path("nowhere"))


def test_members_are_averaged_as_log_odds_by_weights_of_the_validation_split(
    made: tuple[Any, Store, dict[str, Run]],
) -> None:
    data, store, runs = made
    members = [runs["tfidf"], runs["structured"]]
    done = run(together(data, ["words", "known"]), store)
    shares = [member.weight for member in done.about.members]
    assert [member.run for member in done.about.members] == [each.fingerprint for each in members] == [*done.parents]
    assert sum(shares) == pytest.approx(1)
    expected = sum(w * each.predictions()["logit"].to_numpy() for w, each in zip(shares, members, strict=True))
    assert done.predictions()["logit"].to_numpy() == pytest.approx(expected)
    validation = [each.predictions("validation") for each in (done, *members)]
    best, *others = (auroc(rows["label"].to_numpy(), rows["logit"].to_numpy()) for rows in validation)
    assert best >= max(others)
    assert run(together(data, members), store) == done  # by what they are, not by how they are called
    assert done.stage["members"] == [each.fingerprint for each in members]
    with pytest.raises(RunError, match="averages predictions of other runs"):
        export(done, store, Path("nowhere"))


def test_weights_follow_validation_and_not_test(
    made: tuple[Any, Store, dict[str, Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, store, runs = made
    table = read_table(prepare(data, store), "mortality")
    right = {split: table.labels(split) * 2.0 - 1 for split in ("validation", "test")}
    late = {"validation": -right["validation"], "test": right["test"]}
    early = {**right, "test": -right["test"]}
    monkeypatch.setattr(room, "_decided", lambda member, *_: late if member == runs["tfidf"] else early)
    done = run(together(data, [runs["tfidf"], runs["structured"]], seed=7), store)
    assert done.about.members[1].weight > 0.5
    assert done.scores["test"]["auroc"].value == 0


@pytest.mark.parametrize("members", [2, 3, 4, 10])
def test_weights_to_choose_from_sum_to_one_and_hold_each_member_alone(members: int) -> None:
    every = np.stack(list(simplex(members)))
    assert every.sum(axis=1) == pytest.approx(1)
    assert (np.sort(every, axis=1)[:, -1] == 1).sum() == members
    assert len(np.unique(every, axis=0)) == len(every) <= room.CANDIDATES
    assert {2: 21, 3: 231}.get(members, len(every)) == len(every)


def test_members_of_other_patients_of_another_task_or_given_twice_are_refused(
    made: tuple[Any, Store, dict[str, Run]], tmp_path: Path
) -> None:
    data, store, runs = made
    with pytest.raises(ConfigError, match="must be different runs"):
        run(together(data, [runs["tfidf"], "words"]), store)
    table = read_table(prepare(data, store), "mortality")
    fewer = replace(table, frame=table.frame.filter(pl.col("hadm_id") != table.frame["hadm_id"].max()))
    with pytest.raises(ConfigError, match="in test are others"):
        room._decided(runs["tfidf"], fewer, ("validation", "test"))
    with pytest.raises(ConfigError, match="must answer else with its labels, but 'words' answers mortality"):
        room._decided(runs["tfidf"], replace(table, task="else"), ("validation",))
    unscored = run(Prior(data=data, task="mortality", scores_test=False), store)
    with pytest.raises(ConfigError, match="has not scored test"):
        run(together(data, [runs["tfidf"], unscored]), store)
    assert run(together(data, [runs["tfidf"], unscored], scores_test=False), store).scores.keys() == {"validation"}
    with pytest.raises(ConfigError, match="members"):
        Ensemble.parse({"data": data, "members": ["one"]})


def test_a_study_refers_to_members_by_stage(made: tuple[Any, Store, dict[str, Run]], tmp_path: Path) -> None:
    data, store, runs = made
    asked = Study.parse({"title": "t", "data": data, "stages": {
        "guess": {"kind": "prior", "task": "mortality"},
        "words": {"kind": "tfidf", "task": "mortality", "least_documents": 1},
        "both": {"kind": "ensemble", "task": "mortality", "members": [{"from": "guess"}, {"from": "words"}]},
    }})  # fmt: skip
    family, problems = family_of(asked)
    assert not problems
    before = survey(family, store, {})
    assert [standing.state for standing in before.standings.values()] == ["done", "done", "missing"]
    done = conduct(asked, store)
    assert not done.gaps
    assert [m.run for m in done.runs[2].about.members] == [runs["prior"].fingerprint, runs["tfidf"].fingerprint]
    other = asked.stages | {"guess": {"kind": "prior", "task": "diagnoses_icd9"}}
    apart = Study.parse({**asked.model_dump(), "stages": other, "data": {
        **data.model_dump(), "tasks": [{"kind": "mortality"}, {"kind": "diagnoses"}]}})  # fmt: skip
    with pytest.raises(ConfigError, match="answer its task, mortality, but `guess` answers diagnoses_icd9"):
        conduct(apart, store)
    after = survey(family, store, {}).standings
    assert [standing.identity and standing.identity.fingerprint for standing in after.values()] == [
        made_run.fingerprint for made_run in done.runs
    ]
    assert all(earlier != later for earlier, later in pairwise(done.runs))
    elsewhere, ledger = Store(tmp_path / "elsewhere").open(), tmp_path / "ledger.jsonl"
    conduct(asked, store, ledger)
    listed = survey(family, elsewhere, read_entries(ledger), prepared(family, elsewhere)).standings
    assert [standing.only_listed for standing in listed.values()] == [True] * 3


def test_a_report_compares_an_ensemble_with_each_of_its_members(made: tuple[Any, Store, dict[str, Run]]) -> None:
    data, store, runs = made
    both = run(together(data, ["known", "words"]), store)
    made_pairs = comparisons(numbered([runs["structured"], runs["prior"], both]), BINARY)
    assert [(pair.ours.run.kind, pair.theirs.run.kind) for pair in made_pairs] == [("ensemble", "structured")]
    with_words = comparisons(numbered([both, *runs.values()]), BINARY)
    own = [pair.theirs.run.kind for pair in with_words if pair.ours.run.kind == "ensemble"]
    assert sorted(own) == ["structured", "tfidf"]


def test_verbs_take_the_prior_and_an_ensemble(made: tuple[Any, Store, dict[str, Run]], tmp_path: Path) -> None:
    data, store, runs = made
    config, at = runs["prior"].path / "stage.yaml", ("--store", str(store.root))
    found = chartune("finetune", "--config", str(config), *at, "--json")
    assert runs["prior"].fingerprint in found.out, found.err
    raw = ("finetune", str(data.source.folder), "--splits", str(data.splits.folder), "--task", "mortality", *at)
    members = ("--member", "words", "--member", "known")
    done = chartune(*raw, "--method", "ensemble", *members)
    assert done.code == 0, done.err
    own = {"words": runs["tfidf"].fingerprint[:8], "known": runs["structured"].fingerprint[:8]}
    weighed = r"members: [01]\.\d\d words \({words}\), [01]\.\d\d known \({known}\); weights chosen".format(**own)
    assert re.search(weighed, done.out), done.out
    (tmp_path / "new.csv").write_text("text\nCough since Monday.\n")
    unread = chartune("predict", done.out.split("/")[-1].strip(), str(tmp_path / "new.csv"), *at)
    assert unread.code == 5
    assert "score with each of its members: words ({words}), known ({known}).".format(**own) in unread.err
    alone = chartune("predict", runs["prior"].fingerprint, str(tmp_path / "new.csv"), *at)
    assert f"`chartune predictions {runs['prior'].fingerprint}` writes" in alone.err
    refused = chartune(*raw, *members)
    assert (refused.code, "--member must be of an ensemble" in refused.err) == (2, True)
    planned = chartune("plan", "finetune", "--config", str(config), *at)
    assert (planned.code, "prior needs no plan" in planned.err) == (2, True)
    page = chartune("report", "--out", str(tmp_path / "page.html"), *at)
    assert page.code == 0, page.err
    text = (tmp_path / "page.html").read_text()
    assert all(part in text for part in ("Prior (training prevalence)", "weight of words", "as its members"))
