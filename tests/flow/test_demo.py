"""The demo keeps what the README promises of it, on each base model; minutes long, so run by `make test-all`."""

from pathlib import Path

import pytest

from chartune.models.backbone import is_installed
from chartune.models.catalog import catalog
from chartune.studies.demo import FILES, Base, Demo, demo

VARIANTS = {
    "smollm2": {
        (name, "mortality")
        for name in ("TF-IDF", "TF-IDF, same words", "Head only", "LoRA", "Clinical frozen + downstream")
    },
    "small-llama": {
        (name, task)
        for name in ("TF-IDF + logistic regression", "Head only", "LoRA", "Clinical trainable + downstream")
        for task in ("mortality", "diagnoses_icd9")
    },
}


@pytest.fixture(scope="module", params=list(FILES))
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Base, Demo, Path]:
    base: Base = request.param
    if not is_installed(catalog[base]) and catalog[base].place:
        pytest.skip(f"{base} is not installed")
    out = tmp_path_factory.mktemp("demo")
    return base, demo(out, base=base), out


@pytest.mark.slow
def test_adaptation_lowers_perplexity_on_held_out_patients(done: tuple[Base, Demo, Path]) -> None:
    base, made, _ = done
    before, after, unigram = (
        made.runs[0].estimate(name) for name in ("perplexity_before", "perplexity", "unigram_perplexity")
    )
    assert before is not None
    assert after is not None
    assert unigram is not None
    assert after.value < unigram.value
    assert after.value <= before.value * (2 / 3 if base == "smollm2" else 1 / 5)


@pytest.mark.slow
def test_every_variant_has_its_runs(done: tuple[Base, Demo, Path]) -> None:
    base, made, _ = done
    assert {(run.name, run.task) for run in made.runs if run.task} == VARIANTS[base]
    assert made.gaps == ()


@pytest.mark.slow
def test_the_models_and_a_bag_of_words_read_the_same_words(done: tuple[Base, Demo, Path]) -> None:
    base, made, _ = done
    if base != "smollm2":
        pytest.skip("small-llama's demo has no such row")
    read = {run.name: run.about.max_seq_len for run in made.runs if run.task}
    same = read.pop("TF-IDF, same words")
    assert {length for name, length in read.items() if name != "TF-IDF"} == {same}


@pytest.mark.slow
def test_a_second_call_finds_everything_done(done: tuple[Base, Demo, Path]) -> None:
    base, made, out = done
    again = demo(out, base=base)
    assert [run.fingerprint for run in again.runs] == [run.fingerprint for run in made.runs]
    assert [run.about.finished for run in again.runs] == [run.about.finished for run in made.runs]
