"""A finished run, loaded in a fresh process from its folder, gives its own test predictions bit for bit."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file, save_file

from chartune.adapters.catalog import METHODS
from chartune.errors import AdapterError, ConfigError, RunError, StoreError
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.report.caveats import NEVER_ACTIVE, caveats
from chartune.runs.ledger import find_run
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.loading import Loaded, load, read_head
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.stages.term_weights import TermWeights
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.testing.adapted import gap
from chartune.testing.command_line import chartune
from chartune.testing.support import CATALOG, SMALL
from chartune.testing.twins import added, twin

WORDS = ("septic", "afebrile", "stable", "fall", "stroke", "pain")
FAST = {"duration": {"value": 1}, "learning_rate": 3e-2, "batch_size": 32}
LOADED = """
import json, sys
from pathlib import Path
import numpy as np, polars as pl, torch
from chartune.prediction.columns import table_texts
from chartune.prediction.files import write_predictions_of
from chartune.prediction.rows import Choices
from chartune.prediction.texts import checked
from chartune.runs.run import Run
from chartune.stages.loading import load
from chartune.store import Store

store, place, equal = Store(Path(sys.argv[1])), Path(sys.argv[2]), {}

def from_a_file(scorer, ids, texts, decided):
    pl.DataFrame({"id": ids, "text": texts}).write_csv(place / "new.csv")
    notes = table_texts(place / "new.csv", scorer.run.stage["data"])
    out = place / "scored.csv"
    write_predictions_of(scorer, notes, checked(notes), out, store, Choices())
    rows, wanted = pl.read_csv(out), scorer.probability(decided)
    names = ["probability"] if wanted.ndim == 1 else [f"p_{label}" for label in scorer.labels]
    return rows["id"].to_list() == ids and np.array_equal(rows.select(names).to_numpy(), wanted.reshape(len(ids), -1))

for folder in sorted((store.root / "runs").iterdir()):
    if folder.is_dir() and (done := Run(folder)).kind in ("finetune", "tfidf"):
        rows = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test")
        task = pl.read_parquet(store.root / "data" / done.data / f"{done.task}.parquet")
        texts = rows.join(task.filter(pl.col("split") == "test"), on="hadm_id", maintain_order="left")["text"].to_list()
        scorer = load(done, store)
        made = scorer.decided(texts)
        kept = rows["logit"].to_numpy() if "logit" in rows.columns else np.float32(rows["logits"].to_list())
        equal[done.name] = bool(np.array_equal(made.astype(kept.dtype), kept)) and len(kept) > 9
        equal[done.name] &= bool(from_a_file(scorer, rows["hadm_id"].to_list(), texts, made))
        equal[done.name] &= scorer.environment.get("threads") == (torch.get_num_threads() if scorer.numerics else None)
        others = [text + " pain" * (1 + n % 3) for n, text in enumerate(texts)]
        moved = scorer.probabilities([*others, *texts[::-1]])[: len(texts) - 1 : -1]
        bound = 1e-2 if scorer.numerics.get("precision") == "bf16" else 1e-6
        equal[done.name] &= bool(np.abs(moved - scorer.probabilities(texts)).max() < bound)
