"""The straight path through the command line on a made-up hospital: raw tables, data, five runs, a report."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from chartune.adapters.adapter import read_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Frozen, Stack, attach
from chartune.batches.tokenize import encode, load_tokenizer
from chartune.models.anatomy import anatomy_of
from chartune.models.backbone import LocalBackbone
from chartune.models.heads import Head, pool
from chartune.models.load import load_body
from chartune.runs.run import Run
from chartune.testing.chain import CLINICAL, FINETUNE, steps, walk
from chartune.testing.command_line import Completed, chartune
from chartune.testing.twins import EXACT

RUNS = (CLINICAL, "tfidf", "head-only", "lora", "stacked")
TASKED = RUNS[1:]


@dataclass(frozen=True)
class Walked:
    """Where the chain ran and what it said."""

    raw: Path
    base: Path
    store: Path
    report: Path
    said: dict[str, Completed]

    def json(self, verb: str) -> dict[str, Any]:
        return dict(json.loads(self.said[verb].out))

    def run(self, name: str) -> Run:
        return Run(Path(self.json(name)["folder"]))

    def prepared(self, file: str) -> pl.DataFrame:
        return pl.read_parquet(Path(self.json("prepare")["folder"]) / file)


@pytest.fixture(scope="module")
def walked(hospital: Path, twins: Path, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    place = tmp_path_factory.mktemp("straight")
    base, store, report = twins / "llama", place / "store", place / "report.html"
    return Walked(hospital, base, store, report, walk(hospital, base, store, report))


def test_every_verb_ends_well_and_its_json_parses(walked: Walked) -> None:
    assert {name: said.code for name, said in walked.said.items() if said.code} == {}
    for name, said in walked.said.items():
        if not name.endswith("for people"):
            assert json.loads(said.out), name


def test_a_second_call_of_every_verb_finds_the_runs_and_trains_nothing(walked: Walked) -> None:
    def stamps() -> dict[Path, int]:
        made = [path for shelf in ("data", "tokens", "runs") for path in (walked.store / shelf).rglob("*")]
        return {path: path.stat().st_mtime_ns for path in made}

    before = stamps()
    again = walk(walked.raw, walked.base, walked.store, walked.report.with_name("again.html"))
    assert stamps() == before
    for name in RUNS:
        assert json.loads(again[name].out)["run"] == walked.run(name).fingerprint


def test_the_same_bytes_elsewhere_give_the_same_run_whatever_it_is_called(walked: Walked, tmp_path: Path) -> None:
    moved = shutil.copytree(walked.raw, tmp_path / "moved")
    base = shutil.copytree(walked.base, tmp_path / "base")
    small = ["--set", "optimisation.micro_batch_tokens=64"]
    flags = ["--base", base, *steps(12, *FINETUNE), *small, "--store", walked.store, "--json", "--name", "another name"]
    said = chartune("finetune", moved, "--method", "lora", *flags)
    assert json.loads(said.out)["run"] == walked.run("lora").fingerprint


def test_predictions_are_those_of_the_held_out_admissions_with_their_labels(walked: Walked) -> None:
    asked = walked.prepared("mortality.parquet").filter(pl.col("split").is_in(["validation", "test"]))
    expected = asked.select("split", "subject_id", "hadm_id", "label").sort("hadm_id")
    assert expected["label"].n_unique() == 2
    for name in TASKED:
        predictions = walked.run(name).predictions()
        assert predictions.columns == ["split", "subject_id", "hadm_id", "label", "logit", "probability", "p_died"]
        assert predictions["hadm_id"].is_unique().all()
        assert predictions.sort("hadm_id").select(expected.columns).equals(expected), name
        assert predictions["probability"].is_between(0, 1).all()


def test_no_patient_of_the_corpus_that_is_learnt_from_is_asked_about(walked: Walked) -> None:
    learnt = set(walked.prepared("corpus.parquet").filter(pl.col("split") == "train")["subject_id"])
    asked = set(walked.prepared("mortality.parquet").filter(pl.col("split") != "train")["subject_id"])
    assert learnt
    assert asked
    assert learnt.isdisjoint(asked)


def test_pretraining_lowers_the_perplexity_of_patients_that_it_has_not_seen(walked: Walked) -> None:
    test = walked.run(CLINICAL).scores["test"]
    assert test["perplexity"].value < 0.95 * test["perplexity_before"].value
    assert test["unigram_perplexity"].value > 1


def test_every_variant_stands_beside_the_best_that_can_be_reached(walked: Walked) -> None:
    for name in TASKED:
        test = walked.run(name).scores["test"]
        auroc, oracle = test["auroc"], test["oracle_auroc"]
        assert None not in (auroc.low, auroc.high)
        assert oracle.n == auroc.n
    whole, cut = (walked.run(name).scores["test"]["oracle_auroc"] for name in ("tfidf", "lora"))
    assert whole.value > 0.7
    assert cut.value < whole.value  # who reads 48 tokens only is measured against who reads 48 tokens only
    assert (walked.run("lora").about.truncated_fraction or 0) > 0.9


def test_the_clinical_layer_stays_bit_equal_and_the_downstream_layer_moves(walked: Walked) -> None:
    stacked = walked.run("stacked")
    clinical = load_file(walked.run(CLINICAL).path / "adapter" / "adapter_model.safetensors")
    kept = load_file(stacked.path / "adapter" / "0-frozen" / "adapter_model.safetensors")
    learnt = load_file(stacked.path / "adapter" / "1-fresh" / "adapter_model.safetensors")
    assert clinical.keys() == kept.keys()
    assert all(torch.equal(clinical[name], kept[name]) for name in clinical)
    assert all(tensor.abs().sum() > 0 for name, tensor in clinical.items() if "lora_B" in name)
    assert all(tensor.abs().sum() > 0 for name, tensor in learnt.items() if "lora_B" in name)
    assert stacked.parents == (walked.run(CLINICAL).fingerprint,)
    assert [layer.state for layer in stacked.stack] == ["frozen", "fresh"]


def test_the_clinical_layer_is_not_decoration(walked: Walked) -> None:
    one, two = (walked.run(name).predictions("test").sort("hadm_id") for name in ("lora", "stacked"))
    assert not one["logit"].equals(two["logit"])


@pytest.mark.parametrize(("name", "layers"), [("lora", ("",)), ("stacked", ("0-frozen", "1-fresh"))])
def test_the_weights_of_a_run_give_each_admission_the_logit_that_stands_beside_it(
    walked: Walked, llama: LocalBackbone, name: str, layers: tuple[str, ...]
) -> None:
    run = walked.run(name)
    loaded = load_body(llama, EXACT)
    stack = Stack(layers=tuple(Frozen(adapter=layer) for layer in layers))
    adapters = [read_adapter(run.path / "adapter" / layer) for layer in layers]
    body = attach(stack, loaded.module, adapters, seed=9).module.eval()
    head = Head().build(loaded.hidden_size, np.zeros(2, dtype=np.float32), seed=9)
    head.load_state_dict(load_file(run.path / "head.safetensors"))
    texts = walked.prepared("mortality.parquet").select("hadm_id", "text")
    rows = run.predictions("test").join(texts, on="hadm_id", validate="1:1")
    assert rows["logit"].n_unique() > 1
    for text, logit in rows.select("text", "logit").iter_rows():  # one at a time: no order, no padding
        ids = torch.tensor([encode([text], load_tokenizer(llama), 48)[0].tolist()])
        with torch.no_grad():
            found = head(pool(body(input_ids=ids).last_hidden_state, torch.ones_like(ids), "last"))[0]
        assert float(found[1] - found[0]) == pytest.approx(logit, abs=1e-4)


def test_a_run_records_how_many_texts_it_has_learnt_from(walked: Walked) -> None:
    train = pl.col("split") == "train"
    assert walked.run(CLINICAL).about.texts == walked.prepared("corpus.parquet").filter(train).height
    assert walked.run("lora").about.texts == walked.prepared("mortality.parquet").filter(train).height


def test_the_parameters_recorded_are_those_of_the_formula(walked: Walked, llama: LocalBackbone) -> None:
    loaded = load_body(llama, EXACT)
    head = 2 * loaded.hidden_size + 2
    fresh = LoRA(rank=16, alpha=32, targets="all-linear").count(loaded.module, anatomy_of(loaded.module))
    expected = {"head-only": head, "lora": fresh + head, "stacked": fresh + head, CLINICAL: fresh}
    assert {name: walked.run(name).cost.trainable_parameters for name in expected} == expected


def test_the_report_holds_the_scores_and_loads_nothing(walked: Walked) -> None:
    html = walked.report.read_text(encoding="utf-8")
    for name in TASKED:
        assert f"{walked.run(name).scores['test']['auroc'].value:.3f}" in html, name
    assert "female<small>sex</small>" in html  # prepared data keep the groups that a report scores apart
    assert f"{walked.run(CLINICAL).scores['test']['perplexity'].value:.2f}" in html
    assert re.findall(r"""(?:src|href|action|data)\s*=\s*["']?(?:https?:)?//""", html) == []
    assert re.findall(r"""url\(\s*["']?(?:https?:)?//|@import""", html) == []


def test_ls_and_show_tell_what_the_runs_hold(walked: Walked) -> None:
    listed = walked.json("ls")
    assert {row["name"] for row in listed["runs"]} == set(RUNS)
    assert listed["unfinished"] == []
    assert all(name in walked.said["ls for people"].out for name in RUNS)
    shown = walked.json("show")
    assert shown["run"] == walked.run("stacked").fingerprint
    assert shown["stage"]["max_seq_len"] == 48
    assert "auroc" in walked.said["show for people"].out


def test_the_stage_of_a_run_can_be_given_again_as_a_config(walked: Walked) -> None:
    config = walked.run("lora").path / "stage.yaml"
    said = chartune("finetune", "--config", config, "--store", walked.store, "--json")
    assert json.loads(said.out)["run"] == walked.run("lora").fingerprint


def test_show_verify_notices_a_changed_byte(walked: Walked, tmp_path: Path) -> None:
    store = shutil.copytree(walked.store, tmp_path / "store")
    weights = store / "runs" / walked.run(CLINICAL).fingerprint / "adapter" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    said = chartune("show", CLINICAL, "--verify", "--store", store)
    assert said.code == 7
    assert "adapter_model.safetensors" in said.err
