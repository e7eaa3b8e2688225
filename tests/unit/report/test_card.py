"""The model card: everything a reader must know of an adapter, and nothing of a patient."""

import re
import subprocess
import sys

import pytest

from chartune.quantities import Cost, Estimate
from chartune.report.card import model_card
from chartune.report.outcome import outcome
from chartune.report.variants import numbered
from chartune.runs import Run
from chartune.runs.record import BaseModel, RunRecord
from chartune.store import Store
from chartune.tasks.task import ANSWER_TOLD
from chartune.testing import past_runs as past
from chartune.testing.plain import typed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return past.past_runs(tmp_path_factory.mktemp("store"), "mimic3")


def _card(store: Store, fingerprint: str, kind: str = "mimic3") -> str:
    run = Run.of(store, fingerprint)
    return model_card(run.about, run.scores, run.cost, run.environment, typed(past.dataset(kind)))


def test_a_card_tells_what_it_is_where_it_comes_from_and_how_well_it_does(store: Store) -> None:
    run, text = Run.of(store, past.CLINICAL), _card(store, past.CLINICAL)
    auroc = run.estimate("auroc")
    assert auroc is not None
    for expected in (
        "# Clinical (frozen) + downstream LoRA", "Does the patient die during this stay?", "rank 8, alpha 16",
        past.BACKBONE["content_hash"], "**Licence:** MIT", "MIMIC-III Clinical Database", "PhysioNet Credentialed",
        f"| test | auroc | {auroc.value:.3f} | {auroc.low:.3f} to {auroc.high:.3f} | 400+ |",
        "| Time | 2 min 20 s | 2 min 37 s |", "pooling_on_pad: False; preset: sound", f"**Parents:** {past.PRETRAIN}",
        "on admission", "**Kind:** retrospective-text",
    ):  # fmt: skip
        assert str(expected) in text


@pytest.mark.parametrize(
    ("notes", "expected"), [("packed", "in blocks of 128 tokens"), ("first-tokens", "first 128 tokens of each note")]
)
def test_a_card_tells_how_much_of_each_note_was_adapted_on(store: Store, notes: str, expected: str) -> None:
    run = Run.of(store, past.PRETRAIN)
    about = run.about.but(max_seq_len=128, notes=notes)
    assert expected in model_card(about, run.scores, run.cost, run.environment, typed(past.dataset("mimic3")))


def test_a_card_of_a_task_whose_texts_tell_the_answer_says_so(store: Store) -> None:
    run, data = Run.of(store, past.CLINICAL), past.dataset("mimic3")
    assert ANSWER_TOLD not in model_card(run.about, run.scores, run.cost, run.environment, typed(data))
    data["tasks"]["mortality"]["answer_told"] = True
    assert ANSWER_TOLD in model_card(run.about, run.scores, run.cost, run.environment, typed(data))
    said = outcome(numbered([run]), typed(data), "mortality", "m", {run.fingerprint: run}).sentences
    assert said[0] == ANSWER_TOLD


def test_a_card_tells_how_to_load_every_layer(store: Store) -> None:
    text = _card(store, past.CLINICAL)
    assert 'Frozen(adapter="adapter/0-frozen"), Frozen(adapter="adapter/1-fresh")' in text
    assert 'model.base_model.set_adapter(["layer0", "layer1"])' in text
    assert 'PeftModel.from_pretrained(body, "adapter", adapter_name="layer0")' in _card(store, past.LORA)
    assert "head.safetensors" in _card(store, past.HEAD)
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        compile(block, "card", "exec")


def test_weights_of_real_patients_inherit_the_terms_of_their_data(store: Store) -> None:
    assert "Sensitive:" in _card(store, past.LORA)
    assert "no public upload" in _card(store, past.PRETRAIN)
    assert "Sensitive:" not in _card(store, past.LORA, "made-up")


def test_small_counts_are_hidden_in_a_card(store: Store) -> None:
    run, data = Run.of(store, past.LORA), past.dataset("mimic3")
    data["tasks"]["mortality"]["counts"]["test"]["positives"] = 7
    scores = {"test": {"prevalence": Estimate(7 / 400, 0.01, 0.03, 400)}}
    text = model_card(run.about, scores, run.cost, run.environment, typed(data))
    assert "| test | 330+ | 400+ | &lt;10 |" in text
    assert "0.018" not in text
    assert "| test | all | too few to show |" in text