print(json.dumps(equal))
"""


def table(folder: Path, several: bool) -> Path:
    """150 patients with a short note; a label goes with a word."""
    chance, rows = random.Random(3), []
    for number in range(150):
        words = [chance.choice(WORDS) for _ in range(chance.randint(3, 20))]
        labels = sorted({word for word in words if word in WORDS[: 3 if several else 2]})
        label = ";".join(labels) if several else "yes" if labels[:1] == ["afebrile"] else "no"
        rows.append((number, " ".join(words), label))
    file = folder / f"{'many' if several else 'one'}.csv"
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("load")


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    return {"source": {"kind": "tabular", "file": str(table(folder, several=False))}}


def tuned(store: Store, data: Any, base: LocalBackbone, name: str, layers: list[Any], **further: Any) -> Run:
    asked = {"data": data, "backbone": {"name": str(base.folder)}, "name": name, "stack": {"layers": layers}}
    return finetune(Finetune.parse({**asked, "max_seq_len": 24, "optimisation": FAST, **further}), store)


def methods_for(base: LocalBackbone) -> list[dict[str, Any]]:
    """The methods that go with a base model."""
    return [{"kind": method.kind, **SMALL.get(method.kind, {})} for method in CATALOG if not gap(base, method)]


def layers_of(base: LocalBackbone, clinical: str, states: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Every method alone, and stacks of a clinical adapter in these states and downstream ones."""
    yield "head only", []
    for method in methods_for(base):
        yield method["kind"], [{"kind": "fresh", "method": method}]
    for state in states:
        yield f"{state} alone", [{"kind": state, "adapter": clinical}]
        for kind in ("lora", "ia3", "prefix"):
            below = {"kind": state, "adapter": clinical}
            yield f"{state} + {kind}", [below, {"kind": "fresh", "method": {"kind": kind}}]
        yield f"{state} + inactive", [below, {"kind": "fresh", "active": False}]
    yield "shuffled", [{"kind": "frozen", "adapter": clinical, "shuffled": 1}]
    for kind in ("prefix", "full"):
        yield f"merged + {kind}", [{"kind": "merged", "adapter": clinical}, {"kind": "fresh", "method": {"kind": kind}}]


def filled(store: Store, data: dict[str, Any], base: LocalBackbone, states: Sequence[str]) -> Store:
    """Runs of every method, and of stacks on a clinical adapter."""
    asked = {"backbone": {"name": str(base.folder)}, "data": data, "max_seq_len": 24, "optimisation": FAST}
    method = {"kind": "lora", "rank": 2, "dropout": 0.3}
    pretrain(Pretrain.parse({**asked, "name": "clinical", "method": method}), store)
    for name, layers in layers_of(base, "clinical", states):
        tuned(store, data, base, name, layers)
    return store


@pytest.fixture(scope="module")
def store(folder: Path, data: dict[str, Any], twins: Path) -> Store:
    """Runs of every method and stack on a decoder, and of other forms of answer on an encoder."""
    bert = twin(twins, "bert")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chartune.stages.recalibrating.LEAST", 1)  # the validation split has few rows
        store = filled(Store(folder / "store").open(), data, twin(twins, "llama"), ["frozen"])
    several: dict[str, Any] = {
        "source": {"kind": "tabular", "file": str(table(folder, several=True)), "separator": ";"}
    }
    several["tasks"] = [{"kind": "labels", "answer": "multilabel"}]
    tuned(store, several, bert, "many labels", [{"kind": "fresh"}])
    tuned(store, data, bert, "bf16", [{"kind": "fresh"}], numerics={"precision": "bf16"})
    source = {"kind": "tabular", "file": str(table(folder, several=True)), "separator": None}
    single = {"source": source, "tasks": [{"kind": "labels", "answer": "multiclass"}]}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chartune.stages.regressions.BLOCK", 2)  # the three labels lie in two files
        for name, asked in {"words": data, "words of many": several, "words of one of many": single}.items():
            tfidf(Tfidf.parse({"data": asked, "name": name}), store)
    limit = {"backbone": {"name": str(bert.folder)}, "max_seq_len": 8}
    tfidf(Tfidf.parse({"data": data, "name": "words that a model reads", "length": limit}), store)
    return store


def test_every_run_gives_its_own_test_predictions_again_in_a_fresh_process(store: Store, tmp_path: Path) -> None:
    equal = loaded_again(store, tmp_path)
    assert len(equal) == 3 + len(METHODS) + 8 + 4
    assert [name for name, same in equal.items() if not same] == []


def test_a_run_says_how_much_each_layer_does_to_the_logits(store: Store) -> None:
    def changes(name: str) -> list[float | bool | None]:
        return [change and change > 0 for change in find_run(store, name).about.contributions or ()]

    assert (changes("head only"), changes("full"), changes("merged + full")) == ([], [], [])
    assert (changes("lora"), changes("frozen + prefix"), changes("merged + prefix")) == (
        [True],
        [True] * 2,
        [None, True],
    )
    assert changes("frozen + inactive") == [True, None]


