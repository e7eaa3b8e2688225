"""Plans: parameters to the last one, estimates that move the right way, and nothing made."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
import torch

from chartune.adapters.adapter import Adapter, read_adapter, write_adapter
from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import AnyLayer, Fresh, Frozen, Merged, Stack, Trainable, attach
from chartune.batches.tokenize import load_tokenizer
from chartune.disclosure import shown, typical
from chartune.errors import AdapterError, DataError, RunError
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.heads import LinearHead
from chartune.models.load import load_body, new_llama
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier, LanguageModel
from chartune.planning.blueprint import Blueprint, _batch, _copied, _weights, drawn, rehearsals
from chartune.planning.costs import forget
from chartune.planning.depth import like_blocks
from chartune.planning.plan import Plan, plan, planned_facts
from chartune.planning.rates import Rates
from chartune.planning.rehearsal import Rehearsals, Rehearsed, _Alive
from chartune.planning.requirements import COPY, SLACK, free_memory
from chartune.planning.workload import workload_of
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.assembly import Model, assemble, bare_body
from chartune.stages.base import SmallBase
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import Inputs
from chartune.stages.model_stage import HeadSpec
from chartune.stages.pretrain import Pretrain, cutting_of
from chartune.stages.texts import corpus_texts
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare, read_corpus
from chartune.testing.adapted import kept
from chartune.testing.chain import FINETUNE, steps
from chartune.testing.command_line import chartune
from chartune.testing.twins import DECODERS, EXACT, FAMILIES, PAIRED, make_twin, twin
from chartune.train.gradients import HALVES

CLINICAL = LoRA(rank=4, alpha=8, targets="all-linear")
BASE = {"name": "small-llama"}
NARROW = Fresh(method=LoRA(rank=8, alpha=16, targets="attention"))
DOWN = Fresh(method=LoRA(rank=2, targets="attention"))
STACKS: dict[str, tuple[AnyLayer, ...]] = {
    "attention": (Fresh(method=LoRA(rank=3, targets="attention")),),
    "all-linear": (Fresh(method=LoRA(rank=3, targets="all-linear", dropout=0.1)),),
    "full": (Fresh(method=Full()),),
    "head only": (),
    "frozen clinical + LoRA": (Frozen(adapter="x"), DOWN),
    "trainable clinical + LoRA": (Trainable(adapter="x"), DOWN),
    "frozen clinical alone": (Frozen(adapter="x"),),
    "merged clinical + LoRA": (Merged(adapter="x"), DOWN),
}
VIRTUAL = {"prefix": Prefix(tokens=3), "prompt": Prompt(tokens=3), "p-tuning": PTuning(tokens=3, hidden=8)}
DEEP = {"llama": "layers.3.mlp.up_proj", "bert": "encoder.layer.3.intermediate.dense"}
READ = replace(EXACT, reading="fused")
OUTPUTS = 5
BUDGET = 4096


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's rates matter to no test here."""
    monkeypatch.setattr("chartune.planning.rates.TRY_SECONDS", 0.0)


def finetune_of(data: Any, layers: tuple[AnyLayer, ...] = (NARROW,), **fields: Any) -> Finetune:
    stack = [layer.model_dump() for layer in layers]
    return Finetune.parse({"data": data, "backbone": BASE, "stack": {"layers": stack}, "max_seq_len": 24, **fields})


@pytest.fixture(scope="module")
def anywhere() -> dict[str, Any]:
    return {"source": {"kind": "mimic3", "folder": "nowhere"}}


@pytest.fixture(scope="module")
def data(hospital: Path) -> dict[str, Any]:
    return {"source": {"kind": "mimic3", "folder": str(hospital)}}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> Store:
    """A store that holds the prepared data, and nothing else."""
    store = Store(tmp_path_factory.mktemp("plan") / "store").open()
    prepare(Preparation.parse(data), store)
    return store


def clinical(backbone: LocalBackbone, folder: Path) -> Adapter:
    body = load_body(backbone, EXACT).module
    attached = attach(Stack(layers=(Fresh(method=CLINICAL),)), body, [None], 0)
    write_adapter(folder, attached.tensors(0), CLINICAL, backbone, {"run": None, "state": "fresh"})
    return read_adapter(folder)


def real(stage: Finetune, backbone: LocalBackbone, adapters: list[Adapter | None]) -> Classifier:
    """The model as `finetune` puts it together, with weights."""
    body = load_body(backbone, EXACT, trains_all=stage.stack.trains_all())
    attached = attach(stage.stack, body.module, adapters, 0)
    return Classifier(attached.module, LinearHead(body.hidden_size, OUTPUTS, normalise=True), "mean")


