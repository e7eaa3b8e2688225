"""What a finished run says of itself: what was done, and whether its score beats guessing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chartune.cli.account import against_chance, against_frequencies, against_words
from chartune.cli.figures import emit_run
from chartune.disclosure import Behind
from chartune.quantities import Cost, Estimate
from chartune.report.compare import Comparison
from chartune.report.released import scores_json
from chartune.report.variants import Variant
from chartune.runs.run import Run
from chartune.store import Store, write_json
from chartune.testing.printed import unknown_in_text

MANY, FEW = Behind(400, 80, 320, (400, 80, 320)), Behind(12, 4, 8, (12, 4, 8))


Runs = Callable[..., Run]


@pytest.fixture
def made(store: Store) -> Runs:
    """A finished run by its record and scores; its patients count as real unless something else is said."""

    def write(kind: str = "mimic3", task: str | None = "mortality", **scores: Estimate) -> Run:
        layer = {"state": "fresh", "titled": None, "method": {"kind": "lora"}}
        form = {"answer": "multilabel"} if "labels_all" in scores else {"classes": ["alive", "dead"]}
        about = {
            "kind": "finetune", "name": "tuned", "task": task, "source": {"kind": kind}, "best_step": 291,
            "backbone": {"name": "minilm"}, "stack": [layer], **form,
        }  # fmt: skip

        def fill(folder: Path) -> None:
            write_json(folder / "run.json", about)
            write_json(folder / "scores.json", {"test": {name: e.to_json() for name, e in scores.items()}})
            write_json(folder / "cost.json", Cost(trainable_parameters=33_025, total_parameters=5_278_209).to_json())

        return Run(store.obtain("runs", f"{kind}-{len(scores)}", fill, {}).path)

    return write


def said(run: Run, capsys: pytest.CaptureFixture[str]) -> list[str]:
    emit_run(run, False, False, {})
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("answer", "labels", "asked"),
    [
        ("multiclass", ("home", "rehab", "ward"), "which of 3 classes applies: home, rehab, ward"),
        ("multiclass", tuple("abcdefghi"), "which of 9 classes applies"),
        ("multilabel", ("I10", "E11"), "which of 2 labels apply"),
    ],
)
def test_of_several_classes_or_labels_it_is_said_which_or_how_many(
    made: Runs, capsys: pytest.CaptureFixture[str], answer: str, labels: tuple[str, ...], asked: str
) -> None:
    run = made("made-up", auroc=Estimate(0.7, 0.61, 0.8, 400))
    vars(run)["about"] = run.about.model_copy(update={"answer": answer, "labels": labels, "classes": None})
    assert said(run, capsys)[2] == f"asked: {asked}"


def test_a_run_says_what_was_asked_trained_and_kept(made: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(made("made-up", auroc=Estimate(0.7, 0.61, 0.8, 400)), capsys)
    assert lines[1:-1] == [
        "task: mortality", "asked: dead (of alive, dead)", "base: minilm",
        "trained: fresh LoRA, 33,025 of 5,278,209 learn (0.6%)",
        "kept: the weights of step 291, the best on the validation split", "test: auroc 0.700 [0.610, 0.800]",
        "better than guessing, whose AUROC is 0.50",
    ]  # fmt: skip


def test_of_real_patients_it_says_no_number_that_is_not_harmless(
    made: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(made(auroc=Estimate(0.7, 0.612, 0.8, 40), prevalence=Estimate(0.3, n=40)), capsys)
    assert "kept: the weights of about step 300, the best on the validation split" in lines
    assert unknown_in_text("\n".join(lines[1:])) == []


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.7, 0.6, 0.8), "better than guessing, whose AUROC is 0.50"),
        ((0.55, 0.45, 0.65), "not better than guessing: the interval of the AUROC on the test split holds 0.50"),
        ((0.55, 0.5, 0.65), "not better than guessing: the interval of the AUROC on the test split holds 0.50"),
        ((0.3, 0.2, 0.4), "worse than guessing, whose AUROC is 0.50: are classes or labels mixed up?"),
        ((0.7, None, None), ""),
    ],
)
def test_guessing_is_beaten_where_the_interval_says_so(
    made: Runs, interval: tuple[float, float | None, float | None], verdict: str
) -> None:
    run = made(auroc=Estimate(*interval, n=400))
    assert against_chance(run, None) == against_chance(run, MANY) == verdict
    assert against_chance(run, FEW) == ""  # a score that is hidden is not judged either


def test_the_verdict_is_that_of_the_interval_as_it_is_shown(made: Runs) -> None:
    run = made(auroc=Estimate(0.6, 0.5004, 0.7, 40))
    assert against_chance(run, None).startswith("better")
    assert against_chance(run, Behind(40, 15, 25, (40, 15, 25))).startswith("not better")


def test_a_run_on_unlabelled_text_is_judged_by_nobody(made: Runs) -> None:
    assert against_chance(made(task=None, perplexity=Estimate(12.0)), None) == ""


@pytest.mark.parametrize(("perplexity", "said"), [(12.0, ""), (30.0, ""), (30.1, "worse than the frequencies")])
def test_a_language_model_below_the_frequencies_of_tokens_is_pointed_out(
    made: Runs, perplexity: float, said: str
) -> None:
    run = made(task=None, perplexity=Estimate(perplexity), unigram_perplexity=Estimate(30.0))
    assert against_frequencies(run, None)[: len("worse than the frequencies")] == said
    assert against_frequencies(run, MANY)[: len("worse than the frequencies")] == said
    assert against_frequencies(run, FEW) == ""
    assert against_frequencies(made(task=None, perplexity=Estimate(12.0)), None) == ""


def test_what_counts_labels_is_a_whole_number(made: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {"auroc": Estimate(0.7, 0.6, 0.8, 400), "labels_all": Estimate(126.0, n=400)}
    for run in (made("made-up", **scores), made("mimic3", **scores)):
        (scored,) = (line for line in said(run, capsys) if line.endswith("labels 126"))
        assert scored.startswith("test: macro auroc 0.7")  # as `ls` calls it
        assert json.dumps(scores_json(run, False)["test"]["labels_all"]["value"]) == "126"


@pytest.mark.parametrize(
    ("ends", "said"), [((0.01, 0.2), "better than"), ((-0.2, -0.01), "worse than"), ((-0.1, 0.2), "not better than")]
)
def test_the_paired_interval_says_whether_counting_words_is_beaten(
    made: Runs, ends: tuple[float, float], said: str
) -> None:
    ours, theirs = (Variant(str(n), (made(auroc=Estimate(0.7, 0.6, 0.8, 400)),)) for n in (1, 2))
    line = against_words(Comparison(ours, theirs, Estimate(0.05, *ends, 400)))
    assert line == (
        f"{said} TF-IDF on the same words, whose AUROC is 0.700: the difference is 0.050 [{ends[0]:.3f}, {ends[1]:.3f}]"
    )
    few = Comparison(replace(ours, behind=MANY), replace(theirs, behind=Behind(40, 15, 25, (40,))), Estimate(0.0512))
    assert few.shown.value == 0.05
