"""Verdicts on claims: against whom, on which draws, at which level, and what is said where nothing can be."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chartune.answers import ANY_OF, BINARY
from chartune.answers.score import drawn
from chartune.disclosure import TOO_FEW
from chartune.metrics import Resamples, resample
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.verdict import Direction
from chartune.report.claims import LATE, Asked, Decided, Side, _difference, claims_table, decided
from chartune.runs import Run
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.signing import rewrite, sign_again

HASH = "c1a1c1a1c1a1c1a1"
SIDES = {
    "tfidf": {"mortality": [past.TFIDF], "diagnoses_icd9": [past.CODED_TFIDF]},
    "head": {"mortality": [past.HEAD], "diagnoses_icd9": [past.CODED_HEAD]},
    "clinical": {"mortality": [past.CLINICAL], "diagnoses_icd9": [past.CODED_CLINICAL]},
}
WATCHED = {"tfidf": 0.7, "head": 0.8, "clinical": 0.9}
"""Headline on the validation split."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = past.past_runs(tmp_path_factory.mktemp("claims"))
    for side, tasks in SIDES.items():
        for names in tasks.values():
            for name in names:
                _edit(made, name, "run.json", {"claims": [HASH]})
                score = {"value": WATCHED[side]}
                _edit(made, name, "scores.json", {"validation": {"auroc": score, "macro_auroc": score}})
    return made


def _edit(store: Store, name: str, file: str, fields: dict[str, Any]) -> None:
    path = store.root / "runs" / name / file
    rewrite(path, {**json.loads(path.read_text()), **fields})


def side(store: Store, name: str, *tasks: str) -> Side:
    runs = {task: tuple(Run.of(store, run) for run in SIDES[name][task]) for task in tasks or ("mortality",)}
    return Side(name, runs, 5)


def asked(ours: Side, *against: Side, direction: Direction = "above", margin: float = 0.0) -> Asked:
    return Asked("It helps.", direction, margin, ours, against, HASH)


def judged(one: Asked) -> Decided:
    return decided([one], 0.05)[0]


def test_a_clear_difference_is_supported_and_its_contrary_refuted(store: Store) -> None:
    better, worse = side(store, "clinical"), side(store, "head")
    assert judged(asked(better, worse)).verdict == "supported"
    assert judged(asked(worse, better)).verdict == "refuted"
    assert judged(asked(better, worse, margin=0.15)).verdict == "undecidable"


def test_the_strongest_of_the_others_is_that_of_the_validation_split(store: Store) -> None:
    made = judged(asked(side(store, "clinical"), side(store, "tfidf"), side(store, "head")))
    assert made.against is not None
    assert made.against.name == "head"  # the weaker one on the test split


def test_more_claims_make_wider_intervals(store: Store) -> None:
    one = asked(side(store, "clinical"), side(store, "tfidf"))
    alone, among = decided([one], 0.05)[0].difference, decided([one] * 10, 0.05)[0].difference
    assert alone is not None
    assert among is not None
    assert alone.low is not None
    assert among.low is not None
    assert among.low < alone.low


def test_the_more_claims_the_more_draws_of_every_kind_of_task(store: Store) -> None:
    one = asked(side(store, "clinical"), side(store, "head"))
    assert isinstance(draws := _difference(one.ours, one.against[0], 1500), Resamples)
    assert draws.samples.size == 1500
    both = asked(*(side(store, name, "mortality", "diagnoses_icd9") for name in ("clinical", "head")))
    assert {each.why for each in decided([both, both], 0.05)} == {""}


def test_of_several_tasks_the_mean_is_claimed_with_patients_drawn_once_for_all(store: Store) -> None:
    tasks = ("mortality", "diagnoses_icd9")
    made = [judged(asked(side(store, "clinical", *some), side(store, "head", *some)))
            for some in (tasks, tasks[:1], tasks[1:])]  # fmt: skip
    values = [one.difference.value for one in made if one.difference]
    assert values[0] == pytest.approx(np.mean(values[1:]))