def drawn_of(
    stage: Pretrain | Finetune, backbone: LocalBackbone, adapters: list[Adapter | None], outputs: int
) -> Model:
    """The model as a plan puts it together, without memory."""
    inputs = Inputs(backbone, tuple(adapters), EXACT)
    spec = HeadSpec(np.zeros(outputs, dtype=np.float32), "cross-entropy")
    return assemble(stage, inputs, bare_body(stage, inputs, planned=True), spec, planned=True)


def whole(model: Model) -> Blueprint:
    """With all blocks."""
    return Blueprint(model, None, model.parts(), _weights(model, model.parts(), None))


def counts(module: torch.nn.Module) -> tuple[int, int]:
    learning = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return learning, sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("model_type", PAIRED)
def test_the_parameters_of_a_plan_are_those_of_the_model(
    twins: Path, tmp_path: Path, anywhere: dict[str, Any], model_type: str, name: str
) -> None:
    backbone, stage = twin(twins, model_type), finetune_of(anywhere, STACKS[name])
    adapters = [None if isinstance(layer, Fresh) else clinical(backbone, tmp_path) for layer in stage.stack.layers]
    model = drawn_of(stage, backbone, adapters, OUTPUTS)
    planned = model.learning, model.parameters
    assert planned == counts(real(stage, backbone, adapters))
    assert planned == counts(model.reader)


@pytest.mark.parametrize("method", [CLINICAL, Full()], ids=lambda method: method.kind)
@pytest.mark.parametrize("model_type", [name for name in PAIRED if name in DECODERS])
def test_so_are_those_of_a_language_model(
    twins: Path, anywhere: dict[str, Any], model_type: str, method: LoRA | Full
) -> None:
    backbone = twin(twins, model_type)
    stage = Pretrain.parse({"data": anywhere, "backbone": BASE, "method": method.model_dump()})
    body = load_body(backbone, EXACT, language_model=True, trains_all=isinstance(method, Full))
    attached = attach(Stack(layers=(Fresh(method=method),)), body.module, [None], 0)
    assert body.lm_head is not None
    model = drawn_of(stage, backbone, [None], 0)
    planned = model.learning, model.parameters
    assert planned == counts(body.language_model(attached.module))


def test_a_head_of_many_labels_is_rehearsed_with_its_own_loss(twins: Path, anywhere: dict[str, Any]) -> None:
    backbone, stage = twin(twins, "llama"), finetune_of(anywhere)
    spec = HeadSpec(np.zeros(OUTPUTS, dtype=np.float32), "binary-cross-entropy")
    inputs = Inputs(backbone, (None,), EXACT)
    model = assemble(stage, inputs, bare_body(stage, inputs, planned=True), spec, planned=True)
    batches = rehearsals(stage, whole(model), EXACT, BUDGET)
    single = rehearsals(stage, whole(drawn_of(stage, backbone, [None], OUTPUTS)), EXACT, BUDGET)
    assert batches.training is not None
    assert single.training is not None
    assert batches.training.flops == single.training.flops
    assert batches.reading.operations != single.reading.operations


def test_packed_texts_that_a_mask_keeps_apart_are_planned_with_it(twins: Path, anywhere: dict[str, Any]) -> None:
    stage = Pretrain.parse({"data": anywhere, "backbone": BASE, "max_seq_len": 64})
    model = drawn_of(stage, twin(twins, "opt"), [None], 0)
    masked = rehearsals(stage, whole(model), EXACT, BUDGET).reading
    model = drawn_of(stage, twin(twins, "opt"), [None], 0)
    assert isinstance(model.reader, LanguageModel)
    model.reader.language = replace(model.reader.language, apart="positions")
    assert masked.written_bytes > rehearsals(stage, whole(model), EXACT, BUDGET).reading.written_bytes