def test_an_inactive_layer_is_named_keeps_nothing_and_changes_no_prediction(store: Store) -> None:
    alone, beside = (find_run(store, name) for name in ("frozen alone", "frozen + inactive"))
    assert beside.predictions("test")["logit"].to_list() == alone.predictions("test")["logit"].to_list()
    assert beside.cost.trainable_parameters == alone.cost.trainable_parameters
    assert (find_run(store, "shuffled").stack_title or "").endswith("shuffled (seed 1)")
    assert (beside.stack_title or "").endswith("+ inactive LoRA r=16")
    assert [folder.name for folder in (beside.path / "adapter").iterdir()] == ["0-frozen"]
    notes = caveats([alone, beside], {}, 0)
    assert (NEVER_ACTIVE in notes, NEVER_ACTIVE in caveats([alone], {}, 0)) == (True, False)
    card = (beside.path / "MODEL_CARD.md").read_text()
    assert "it learns nothing and changes no score" in card
    assert "inactive LoRA r=16 not measured (mean change of the logits" in card


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["gpt2", "mistral", "gpt_neox", "opt"])
def test_so_does_every_stack_of_other_families(
    model_type: str, data: dict[str, Any], twins: Path, tmp_path: Path
) -> None:
    base = twin(twins, model_type)
    made = filled(Store(tmp_path / "store").open(), data, base, ["frozen", "trainable"])
    equal = loaded_again(made, tmp_path)
    assert len(equal) == 1 + len(methods_for(base)) + 13
    assert [name for name, same in equal.items() if not same] == []