@pytest.mark.parametrize(
    ("prevalence", "positives"), [(Estimate(0.5, 0.1, 0.9, 8), None), (Estimate(395 / 400, n=400), None), (None, 7)]
)
def test_scores_on_few_real_patients_are_not_in_a_card(
    store: Store, prevalence: Estimate | None, positives: int | None
) -> None:
    run, data, open_data = Run.of(store, past.LORA), past.dataset("mimic3"), past.dataset("made-up")
    if positives is not None:
        data["tasks"]["mortality"]["counts"]["test"]["positives"] = positives
    scores = {"test": {"auroc": Estimate(0.8125, 0.7, 0.9)} | ({"prevalence": prevalence} if prevalence else {})}
    text = model_card(run.about, scores, run.cost, {}, typed(data))
    assert "| test | all | too few to show |" in text
    assert "0.812" not in text
    assert "0.812" in model_card(run.about, scores, run.cost, {}, typed(open_data))


def test_small_counts_in_the_words_of_a_source_are_hidden_for_real_patients(store: Store) -> None:
    run, warning = Run.of(store, past.LORA), "NOTEEVENTS: 3 rows of v1.4 have no ICD-9 code, 12 rows no patient."
    hidden = warning.replace("3 rows", "&lt;10 rows").replace("12 rows", "10+ rows")
    for kind, said in (("mimic3", hidden), ("made-up", warning)):
        data = past.dataset(kind)
        data["source"]["warnings"] = [warning]
        assert said in model_card(run.about, run.scores, run.cost, {}, typed(data))


def test_rows_of_a_table_of_ones_own_are_not_called_admissions(store: Store) -> None:
    run, data = Run.of(store, past.LORA), past.dataset("mimic3")
    assert "| split | patients | admissions |" in model_card(run.about, {}, run.cost, {}, typed(data))
    data["source"]["kind"] = "tabular"
    assert "| split | patients | rows |" in model_card(run.about, {}, run.cost, {}, typed(data))


def test_a_bag_of_words_has_no_method_to_be_measured(store: Store) -> None:
    assert "Method and stack" not in _card(store, past.TFIDF)
    assert "**Method and stack:** fresh LoRA r=8" in _card(store, past.LORA)


def test_a_foreign_adapter_is_told_with_the_base_that_it_was_made_on(store: Store) -> None:
    run = Run.of(store, past.CLINICAL)
    layers = [layer.but(base="a-llama") for layer in run.about.layers]
    own = model_card(run.about.but(stack=tuple(layers[:1])), {}, run.cost, {}, None)
    assert "by stock peft" not in own.split("## Lineage")[1]
    foreign = model_card(run.about.but(stack=(layers[0].but(run=None),)), {}, run.cost, {}, None)
    assert "made on a-llama by stock peft" in foreign


def test_what_was_not_measured_is_said_to_be_so() -> None:
    text = model_card(
        RunRecord(kind="finetune", name="bare", backbone=BaseModel(name="b"), stack=()), {}, Cost(), {}, None
    )
    assert "Scores: not measured." in text
    assert text.count("not measured") > 15
    assert "| Peak memory | not planned | not measured |" in text


def test_a_name_cannot_break_out_of_a_card(store: Store) -> None:
    run = Run.of(store, past.LORA)
    text = model_card(run.about.but(name="<img src=x>\n# Another | title"), run.scores, run.cost, {}, None)
    assert text.startswith("# &lt;img src=x&gt; # Another \\| title\n")


def test_nothing_of_a_row_is_in_a_card(store: Store) -> None:
    seen = set(re.findall(r"\d+", _card(store, past.LORA)))
    rows = Run.of(store, past.LORA).predictions()
    assert seen.isdisjoint({str(value) for name in ("subject_id", "hadm_id") for value in rows[name]})


def test_a_stage_may_write_a_card_without_loading_a_drawing_library() -> None:
    program = (
        "import sys, chartune.report.card; print([m for m in ('matplotlib', 'jinja2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