@pytest.mark.parametrize("name", ["attention", "full", "frozen clinical + LoRA"])
@pytest.mark.parametrize("model_type", PAIRED)
def test_a_rehearsal_counts_the_operations_and_bytes_of_a_real_batch(
    twins: Path, tmp_path: Path, anywhere: dict[str, Any], model_type: str, name: str
) -> None:
    backbone, stage = twin(twins, model_type), finetune_of(anywhere, STACKS[name])
    adapters = [None if isinstance(layer, Fresh) else clinical(backbone, tmp_path) for layer in stage.stack.layers]
    batches = rehearsals(stage, whole(drawn_of(stage, backbone, adapters, OUTPUTS)), EXACT, BUDGET)
    rehearsed = batches.training
    model = real(stage, backbone, adapters)
    run = _batch(model, batches.training_tokens // stage.max_seq_len, stage.max_seq_len, EXACT)
    torch.autograd.backward(run())  # what is set up once
    model.zero_grad()
    with _Alive({id(t.untyped_storage()) for t in (*model.parameters(), *model.buffers())}) as alive:
        torch.autograd.backward(run())
    assert rehearsed is not None
    assert rehearsed.flops == alive.flops
    assert rehearsed.peak_bytes == pytest.approx(alive.peak, rel=0.1)
    assert rehearsed.written_bytes == pytest.approx(alive.written, rel=0.1)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        pytest.param(model_type, name, marks=[pytest.mark.slow] if name in VIRTUAL and at % 2 != other else [])
        for other, model_type in enumerate(("llama", "bert"))
        for at, name in enumerate(["attention", "full", "frozen clinical + LoRA", *VIRTUAL])
    ],
)
def test_of_many_like_blocks_two_tell_what_all_have_and_cost(
    tmp_path: Path, anywhere: dict[str, Any], model_type: str, name: str
) -> None:
    folder = make_twin(model_type, tmp_path / "deep", blocks=4)
    backbone = inspect(folder, name="deep", licence="none", exposure="none")
    stage = finetune_of(anywhere, STACKS.get(name) or (Fresh(method=VIRTUAL[name]),))
    adapters = tuple(None if isinstance(layer, Fresh) else clinical(backbone, tmp_path) for layer in stage.stack.layers)
    spec = HeadSpec(np.zeros(OUTPUTS, dtype=np.float32), "cross-entropy")
    with drawn(stage, Inputs(backbone, adapters, EXACT), spec) as shallow:
        few = rehearsals(stage, shallow, READ, BUDGET)
        assert shallow.missing is not None
        assert shallow.missing.count == 2
    every = whole(drawn_of(stage, backbone, list(adapters), OUTPUTS))
    assert (shallow.parts, shallow.weights) == (every.parts, every.weights)
    full = rehearsals(stage, every, READ, BUDGET)
    assert few.training is not None
    assert few == full


def test_a_rehearsal_reads_as_the_numerics_say_and_counts_weights_that_are_held_twice(
    twins: Path, anywhere: dict[str, Any]
) -> None:
    def drawn_anew(name: str) -> tuple[Finetune, Blueprint]:
        stage = finetune_of(anywhere, STACKS[name])
        return stage, whole(drawn_of(stage, twin(twins, "bert"), [None] * len(stage.stack.layers), OUTPUTS))

    def read(name: str, numerics: Resolved) -> Rehearsed:
        stage, blueprint = drawn_anew(name)
        both = rehearsals(stage, blueprint, numerics, BUDGET)
        copied = _copied(blueprint, numerics)
        return replace(both.reading, peak_bytes=both.reading.peak_bytes - copied)

    merged = replace(EXACT, reading="merged")
    matrix, blocks = 4 * (32 * 32 + 32), 2
    assert _copied(drawn_anew("attention")[1], merged) == blocks * 2 * matrix  # query and value
    assert _copied(drawn_anew("attention")[1], READ) == blocks * 5 * matrix
    few, many = read("head only", EXACT), read("attention", EXACT)
    assert few.flops < many.flops
    assert read("attention", merged).operations == few.operations
    assert read("attention", merged).flops == few.flops
    fused = read("attention", READ)
    assert fused.flops == few.flops
    assert fused.operations < few.operations
    assert fused.written_bytes < few.written_bytes


def test_fused_attention_has_the_operations_of_its_products(twins: Path, anywhere: dict[str, Any]) -> None:
    stage = finetune_of(anywhere, STACKS["full"])

    def both(attention: Literal["eager", "sdpa"]) -> tuple[int, int]:
        inputs = Inputs(twin(twins, "llama"), (None,), replace(EXACT, attention=attention))
        spec = HeadSpec(np.zeros(OUTPUTS, dtype=np.float32), "cross-entropy")
        model = assemble(stage, inputs, bare_body(stage, inputs, planned=True), spec, planned=True)
        batches = rehearsals(stage, whole(model), inputs.resolved, BUDGET)
        assert batches.training is not None
        return batches.reading.flops, batches.training.flops

    eager, fused = both("eager"), both("sdpa")
    assert fused[0] == eager[0]
    assert eager[1] <= fused[1] < 1.1 * eager[1]  # on the way back the scores are computed again