def loaded_again(store: Store, place: Path) -> dict[str, bool]:
    """Name of a run → whether its test predictions are the same bits in a fresh process, in memory and from a file.

    In fp32 its probabilities must be the same to 1e-6 in another order and among other texts, too.
    """
    made = subprocess.run(
        [sys.executable, "-c", LOADED, str(store.root), str(place)],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    equal: dict[str, bool] = json.loads(made.stdout.splitlines()[-1])
    return equal


@pytest.mark.parametrize("beyond", [False, True])
def test_a_base_without_padding_of_its_own_is_named_once_and_loaded_again(
    folder: Path, data: dict[str, Any], llama: LocalBackbone, tmp_path: Path, beyond: bool
) -> None:
    base, store = unpadded(Path(shutil.copytree(llama.folder, tmp_path / "base")), beyond), tmp_path / "store"
    words = [folder / "one.csv", "--base", base, "--set", "max_seq_len=24", "--store", store, "--json"]
    learnt = [f"optimisation.{name}={value}" for name, value in (("duration.value", 1), ("batch_size", 64))]
    said = chartune("finetune", *words, "--method", "full", *(word for field in learnt for word in ("--set", field)))
    assert said.code == 0, said.err
    assert said.err.count("no padding token") == 1
    assert "'</s>' fills short rows" in said.err
    run = Run(Path(json.loads(said.out)["folder"]))
    assert run.about.backbone is not None
    assert run.about.backbone.padding == "</s>"
    rows = run.predictions("test")
    texts = pl.read_csv(folder / "one.csv").select(pl.col("subject_id").cast(pl.String), "text")
    texts = rows.select(pl.col("subject_id").cast(pl.String)).join(texts, on="subject_id", maintain_order="left")
    decided = load(run, Store(store)).decided(texts["text"].to_list())
    assert np.allclose(decided, rows["logit"].to_numpy(), atol=1e-5)


def unpadded(base: Path, beyond: bool) -> Path:
    """A base whose tokenizer lacks a padding token, or has one that the embedding does not know."""
    if beyond:
        return added(base, "[PAD]", pad="[PAD]")
    config = json.loads((base / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    return base


def test_what_is_loaded_knows_its_answers_and_gives_probabilities(store: Store) -> None:
    loaded = load(find_run(store, "miss"), store)  # ranks validation rows the right way, and does not separate them
    assert isinstance(loaded, Loaded)
    assert (loaded.labels, loaded.form.kind, loaded.max_seq_len) == (("no", "yes"), "binary", 24)
    texts = ["septic stable", "afebrile afebrile", ""]
    odds, plain = loaded.decided(texts), loaded.probabilities(texts, recalibrated=False)
    assert np.allclose(plain, 1 / (1 + np.exp(-odds)))
    assert loaded.calibration is not None
    mended = loaded.calibration.intercept + loaded.calibration.slope * odds
    usual = loaded.probabilities(texts)
    assert np.allclose(usual, 1 / (1 + np.exp(-mended)))
    assert np.array_equal(usual, loaded.probabilities(texts, recalibrated=True))
    assert np.array_equal(loaded.predict_proba(texts), np.stack([1 - usual, usual], axis=1))
    long, short = " ".join(["septic"] * 40), "afebrile"
    read, whole = loaded.read([long, short]), [len(loaded.tokenizer(text)["input_ids"]) for text in (long, short)]
    assert (read.tokens.tolist(), read.tokens_read.tolist()) == (whole, [24, whole[1]])
    assert read.truncated.tolist() == [True, False]
    assert loaded.lengths([long, short]).tokens.tolist() == whole
    many = load(find_run(store, "many labels"), store)
    assert many.probabilities(texts).shape == (3, 3)
    with pytest.raises(RunError, match="recalibration"):
        many.probabilities(texts, recalibrated=True)


def test_a_head_of_another_width_is_refused(store: Store, tmp_path: Path) -> None:
    loaded = load(find_run(store, "lora"), store)
    assert isinstance(loaded, Loaded)
    other = load_file(find_run(store, "many labels").path / "head.safetensors")
    save_file(other, tmp_path / "head.safetensors")
    with pytest.raises(AdapterError, match=r"a head must be as wide .*\[2, 32\].* of 'linear\.bias' .* holds \[3\]"):
        read_head(loaded.model, tmp_path / "head.safetensors")
    save_file({"linear.weight": other["linear.weight"][:2].contiguous()}, tmp_path / "head.safetensors")
    with pytest.raises(AdapterError, match=r"of 'linear\.bias' .* holds nothing"):
        read_head(loaded.model, tmp_path / "head.safetensors")


def test_tfidf_of_an_older_version_has_its_regressions_beside_its_other_weights(store: Store, tmp_path: Path) -> None:
    done, older = find_run(store, "words"), Store(tmp_path).open()
    folder = older.partial("runs", done.fingerprint)
    shutil.copytree(
        done.path, folder, ignore=shutil.ignore_patterns("manifest.json", "regressions-*"), dirs_exist_ok=True
    )
    weights, part = folder / "tfidf/weights.safetensors", done.path / "tfidf/regressions-000.safetensors"
    save_file(load_file(weights) | load_file(part), weights)
    old = Run(older.publish("runs", done.fingerprint, {"sensitivity": "restricted"}).path)
    texts = ["septic stable", "afebrile afebrile", ""]
    assert np.array_equal(TermWeights.read_from(old).odds(texts), TermWeights.read_from(done).odds(texts))


def test_a_run_without_a_model_or_on_another_base_is_not_loaded(store: Store, twins: Path, bert: LocalBackbone) -> None:
    with pytest.raises(RunError, match="fine-tuned"):
        load(find_run(store, "clinical"), store)
    with pytest.raises(AdapterError, match=r"llama, .*but bert is"):
        load(find_run(store, "lora"), store, Backbone(name=str(bert.folder)))
    with pytest.raises(ConfigError):
        load(find_run(store, "lora"), store, Backbone(name=str(twins / "nowhere")))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("words of many", "tfidf/regressions-001.safetensors"),
        ("ia3", "head.safetensors"),
        ("prefix", "adapter/adapter_model.safetensors"),
        ("full", "model/model.safetensors"),
    ],
)
def test_damaged_weights_are_not_used(store: Store, name: str, file: str) -> None:
    done = find_run(store, name)
    before, tensors = (done.path / file).read_bytes(), load_file(done.path / file)
    try:
        save_file({key: tensor + 1 for key, tensor in tensors.items()}, done.path / file, metadata={"format": "pt"})
        with pytest.raises(StoreError, match=Path(file).name):
            load(done, store)
    finally:
        (done.path / file).write_bytes(before)
