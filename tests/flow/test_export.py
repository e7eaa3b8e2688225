"""An exported run gives the same logits in a process that knows no chartune, from stock files alone."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from chartune.adapters.adapter import read_adapter
from chartune.adapters.catalog import METHODS, method_class
from chartune.adapters.injected import Injected
from chartune.adapters.stack import Frozen, Stack, attach
from chartune.errors import AdapterError
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.load import load_body
from chartune.runs.run import Run
from chartune.stages.export_record import read_export
from chartune.stages.exported import load_export
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import Loaded, load
from chartune.stages.predicting import predict
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.stages.table import read_table
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.tasks.prepare import prepare
from chartune.testing.adapted import gap
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT, twin

STACKED = ("lora", "ia3", "prefix", "prompt", "p-tuning", "adaptation-prompt")
WORDS = ("septic", "afebrile", "stable", "fall", "stroke", "pain")
FAST = {"duration": {"value": 1}, "learning_rate": 3e-2, "batch_size": 16}
READER = """
import importlib.util, json, sys, warnings
sys.modules["chartune"] = None  # importing it is an error
import torch
from transformers import AutoModelForCausalLM
def read(folder, base):
    if base == "language model":
        model = AutoModelForCausalLM.from_pretrained(folder + "/model", trust_remote_code=False)
        with torch.inference_mode():
            return model(torch.arange(3, 11).unsqueeze(0)).logits[0].tolist()
    spec = importlib.util.spec_from_file_location("load", folder + "/load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.Model(base or None)
    return [model.logits(texts).tolist(), model.probabilities(texts).tolist()]
"""
ALONE = """
warnings.simplefilter("ignore")
texts, asked = json.load(sys.stdin)
print(json.dumps({name: read(folder, base) for name, folder, base in asked}))
"""
TEXTS = [
    "septic stable",
    "afebrile afebrile pain on stairs with fever and chest pain after a fall on stairs",
    "",
    "fall",
]


def table(folder: Path, several: bool) -> Path:
    """120 patients with a short note; a label goes with a word."""
    chance, rows = np.random.default_rng(3), []
    for number in range(120):
        words = chance.choice(WORDS, size=int(chance.integers(3, 20))).tolist()
        labels = sorted({word for word in words if word in WORDS[:3]})
        rows.append(
            (number, " ".join(words), ";".join(labels) if several else "yes" if "septic" in words[:2] else "no")
        )
    file = folder / f"{'many' if several else 'one'}.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def store(place: Path) -> Store:
    return Store(place / "store").open()


@pytest.fixture(scope="module")
def data(place: Path) -> dict[str, Any]:
    return {"source": {"kind": "tabular", "file": str(table(place, several=False))}}


@pytest.fixture(scope="module")
def clinical(store: Store, data: dict[str, Any], llama: LocalBackbone) -> Run:
    asked = {"backbone": {"name": str(llama.folder)}, "data": data, "max_seq_len": 24, "optimisation": FAST}
    asked["numerics"] = {"precision": "fp32"}
    method = {"kind": "lora", "rank": 2, "targets": "all-linear"}
    return pretrain(Pretrain.parse({**asked, "name": "clinical", "method": method}), store)


def tuned(store: Store, data: Any, base: LocalBackbone, name: str, layers: Sequence[Any], **further: Any) -> Run:
    asked = {"data": data, "backbone": {"name": str(base.folder)}, "name": name, "stack": {"layers": list(layers)}}
    exact = {"max_seq_len": 24, "optimisation": FAST, "numerics": {"precision": "fp32"}}
    return finetune(Finetune.parse({**asked, **exact, **further}), store)


def that_tells_texts_apart(
    store: Store, data: Any, base: LocalBackbone, name: str, layers: Sequence[Any], **further: Any
) -> Run:  # fmt: skip
    """The first of some seeds whose run does not say the same of every text, as tiny encoders often do."""
    for seed in range(12):
        run = tuned(store, data, base, name, layers, seed=seed, **further)
        scorer = load(run, store)
        if isinstance(scorer, Loaded) and np.ptp(scorer.decided(TEXTS)) > 1e-3:
            return run
    raise AssertionError(f"with none of 12 seeds {name} tells texts apart")


def fresh(kind: str, **numbers: Any) -> dict[str, Any]:
    return {"kind": "fresh", "method": {"kind": kind, **numbers}}


PISSA = fresh("lora", rank=4, start="pissa", scaling="rank-stabilised")
SLOWER = {"optimisation": FAST | {"learning_rate": 3e-3}}
"""For two layers that hold a matrix's largest singular values: at ten times this rate a tiny encoder becomes one whose
logits fp32 itself gives to 1e-4 only."""
DORA = fresh("lora", rank=4, decomposed=True)


def exported(store: Store, run: Run, to: Path, *more: str) -> Path:
    said = chartune("export", run.fingerprint, "--to", to, *more, "--store", store.root, "--json")
    assert said.code == 0, said.err
    assert "patients' words" in said.err
    assert json.loads(said.out)["folder"] == str(to)
    return to


def read_alone(folders: Sequence[tuple[str, Path, str]], place: Path) -> dict[str, Any]:
    """What a process reads that cannot import chartune."""
    known = {n: v for n, v in os.environ.items() if not n.startswith(("CHARTUNE_", "PYTHONPATH"))}
    environment = known | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    asked = json.dumps([TEXTS, [[name, str(folder), base] for name, folder, base in folders]])
    ended = subprocess.run([sys.executable, "-c", READER + ALONE], cwd=place, env=environment, input=asked,
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    read: dict[str, Any] = json.loads(ended.stdout)
    return read


def read_here(folder: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same in this process, as long as nothing imports chartune."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # a cache beside the loader is none of the export's
    module: dict[str, Any] = {"texts": TEXTS}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "chartune", None)
        exec(READER, module)
        return module["read"](str(folder), base)


def must_score_alike(run: Run, store: Store, read: Any) -> None:
    scorer = load(run, store)
    assert isinstance(scorer, Loaded)
    decided = scorer.decided(TEXTS)
    logits, probabilities = np.asarray(read[0]), np.asarray(read[1])
    assert np.allclose(scorer.form.decide(logits), decided, atol=1e-5), np.abs(scorer.form.decide(logits) - decided)
    assert np.allclose(probabilities, scorer.predict_proba(TEXTS), atol=1e-5)
    assert np.ptp(decided) > 1e-4  # ten times the tolerance: one score for all texts would be alike, too


def must_all_score_alike(store: Store, runs: Sequence[Run], base: LocalBackbone, place: Path, merge: Any) -> None:
    folders = []
    for run in runs:
        for merged in merge(run):
            to = place / f"{run.fingerprint}-{merged}"
            exported(store, run, to, *(["--merged"] if merged else []))
            whole = (to / "model").is_dir()
            folders.append((f"{run.fingerprint} {merged}", to, "" if whole else str(base.folder)))
    for name, read in read_alone(folders, place).items():
        must_score_alike(Run.of(store, name.split()[0]), store, read)


@pytest.fixture(scope="module")
def stack(store: Store, data: dict[str, Any], clinical: Run, llama: LocalBackbone) -> Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chartune.stages.recalibrating.LEAST", 1)  # the validation split has few rows
        return tuned(
            store, data, llama, "stack", [{"kind": "frozen", "adapter": "clinical"}, PISSA], seed=3
        )  # ranks validation rows the right way round


def test_a_merged_stack_and_language_model_are_read_without_chartune(
    store: Store, clinical: Run, stack: Run, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, adapted = exported(store, stack, tmp_path / "stack", "--merged"), tmp_path / "clinical"
    exported(store, clinical, adapted, "--merged")
    must_score_alike(stack, store, read_here(to, "", monkeypatch))
    must_predict_alike(stack, store, to, exported(store, stack, tmp_path / "layers"), llama)
    adapter = read_adapter(clinical.path / "adapter")
    body = load_body(llama, EXACT, language_model=True)
    attach(Stack(layers=(Frozen(adapter=str(adapter.folder)),)), body.module, [adapter], seed=0)
    with torch.inference_mode():
        expected = body.whole(input_ids=torch.arange(3, 11).unsqueeze(0)).logits[0]
    assert np.allclose(read_here(adapted, "language model", monkeypatch), expected.numpy(), atol=1e-5)
    must_be_private_and_say_so(to, stack)


def must_predict_alike(run: Run, store: Store, merged: Path, layers: Path, base: LocalBackbone) -> None:
    """`predict` scores an export as it scores its run, on a machine that has nothing but the base model."""
    texts = [text for text in TEXTS if text]
    own, bare = predict(run, texts, store=store), Store(merged.parent / "bare")
    exact = own.drop("adapter", "probability", "p_yes")
    for folder, more in ((merged, []), (layers, ["--base", base.folder])):
        notes, out = merged.parent / "new.csv", merged.parent / f"{folder.name}.csv"
        pl.DataFrame({"text": texts}).write_csv(notes)
        said = chartune("predict", folder, notes, "--out", out, "--store", bare.root, "--id", "", *more)
        assert said.code == 0, said.err
        rows = pl.read_csv(out)
        assert rows.drop("adapter", "probability", "p_yes").equals(exact)
        assert np.allclose(rows["p_yes"], own["p_yes"], atol=1e-5)
    assert rows["adapter"].to_list() == own["adapter"].to_list()
    for flags, code, reason in (
        ((), 2, "say where it is with --base"),
        (("--base", base.folder, "--threshold", "youden"), 2, "an exported model has none"),
    ):
        refused = chartune("predict", layers, notes, "--out", out, "--store", bare.root, *flags)
        assert (refused.code, reason in " ".join(refused.err.split())) == (code, True), refused.err
    read = read_export(layers)
    head_alone = replace(read, about=read.about.but(adapters=()))
    with pytest.raises(AdapterError, match="has other files"):
        load_export(head_alone, bare, Backbone(name=str(twin(merged.parent, "bert").folder)))
    (layers / "head.safetensors").write_bytes((layers / "head.safetensors").read_bytes() + b" ")
    refused = chartune("predict", layers, notes, "--out", out, "--store", bare.root, "--base", base.folder)
    assert (refused.code, "as SHA256SUMS lists it" in " ".join(refused.err.split())) == (7, True), refused.err


def must_be_private_and_say_so(to: Path, run: Run) -> None:
    """What lies in an export beside its numbers."""
    names = {file.relative_to(to).as_posix() for file in to.rglob("*") if file.is_file()}
    assert names >= {"export.json", "head.safetensors", "load.py", "MODEL_CARD.md", "SHA256SUMS",
                     "model/config.json", "model/model.safetensors", "model/tokenizer.json"}  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in [to, *to.rglob("*")]} == {0o700, 0o600}
    card, about = (to / "MODEL_CARD.md").read_text(), json.loads((to / "export.json").read_text())
    assert "Not audited for memorisation" in card
    assert "from load import Model" in card
    assert (about["run"], about["labels"], about["audited_for_memorisation"]) == (run.fingerprint, ["no", "yes"], False)
    assert about["calibration"].keys() == {"kind", "intercept", "slope", "split"}
    assert (about["slope"], about["offset"]) == (about["calibration"]["slope"], [0, about["calibration"]["intercept"]])
    assert len((to / "load.py").read_text().splitlines()) <= 40
    sums = [f"{hashlib.sha256((to / name).read_bytes()).hexdigest()}  {name}" for name in names - {"SHA256SUMS"}]
    assert set((to / "SHA256SUMS").read_text().splitlines()) == set(sums)


def test_what_cannot_be_exported_is_refused_with_the_reason_and_leaves_nothing(
    store: Store, data: dict[str, Any], clinical: Run, stack: Run, llama: LocalBackbone, twins: Path, tmp_path: Path
) -> None:
    unshifted = fresh("prefix", positions="unshifted")
    prefix, words = tuned(store, data, llama, "prefix", [unshifted]), Tfidf.parse({"data": data, "name": "words"})
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    for run, more, code, reason in (
        (prefix, ("--merged",), 4, "no matrix of a body holds them"),
        (prefix, (), 4, "stock peft shifts positions"),
        (tfidf(words, store), (), 5, "vocabulary consists of patients' words"),
        (stack, ("--base", twin(twins, "bert").folder), 4, "base model that it was trained on"),
        (stack, ("--to", tmp_path / "repository" / "x"), 2, "git working tree"),
    ):
        said = chartune("export", run.fingerprint, "--to", tmp_path / "out", *more, "--store", store.root)
        assert (said.code, said.out) == (code, ""), said.err
        assert reason in " ".join(said.err.split())
        assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"repository"}


def test_a_merge_that_changes_what_is_read_is_not_written(
    store: Store, stack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Injected.merge
    monkeypatch.setattr(Injected, "merge", lambda own, body, name: name == "layer1" or real(own, body, name))
    said = chartune("export", stack.fingerprint, "--to", tmp_path / "out", "--merged", "--store", store.root)
    assert (said.code, list(tmp_path.iterdir())) == (5, [])
    assert "must read a text as its layers do" in " ".join(said.err.split())


@pytest.mark.slow
def test_many_labels_and_adapters_alone_score_alike_on_their_own_base_only(
    store: Store, clinical: Run, stack: Run, llama: LocalBackbone, twins: Path, place: Path, tmp_path: Path
) -> None:
    many = {"source": {"kind": "tabular", "file": str(table(place, several=True)), "separator": ";"},
            "tasks": [{"kind": "labels", "answer": "multilabel"}]}  # fmt: skip
    runs = [stack, tuned(store, many, llama, "many", [fresh("ia3")])]
    must_all_score_alike(store, runs, llama, tmp_path, lambda run: (True, False))
    adapter = exported(store, clinical, tmp_path / "clinical") / "adapter"
    assert read_adapter(adapter).run == clinical.fingerprint
    adapted = exported(store, clinical, tmp_path / "adapted", "--merged")
    assert len(read_alone([("clinical", adapted, "language model")], tmp_path)["clinical"]) == 8
    with pytest.raises(AssertionError, match=r"Model\(base=\.\.\.\) must be"):
        read_alone([("x", tmp_path / f"{stack.fingerprint}-False", str(twin(twins, "bert").folder))], tmp_path)


def fusions(store: Store, data: dict[str, Any], base: LocalBackbone, below: str) -> dict[str, list[Any]]:
    """The fusions that are no sum of a LoRA and what is above it, and a LoRA on adapters of other methods."""
    asked = {"backbone": {"name": str(base.folder)}, "data": data, "max_seq_len": 24, "optimisation": FAST}
    general = store.root / "general.txt"
    general.write_text("\n".join(f"a fall on stairs is no stroke number {n}" for n in range(200)), encoding="utf-8")
    stacks: dict[str, list[Any]] = {
        "continue": [{"kind": "trainable", "adapter": below}], "head only": [{"kind": "frozen", "adapter": below}],
        "shuffled": [{"kind": "frozen", "adapter": below, "shuffled": 1}, fresh("lora")],
        "equal rank": [fresh("lora", rank=32)],
    }  # fmt: skip
    if base.family.is_decoder:
        placebo = {"general_text": str(general), "text": "general", "numerics": {"precision": "fp32"}}
        adapter = pretrain(Pretrain.parse({**asked, **placebo, "name": "placebo below"}), store).path / "adapter"
        stacks["placebo"] = [{"kind": "frozen", "adapter": str(adapter)}, fresh("lora")]
    for kind in ("ia3", "prefix", "prompt", "p-tuning"):
        lower = str(tuned(store, data, base, f"{kind} below", [fresh(kind)]).path / "adapter")
        for state in ("frozen", "trainable"):
            stacks[f"lora on {state} {kind}"] = [{"kind": state, "adapter": lower}, fresh("lora")]
    return stacks


def must_reload(run: Run, store: Store) -> None:
    """What a run keeps gives the logits that it kept of its test split, to 1e-5."""
    table = read_table(prepare(Finetune.parse(run.stage).data, store), run.task or "")
    again = load(run, store).decided(table.frame[table.rows("test")]["text"].to_list())
    assert np.allclose(again, run.predictions("test")["logit"].to_numpy(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["llama", "bert", "gpt2", "roberta", "qwen2"])
def test_so_does_every_method_and_stack_of_encoders_and_decoders(
    store: Store, data: dict[str, Any], twins: Path, tmp_path: Path, model_type: str
) -> None:
    base, own = twin(twins, model_type), Store(tmp_path / "store").open()
    every = [kind for kind in METHODS if not gap(base, method_class(kind).parse({}))]
    kinds = every if model_type == "llama" else ["lora", "ia3", "prefix", "full"]  # few move tiny encoders
    stacks: dict[str, list[Any]] = {kind: [fresh(kind)] for kind in kinds} | {"head": []}
    below = str(tuned(own, data, base, "below", [fresh("lora")]).path / "adapter")
    stacks |= {"dora": [DORA], "dora below": [DORA, fresh("lora")], "pissa twice": [PISSA, PISSA]}
    for state in ("frozen", "trainable"):
        for kind in (kind for kind in kinds if kind in STACKED):
            stacks[f"{state} {kind}"] = [{"kind": state, "adapter": below}, fresh(kind)]
    if model_type == "llama":
        merged = {"kind": "merged", "adapter": below}
        stacks |= {f"merged {kind}": [merged, fresh(kind)] for kind in (*STACKED, "full")} | {
            "merged dora": [merged, DORA]
        }
    further = fusions(own, data, base, below) if model_type in ("llama", "bert") else {}
    gentle = {"pissa twice": SLOWER}
    runs = [that_tells_texts_apart(own, data, base, name, stacks[name], **gentle.get(name, {})) for name in stacks]
    others = [tuned(own, data, base, name, layers) for name, layers in further.items()]
    for run in (*runs, *others):
        must_reload(run, own)
    runs += others if model_type == "llama" else []

    def merge(run: Run) -> tuple[bool, ...]:
        apart = [kind for kind in METHODS if method_class(kind).unmergeable]
        return (False,) if any(kind in run.name.split() for kind in apart) else (True, False)

    must_all_score_alike(own, runs, base, tmp_path, merge)