def test_scores_of_an_answer_are_drawn_with_patients_who_have_no_row_of_it() -> None:
    rng = np.random.default_rng(1)
    subjects, everybody = np.arange(60), np.arange(90)
    binary = BINARY.rows(rng.integers(0, 2, 60), rng.normal(size=60), subjects, resamples=30)
    coded = ANY_OF.rows(rng.random((60, 3)) < 0.4, rng.normal(size=(60, 3)), subjects, resamples=30)
    for form, rows in ((BINARY, binary), (ANY_OF, coded)):
        own, joint = (drawn([form.headline], replace(rows, patients=who).scorable())[form.headline.metric]
                      for who in ((), everybody))  # fmt: skip
        assert isinstance(own, Resamples)
        assert isinstance(joint, Resamples)
        assert own.value == joint.value
        assert not np.array_equal(own.samples, joint.samples)
        again = auroc_statistic(rows.borne[:, 0], rows.ranked[:, 0])
        if form is BINARY:
            weighed = resample({"one": again}, subjects, resamples=30, patients=everybody)["one"]
            assert np.allclose(weighed.samples, joint.samples)


def test_claims_that_were_locked_after_the_test_split_was_scored_are_exploratory(store: Store) -> None:
    late = replace(asked(side(store, "clinical"), side(store, "head")), locked="f" * 16)
    table = claims_table(decided([late], 0.05), 0.05)
    assert table is not None
    verdict = table.rows[0][-1]
    assert (verdict.text, verdict.detail, verdict.strong) == ("supported", LATE, False)


def test_a_side_that_lacks_runs_leaves_the_claim_open(store: Store) -> None:
    made = judged(asked(side(store, "clinical"), replace(side(store, "head"), missing=2)))
    assert (made.verdict, made.why) == ("undecidable", "2 of its runs are not in this store")


@pytest.mark.parametrize("shift", [0, 1_000_000], ids=["other answers", "other patients"])
def test_sides_that_answer_other_rows_are_not_compared(store: Store, tmp_path: Path, shift: int) -> None:
    shutil.copytree(store.root / "runs" / past.HEAD, tmp_path / "runs" / past.HEAD)
    rows = pl.read_parquet(tmp_path / "runs" / past.HEAD / "predictions.parquet")
    other = rows.with_columns(pl.col("subject_id") + shift, label=1 - pl.col("label"))
    other.write_parquet(tmp_path / "runs" / past.HEAD / "predictions.parquet")
    sign_again(tmp_path / "runs" / past.HEAD)
    theirs = replace(side(store, "head"), runs={"mortality": (Run(tmp_path / "runs" / past.HEAD),)})
    made = judged(asked(side(store, "clinical"), theirs))
    assert (made.verdict, made.why) == ("undecidable", "the two sides do not answer the same rows, or no score of them "
                                        "is defined")  # fmt: skip


def test_the_luck_of_training_widens_an_interval(store: Store) -> None:
    seeds = tuple(Run.of(store, name) for name in (past.LORA, past.LORA_SEED_1, past.LORA_SEED_2))
    one = asked(replace(side(store, "head"), runs={"mortality": seeds}), side(store, "tfidf"))
    drawn, fixed = (
        _difference(one.ours, one.against[0], 500),
        [_difference(replace(one.ours, runs={"mortality": (seed,)}), one.against[0], 500) for seed in seeds],
    )
    assert isinstance(drawn, Resamples)
    means = np.mean([each.samples for each in fixed if isinstance(each, Resamples)], axis=0)
    assert drawn.value == pytest.approx(np.mean([each.value for each in fixed if isinstance(each, Resamples)]))
    assert drawn.samples.std() > means.std()


def test_of_real_patients_a_difference_is_shown_as_it_may_be(tmp_path: Path) -> None:
    store = past.past_runs(tmp_path, "mimic3")
    one = asked(side(store, "clinical"), side(store, "head"))
    made = judged(one)
    assert made.difference is not None
    assert made.difference == made.difference.rounded(made.digits)
    for name in (past.CLINICAL, past.HEAD):
        run = store.root / "runs" / name
        rows = pl.read_parquet(run / "predictions.parquet")
        few = rows.filter((pl.col("split") != "test") | (pl.col("label") == 0) | (pl.col("label").cum_sum() < 9))
        few.write_parquet(run / "predictions.parquet")
        sign_again(run)
    hidden = judged(asked(side(store, "clinical"), side(store, "head")))
    assert (hidden.verdict, hidden.difference, hidden.why) == ("undecidable", None, TOO_FEW)


def test_the_table_says_what_decides_and_among_how_many_settings(store: Store) -> None:
    table = claims_table(decided([asked(side(store, "clinical"), side(store, "head"))] * 2, 0.05), 0.05)
    assert table is not None
    claim, compared, difference, _ = table.rows[0]
    assert claim.detail == "better by more than 0\nmortality"
    assert compared.detail == "against head\nsettings tried: 5 and 5"
    assert difference.text.startswith("+0.")
    assert "97.5 %" in table.note
    assert HASH in table.note
    assert claims_table([], 0.05) is None