@pytest.mark.parametrize("model_type", DEEP)
def test_a_layer_in_one_block_alone_is_planned_with_all_blocks(
    tmp_path: Path, anywhere: dict[str, Any], model_type: str
) -> None:
    folder = make_twin(model_type, tmp_path / "deep", blocks=6)
    backbone = inspect(folder, name="deep", licence="none", exposure="none")
    stage = finetune_of(anywhere, (Fresh(method=LoRA(rank=3, targets=(DEEP[model_type],))),))
    spec = HeadSpec(np.zeros(OUTPUTS, dtype=np.float32), "cross-entropy")
    with drawn(stage, Inputs(backbone, (None,), EXACT), spec) as all_of_it:
        assert all_of_it.missing is None
        assert all_of_it.parts[1].parameters == 3 * (32 + 64)


def test_blocks_share_tensors_if_every_one_has_the_same(twins: Path, anywhere: dict[str, Any]) -> None:
    blocks = like_blocks(drawn_of(finetune_of(anywhere), twin(twins, "llama"), [None], 2).reader)
    assert blocks is not None
    up, down, prompt = (4, 2), (2, 4), {"body.prompt": (3, 2)}
    assert blocks.share({"body.layers.0.up": up, "body.layers.1.up": up, **prompt})
    assert blocks.share(prompt)
    assert not blocks.share({"body.layers.0.up": up, "body.layers.1.down": up})
    assert not blocks.share({"body.layers.0.up": up, "body.layers.1.up": down})
    assert not blocks.share({"body.layers.1.up": up})


def test_blocks_that_differ_in_a_setting_or_a_shape_are_not_alike(twins: Path, anywhere: dict[str, Any]) -> None:
    def reader() -> torch.nn.Module:
        return drawn_of(finetune_of(anywhere), twin(twins, "llama"), [None], 2).reader

    assert like_blocks(reader()) is not None
    windowed = reader()
    windowed.get_submodule("body.layers.1.self_attn").sliding_window = 8  # type: ignore[assignment]
    assert like_blocks(windowed) is None
    wider = reader()
    wider.get_submodule("body.layers.1.mlp.up_proj").weight = torch.nn.Parameter(torch.empty(65, 32, device="meta"))
    assert like_blocks(wider) is None
    assert like_blocks(drawn_of(finetune_of(anywhere), twin(twins, "modernbert"), [None], 2).reader) is None


@pytest.mark.parametrize(
    "model_type", [name if name == "longformer" else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_every_family_can_be_rehearsed(twins: Path, anywhere: dict[str, Any], model_type: str) -> None:
    stage = finetune_of(anywhere, STACKS["full"])
    batches = rehearsals(stage, whole(drawn_of(stage, twin(twins, model_type), [None], 2)), EXACT, BUDGET)
    assert batches.training is not None
    assert batches.training.flops > batches.reading.flops * batches.training_tokens / batches.reading_tokens > 0


def test_the_flops_of_a_decoder_are_those_of_the_usual_formula(anywhere: dict[str, Any], tmp_path: Path) -> None:
    make_twin("llama", tmp_path / "wide", hidden_size=128)
    backbone = inspect(tmp_path / "wide", name="wide", licence="none", exposure="none")
    stage = finetune_of(anywhere, STACKS["full"])
    batches = rehearsals(stage, whole(drawn_of(stage, backbone, [None], 2)), EXACT, BUDGET)
    body = load_body(backbone, EXACT).module
    matrices = sum(m.weight.numel() for m in body.modules() if isinstance(m, torch.nn.Linear))
    assert batches.training is not None
    assert batches.reading.flops / batches.reading_tokens == pytest.approx(
        2 * matrices, rel=0.1
    )  # attention adds a little
    assert batches.training.flops / batches.training_tokens == pytest.approx(6 * matrices, rel=0.1)


def planned(stage: Pretrain | Finetune, store: Store, backbone: LocalBackbone | Path) -> Plan:
    folder = backbone.folder if isinstance(backbone, LocalBackbone) else backbone
    return plan(stage.model_copy(update={"backbone": stage.backbone.model_copy(update={"name": str(folder)})}), store)


def test_a_plan_of_prepared_data_knows_steps_tokens_and_time(
    filled: Store, data: dict[str, Any], llama: LocalBackbone
) -> None:
    once = planned(finetune_of(data, optimisation={"duration": {"value": 1}}), filled, llama)
    thrice = planned(finetune_of(data, optimisation={"duration": {"value": 3}}), filled, llama)
    assert once.workload.steps == -(-(once.workload.examples or 0) // 16)
    assert thrice.workload.steps == 3 * (once.workload.steps or 0)
    assert thrice.workload.tokens == pytest.approx(3 * (once.workload.tokens or 0), abs=2)
    assert 0 < (once.workload.tokens or 0) <= 24 * (once.workload.examples or 0)
    assert once.seconds is not None
    assert thrice.seconds is not None
    assert 0 < once.seconds < thrice.seconds < 3600
    assert once.fits
    assert once.ways_out == ()
    once.must_fit()


def test_more_is_needed_for_more(filled: Store, data: dict[str, Any], llama: LocalBackbone, tmp_path: Path) -> None:
    wide = make_twin("llama", tmp_path / "wide", hidden_size=256)
    stage = finetune_of(data, STACKS["attention"])
    small, large = planned(stage, filled, llama), planned(stage, filled, wide)
    full = planned(finetune_of(data, STACKS["full"]), filled, wide)
    long = planned(finetune_of(data, STACKS["attention"], max_seq_len=96), filled, wide)
    assert small.memory.weights < large.memory.weights
    assert small.memory.batch < large.memory.batch < long.memory.batch
    assert large.memory.optimizer < full.memory.optimizer
    assert large.disk.kept < full.disk.kept
    assert full.disk.kept == 4 * full.total_parameters
    for made in (small, large, full, long):
        assert min(made.memory.to_json().values()) >= 0
        assert made.memory.peak > made.memory.weights > 0


def test_weights_are_read_in_fp32_where_an_adapter_is_merged_and_what_cannot_be_is_refused(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, tmp_path: Path
) -> None:
    below = clinical(llama, tmp_path / "lora")
    half = {"numerics": {"precision": "bf16"}}
    merged = finetune_of(data, (Merged(adapter=str(below.folder)), DOWN), **half)
    made, alone = planned(merged, filled, llama), planned(finetune_of(data, (DOWN,), **half), filled, llama)
    assert [(part.parameters, part.trainable) for part in made.parts if "merged" in part.name] == [(0, 0)]
    assert (made.total_parameters, made.memory.weights) == (alone.total_parameters, alone.memory.weights)
    inputs = Inputs(llama, (below, None), replace(EXACT, precision="bf16"))
    spec = HeadSpec(np.zeros(OUTPUTS, dtype=np.float32), "cross-entropy")
    with drawn(merged, inputs, spec) as drawing:
        resident = drawing.weights.resident_bytes
        assert drawing.weights.widened_bytes == 4 * sum(part.parameters for part in drawing.parts) - resident > 0
    kept(tmp_path / "prefix", llama, Prefix(tokens=2))
    with pytest.raises(AdapterError, match=r"merged must be a change .* prefix n=2 is none.*`kind: frozen`"):
        planned(finetune_of(data, (Merged(adapter=str(tmp_path / "prefix")),)), filled, llama)


def test_where_only_the_head_learns_every_text_is_read_once(
    filled: Store, data: dict[str, Any], llama: LocalBackbone
) -> None:
    made = planned(finetune_of(data, ()), filled, llama)
    assert made.workload.tokens == 0
    assert (made.workload.read_tokens or 0) > (made.workload.epoch_tokens or 0) > 0
    assert [part.name for part in made.parts] == ["base", "head"]


def test_the_head_of_a_multilabel_task_has_an_output_for_each_label(
    filled: Store, data: dict[str, Any], llama: LocalBackbone
) -> None:
    made = planned(finetune_of(data, task="diagnoses"), filled, llama)
    assert (made.workload.outputs or 0) > 2
    assert made.parts[-1].parameters == 33 * (made.workload.outputs or 0)
    with pytest.raises(DataError, match="must be among those prepared"):
        planned(finetune_of(data, task="weather"), filled, llama)


def test_a_plan_of_pretraining_counts_blocks(filled: Store, data: dict[str, Any], llama: LocalBackbone) -> None:
    stage = Pretrain.parse(
        {
            "data": data,
            "backbone": BASE,
            "max_seq_len": 64,
            "held_out_blocks": 8,
            "validation_blocks": 4,
            "train_blocks": 3,
        }
    )
    made = planned(stage, filled, llama)
    assert (made.workload.epoch_tokens or 0) == 64 * (made.workload.examples or 0) > 0
    looks, rest = divmod((made.workload.read_tokens or 0) // 64 - (2 * 8 + 8 + 3), 4)
    assert (looks in (4, 5), rest) == (True, 0)  # four looks in an epoch, and a last one where they end before it
    assert made.seconds is not None


def test_compiled_blocks_are_planned_as_such_and_said(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.models.compiled.compiler", lambda: "/usr/bin/c++")
    monkeypatch.setattr("chartune.planning.plan.measured_rates", lambda *_: Rates(1e9, 1e9, 1e9))

    def made(choice: str) -> Plan:
        asked = {"compile": choice, "attention": "eager"}
        return planned(Pretrain.parse({"data": data, "backbone": BASE, "max_seq_len": 16, "numerics": asked}),
                       filled, llama)  # fmt: skip

    plain, quick = made("off"), made("on")
    assert (quick.seconds or 0) < (plain.seconds or 0)
    assert not any("compiled" in note for note in plain.notes)
    (note,) = [note for note in quick.notes if "compiled" in note]
    assert "30 s more" in note
    assert note in quick.as_text()


def test_halves_of_a_micro_batch_are_planned_where_two_threads_will_train_them(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("chartune.planning.blueprint.reading_budget", lambda *_: 64)  # training takes more
    monkeypatch.setattr("chartune.planning.plan.measured_rates", lambda *_: Rates(1e9, 1e9, 1e9))

    def made(dropout: float, choice: str) -> Plan:
        method = {"kind": "lora", "targets": "all-linear", "dropout": dropout}
        asked = {"data": data, "backbone": BASE, "max_seq_len": 64, "method": method}
        asked["optimisation"] = {"batch_size": 32}
        return planned(Pretrain.parse({**asked, "numerics": {"data_parallel": choice}}), filled, llama)

    halved, whole, dropped = made(0.0, "auto"), made(0.0, "off"), made(0.1, "auto")
    assert (halved.resolved.data_parallel, whole.resolved.data_parallel) == (True, False)
    assert dropped.resolved.data_parallel is False
    gradients = SLACK[halved.resolved.precision] * HALVES * COPY * halved.trainable_parameters
    assert halved.memory.batch - whole.memory.batch == pytest.approx(gradients, abs=1)


def test_time_is_that_of_texts_as_long_as_they_are_and_memory_that_of_the_longest(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int | None] = []

    def followed(*given: Any) -> Rehearsals:
        lengths.append(given[4] if len(given) > 4 else None)
        return rehearsals(*given)

    monkeypatch.setattr("chartune.planning.costs.rehearsals", followed)
    forget()
    made = planned(finetune_of(data), filled, llama)
    assert made.workload.row == 24  # every text is cut
    shorter = replace(made.workload, epoch_tokens=10 * (made.workload.examples or 0))
    monkeypatch.setattr("chartune.planning.plan.workload_of", lambda *_: shorter)
    again = planned(finetune_of(data), filled, llama)
    assert again.memory.batch == made.memory.batch
    several = replace(made.workload, epoch_tokens=60 * (made.workload.examples or 0))  # rows of a text
    monkeypatch.setattr("chartune.planning.plan.workload_of", lambda *_: several)
    planned(finetune_of(data), filled, llama)
    assert lengths == [None, None, 10]  # the third is as the first was
    assert replace(shorter, examples=0).row is None


def test_as_published_each_note_makes_one_block(filled: Store, data: dict[str, Any], llama: LocalBackbone) -> None:
    stage = Pretrain.parse({"data": data, "backbone": BASE, "max_seq_len": 16, "notes": "first-tokens"})
    made = prepare(stage.data, filled)
    notes = read_corpus(made).filter(pl.col("split") == "train").sort("note_id")["text"].to_list()
    blocks = corpus_texts(made, cutting_of(stage, llama), filled)["train"].blocks
    assert planned(stage, filled, llama).workload.examples == len(blocks) == len(notes)
    tokenizer = load_tokenizer(llama)
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    first = [[*start, *tokenizer(text, add_special_tokens=False)["input_ids"]][:16] for text in notes]
    assert [ids[: len(told)] for ids, told in zip(blocks.ids.tolist(), first, strict=True)] == first


def test_without_prepared_data_parameters_are_told_and_the_rest_is_unknown(
    store: Store, anywhere: dict[str, Any], llama: LocalBackbone
) -> None:
    made = planned(finetune_of(anywhere), store, llama)
    assert made.trainable_parameters > 0
    assert (made.workload.steps, made.workload.tokens, made.seconds) == (None, None, None)
    assert any("chartune prepare" in note for note in made.notes)
    assert "exact" in made.as_text()
    unknown = planned(finetune_of(anywhere, task="diagnoses_icd9"), store, llama)
    assert any("how many labels" in note for note in unknown.notes)
    assert "exact for a head of two labels" in unknown.as_text()


@pytest.mark.parametrize(
    ("task", "outputs"),
    [({"kind": "mortality"}, 2), ({"kind": "late-mortality"}, 2), ({"kind": "length-of-stay"}, 4),
     ({"kind": "length-of-stay", "deaths": "class"}, 5), ({"kind": "triage"}, 7), ({"kind": "diagnoses"}, None),
     ({"kind": "labels"}, None), ({"kind": "labels", "answer": "binary"}, 2)],
)  # fmt: skip
def test_a_task_tells_how_many_answers_it_has_before_its_data_are_there(
    store: Store, anywhere: dict[str, Any], task: dict[str, Any], outputs: int | None
) -> None:
    assert workload_of(finetune_of({**anywhere, "tasks": [task]}), None, store, BUDGET).outputs == outputs


def test_what_a_plan_does_not_know_is_not_known_and_never_zero(
    filled: Store, data: dict[str, Any], llama: LocalBackbone
) -> None:
    made = planned(finetune_of(data), filled, llama)
    examples = made.workload.examples
    assert examples is not None
    assert f"training examples {examples:,}," in made.as_text()
    assert f"training examples {shown(examples, exact=False)}," in made.as_text(exact=False)
    assert made.to_json(exact=False)["workload"]["examples"] == shown(examples, exact=False)
    unknown: dict[str, Any] = dict.fromkeys(("examples", "epoch_tokens", "steps", "tokens", "read_tokens"))
    text = replace(made, workload=replace(made.workload, **unknown), seconds=None).as_text()
    lines = text[text.index("  data ") : text.index("  memory ")]
    assert lines.count("not known") == len(unknown)
    assert re.search(r" 0(?![0-9a-f])", lines) is None  # the name of the data may begin with it
    assert "time        not known" in text
    idle = replace(made, workload=replace(made.workload, tokens=0)).as_text()
    assert "tokens trained on 0, " in idle  # that is known


@pytest.mark.parametrize("exact", [False, True])
def test_steps_and_tokens_of_real_patients_are_those_of_the_class_of_their_texts(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    stage = finetune_of(data, optimisation={"batch_size": 1, "duration": {"value": 1}})
    texts = planned(stage, filled, llama).workload.examples or 0
    monkeypatch.setattr("chartune.planning.workload.is_made_up", lambda source: False)
    counted = workload_of(stage, llama, filled, BUDGET, exact)
    assert counted.examples == counted.steps == counted.micro_batches == typical(texts, exact)
    assert typical(texts, exact=False) != texts
    assert exact or (counted.epoch_tokens or 0) % typical(texts, exact=False) == 0
    whole = workload_of(stage, llama, filled, BUDGET, exact=True).text_bytes
    assert (counted.text_bytes == whole) == exact
    assert exact or counted.text_bytes % 10 == 0  # twice multiples of the middles of classes
    notes = Pretrain.parse({"data": data, "backbone": BASE, "max_seq_len": 16, "notes": "first-tokens"})
    documents = workload_of(notes, llama, filled, BUDGET, exact=True).examples or 0
    assert workload_of(notes, llama, filled, BUDGET, exact).examples == typical(documents, exact)


def test_a_plan_makes_nothing_and_leaves_the_dice_alone(store: Store, anywhere: dict[str, Any]) -> None:
    before = sorted(store.root.rglob("*"))
    torch.manual_seed(3)
    made = plan(finetune_of(anywhere, STACKS["all-linear"]), store)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert sorted(store.root.rglob("*")) == before
    assert any("not made yet" in note for note in made.notes)
    body = new_llama(SmallBase().shape(2, 0, 1), EXACT, 0).module
    assert made.parts[0].parameters == sum(p.numel() for p in body.parameters())


def test_an_encoder_without_its_head_cannot_be_planned_as_a_language_model(
    store: Store, anywhere: dict[str, Any], bert: LocalBackbone
) -> None:
    with pytest.raises(AdapterError, match="lacks 6 of its weights"):
        planned(Pretrain.parse({"data": anywhere, "backbone": BASE}), store, bert)


def test_what_does_not_fit_is_refused_with_the_largest_micro_batch_that_would(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.planning.plan.held_memory", lambda: 10**9)
    many = {"batch_size": 1000, "micro_batch_tokens": 24000}
    stage = finetune_of(data, optimisation=many)
    roomy = planned(stage, filled, llama).memory
    short = roomy.peak - roomy.batch // 8
    monkeypatch.setattr("chartune.planning.requirements.free_memory", lambda device: short)
    made = planned(stage, filled, llama)
    assert not made.fits
    with pytest.raises(RunError, match="LoRA r=8 on llama") as told:
        made.must_fit()
    (way,) = [way for way in made.ways_out if "micro_batch_tokens" in way]
    assert way in str(told.value)
    smaller = finetune_of(data, optimisation={**many, "micro_batch_tokens": int(way.partition("tokens=")[2])})
    mended = planned(smaller, filled, llama)
    assert mended.memory.batch > 0.75 * made.memory.batch
    mended.must_fit()


def short_of_memory(stage: Finetune, store: Store, base: LocalBackbone, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan where everything fits; from then on an eighth of its batch does not."""
    monkeypatch.setattr("chartune.planning.plan.held_memory", lambda: 10**9)
    roomy = planned(stage, store, base)
    short = roomy.memory.peak - roomy.memory.batch // 8
    monkeypatch.setattr("chartune.planning.requirements.free_memory", lambda device: short)
    return roomy


def test_a_micro_batch_by_rule_is_as_large_as_memory_allows(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = finetune_of(data, optimisation={"batch_size": 1000})
    roomy = short_of_memory(stage, filled, llama, monkeypatch)
    made = planned(stage, filled, llama)
    assert roomy.micro_batch_tokens is None
    assert not roomy.micro_batch_note
    assert made.micro_batch_tokens is not None
    assert made.micro_batch_tokens % stage.max_seq_len == 0
    assert 0.75 * 1008 < made.micro_batch_tokens < 1008
    assert 0.75 < made.memory.batch / roomy.memory.batch < 0.875
    assert made.fits
    assert made.ways_out == ()
    assert f"micro-batches of {made.micro_batch_tokens:,} tokens" in made.as_text()
    assert planned_facts(made)["micro_batch_tokens"] == made.to_json()["micro_batch_tokens"] == made.micro_batch_tokens


def test_a_run_takes_the_micro_batch_that_memory_allows_and_says_so(
    filled: Store, data: dict[str, Any], llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    moved = {"batch_size": 60, "duration": {"value": 1, "unit": "steps"}}
    stage = finetune_of(data, optimisation=moved, backbone={"name": str(llama.folder)})
    short_of_memory(stage, filled, llama, monkeypatch)
    done = run(stage, filled)
    tokens = json.loads((done.path / "run.json").read_text())["micro_batch_tokens"]
    assert 0 < tokens < 1008
    assert done.planned["micro_batch_tokens"] == tokens
    assert f"micro-batches of {tokens:,} tokens" in capsys.readouterr().err


def test_a_full_disk_is_told_apart(filled: Store, data: dict[str, Any], llama: LocalBackbone) -> None:
    made = planned(finetune_of(data), filled, llama)
    crowded = replace(made, disk=replace(made.disk, free=1000), ways_out=("free some disk",))
    with pytest.raises(RunError, match="free some disk"):
        crowded.must_fit()


def test_free_memory_is_some_and_a_container_may_bound_it() -> None:
    assert 2**20 < free_memory("cpu") < 2**50


def test_a_finished_run_had_the_parameters_of_its_plan(filled: Store, hospital: Path, llama: LocalBackbone) -> None:
    words = ["finetune", hospital, "--base", llama.folder, *steps(2, *FINETUNE), "--store", filled.root, "--json"]
    told = json.loads(chartune("plan", *words).out)
    run = Run(Path(json.loads(chartune(*words).out)["folder"]))
    assert told["trainable_parameters"] == run.cost.trainable_parameters
    assert told["total_parameters"] == run.cost.total_parameters
    assert told["workload"]["steps"] == 2
    assert 0.5 < told["memory"]["peak"] / (run.cost.peak_bytes or 1) < 2


def test_the_command_line_tells_a_plan_refuses_with_5_and_wants_nothing_foreign(
    filled: Store, hospital: Path, llama: LocalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--base", llama.folder, "--store", filled.root, "--set", "max_seq_len=24"]
    said = chartune("plan", "pretrain", hospital, *words)
    assert said.code == 0
    assert "pretrain: LoRA r=16 on llama" in said.out
    for verb, flag in (("pretrain", "--method=head-only"), ("finetune", "--method=tfidf")):
        refused = chartune("plan", verb, hospital, flag, *words)
        assert (refused.code, refused.out) == (2, "")
    monkeypatch.setattr("chartune.planning.requirements.free_memory", lambda device: 1000)
    refused = chartune("plan", "finetune", hospital, *words, "--json")
    assert refused.code == 5
    assert json.loads(refused.out)["fits"] is False
    assert "a smaller base model" in refused.err


def test_what_a_run_keeps_of_its_plan(filled: Store, data: dict[str, Any], llama: LocalBackbone) -> None:
    made = planned(finetune_of(data), filled, llama)
    facts = planned_facts(made)
    assert facts == {
        "seconds": made.seconds, "peak_bytes": made.memory.peak, "trainable_parameters": made.trainable_parameters,
    }  # fmt: skip
    assert json.loads(json.dumps(made.to_json()))["parts"][-1]["name"] == "head"
