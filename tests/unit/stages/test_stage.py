"""A stage: its YAML says all of it, its fingerprint says what determines the answer and nothing else."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from chartune.adapters.full import Full
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Frozen, Stack, Trainable
from chartune.errors import ChartuneError, Diverged, RunError, StoreError
from chartune.log import Event, console_sink
from chartune.models.backbone import Backbone
from chartune.models.heads import Head
from chartune.models.numerics import Numerics
from chartune.quantities import Duration
from chartune.report.followed import Released
from chartune.runs import Run, find_run
from chartune.runs.begun import begun
from chartune.sources.mimic3 import Mimic3
from chartune.sources.splits import HashSplit, ImportedSplit
from chartune.stages.catalog import stages
from chartune.stages.finetune import Finetune
from chartune.stages.identity import minor_versions
from chartune.stages.perplexity import unigram_nats
from chartune.stages.pretrain import Pretrain
from chartune.stages.stage import Outcome, Stage, Work, perform
from chartune.stages.tfidf import Tfidf
from chartune.store import Artefact, Store, write_json
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune
from chartune.testing.plain import typed
from chartune.train.checkpoint import State
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.trackers import Trackers

RAW = Preparation(source=Mimic3(folder=Path("raw")))
LISTED = Preparation(source=Mimic3(folder=Path("raw")), splits=ImportedSplit(folder=Path("lists")), corpus=None)
STEPS = Optimisation(learning_rate=1e-5, duration=Duration.steps(7), schedule="constant", micro_batch_tokens=99)
TOY = Backbone(name="small-llama")
STAGES = [
    Pretrain(data=RAW, backbone=TOY),
    Pretrain(
        name="a name: with a colon", data=LISTED, backbone=TOY, seed=4, method=Full(), optimisation=STEPS,
        held_out_blocks=3,
    ),
    Finetune(data=RAW, backbone=TOY),
    Finetune(
        data=LISTED, backbone=TOY, stack=Stack(layers=(Fresh(method=Full()),)), numerics=Numerics(precision="bf16")
    ),
    Finetune(
        data=RAW, backbone=Backbone(name="minilm"), balance="classes", head=Head(pooling="first"), max_seq_len=64,
        stack=Stack(layers=(Frozen(adapter="01"), Trainable(adapter="23"), Fresh(method=LoRA(rank=2, dropout=0.5)))),
        stopping=Stopping(patience=9),
    ),
    Tfidf(data=RAW),
    Tfidf(data=LISTED, longest_ngram=1, strengths=(0.5,), seed=2),
]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)
def test_a_stage_is_read_back_from_its_yaml_as_it_was_written(stage: Stage, tmp_path: Path) -> None:
    stage.write(tmp_path / "stage.yaml")
    kind = type(stage)
    again = kind.read(tmp_path / "stage.yaml")
    assert again == stage
    assert again.hashable() == stage.hashable()
    assert stages[stage.model_dump()["kind"]] is kind


def nothing_prepared(data: str, store: Store) -> Artefact:
    """A stand-in for prepared data, as far as a card asks for them."""
    plain = typed({}).to_json()
    return store.obtain("data", data, lambda folder: write_json(folder / "dataset.json", plain), {})


def fingerprint(stage: Stage, store: Store, data: str = "d0") -> str:
    """What a run of this stage is called."""
    done = perform(
        stage, store, nothing_prepared(data, store), kind=str(stage.model_dump()["kind"]), revision=1, name="x",
        parts={"backbone": "b0"}, facts={}, resolved=None, work=lambda work: Outcome({}),
    )  # fmt: skip
    return done.fingerprint


LORA = Finetune(data=RAW, backbone=TOY, stack=Stack(layers=(Fresh(method=LoRA(rank=4)),)))
STACKED = Finetune(data=RAW, backbone=TOY, stack=Stack(layers=(Frozen(adapter="runs/one"), Fresh())))


@pytest.mark.parametrize(
    ("stage", "other"),
    [
        (LORA, LORA.model_copy(update={"name": "another name"})),
        (LORA, LORA.model_copy(update={"data": Preparation(source=Mimic3(folder=Path("elsewhere/raw")))})),
        (LORA, LORA.model_copy(update={"optimisation": Optimisation(micro_batch_tokens=64)})),
        (LORA, LORA.model_copy(update={"backbone": Backbone(name="elsewhere/base")})),
        (STACKED, STACKED.model_copy(update={"stack": Stack(layers=(Frozen(adapter="elsewhere/one"), Fresh()))})),
    ],
    ids=["name", "path of the data", "micro-batch", "path of the base", "path of the adapter"],
)
def test_what_does_not_change_the_answer_does_not_change_the_name(stage: Stage, other: Stage, tmp_path: Path) -> None:
    assert stage != other
    stores = [Store(tmp_path / name).open() for name in ("one", "two")]
    assert fingerprint(stage, stores[0]) == fingerprint(other, stores[0]) == fingerprint(other, stores[1])


@pytest.mark.parametrize(
    "other",
    [
        LORA.model_copy(update={"seed": 1}),
        LORA.model_copy(update={"stack": Stack(layers=(Fresh(method=LoRA(rank=5)),))}),
        LORA.model_copy(update={"stack": Stack()}),
        LORA.model_copy(update={"max_seq_len": 255}),
        LORA.model_copy(update={"optimisation": Optimisation(learning_rate=4e-4)}),
        LORA.model_copy(update={"optimisation": Optimisation(duration=Duration.steps(3))}),
        LORA.model_copy(update={"stopping": Stopping(patience=4)}),
        LORA.model_copy(update={"balance": "classes"}),
        STACKED,
    ],
    ids=["seed", "rank", "layers", "length", "rate", "unit", "patience", "balance", "stack"],
)
def test_what_changes_the_answer_changes_the_name(other: Stage, store: Store) -> None:
    assert fingerprint(LORA, store) != fingerprint(other, store)


def test_other_data_change_the_name(store: Store) -> None:
    assert fingerprint(LORA, store, "d0") != fingerprint(LORA, store, "d1")


@pytest.mark.parametrize("package", ["torch", "peft", "transformers", "scikit-learn"])
def test_another_minor_version_changes_the_name_and_another_patch_does_not(
    package: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(number: str) -> str:
        monkeypatch.setattr("chartune.stages.identity.version", lambda name: number if name == package else "1.2.3")
        monkeypatch.setattr("chartune.stages.identity.minor_versions", minor_versions.__wrapped__)  # as a new process
        return fingerprint(LORA, store)

    assert installed("1.2.3") == installed("1.2.9") != installed("1.3.3")


@pytest.mark.parametrize(
    "change", [lambda: Preparation(source=RAW.source, splits=HashSplit(salt="other")), lambda: LISTED]
)
def test_another_split_is_other_data(change: Callable[[], Preparation]) -> None:
    assert change().hashable() != RAW.hashable()


def test_a_stage_that_broke_is_no_run_and_the_next_attempt_makes_one(store: Store) -> None:
    def work(_: object) -> Outcome:
        raise KeyboardInterrupt

    def attempt(do: Callable[[object], Outcome]) -> str:
        return perform(
            LORA, store, nothing_prepared("d0", store), kind="finetune", revision=1, name="x", parts={}, facts={},
            resolved=None, work=do,
        ).fingerprint  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        attempt(work)
    assert store.artefacts("runs") == []
    assert [path.suffix for path in (store.root / "runs").iterdir()] == [".partial"]  # and no lease
    name = attempt(lambda _: Outcome({}))
    assert attempt(work) == name  # found, not done again


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
     RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")],
)  # fmt: skip
def test_memory_that_runs_out_where_no_smaller_batch_helps_is_said_and_leaves_the_checkpoints(
    store: Store, error: Exception
) -> None:
    def work(place: Work, learnt: bool) -> Outcome:
        if learnt:
            (place.checkpoints / "step-00000001").mkdir(parents=True)
        raise error

    for learnt in (False, True):
        with pytest.raises(RunError, match=r"must fit into memory, .* smaller base model .* resumes") as caught:
            perform(
                LORA, store, nothing_prepared("d0", store), kind="finetune", revision=1, name="x", parts={}, facts={},
                resolved=None, work=partial(work, learnt=learnt),
            )  # fmt: skip
        assert caught.value.__cause__ is None
        assert len(list(store.root.glob("runs/*.partial/checkpoints/*"))) == learnt


@pytest.mark.parametrize(
    ("error", "shown"),
    [(Diverged("at step 1717"), "diverged: its command diverges again, choose others"),
     (StoreError("at step 1717"), "failed (StoreError): see its message, then resume")],
)  # fmt: skip
def test_a_run_that_has_failed_is_listed_as_such_until_it_is_tried_again(
    store: Store, error: ChartuneError, shown: str
) -> None:
    def work(place: Work, failure: BaseException | None) -> Outcome:
        (place.checkpoints / "step-00000001").mkdir(parents=True, exist_ok=True)
        if failure:
            raise failure
        return Outcome({})

    def attempt(failure: BaseException | None) -> Run:
        return perform(
            LORA, store, nothing_prepared("d0", store), kind="finetune", revision=1, name="x", parts={}, facts={},
            resolved=None, work=partial(work, failure=failure),
        )  # fmt: skip

    with pytest.raises(type(error)):
        attempt(error)
    listed = chartune("ls", "--store", store.root)
    assert shown in listed.out
    assert "1717" not in listed.out
    (name,) = json.loads(chartune("ls", "--store", store.root, "--json").out)["failed"]
    assert (begun(store, name).state, begun(store, name).failure) == ("failed", type(error).__name__)
    with store.lease("runs", name):
        assert begun(store, name).state == "running"
    with pytest.raises(KeyboardInterrupt):
        attempt(KeyboardInterrupt())
    assert (begun(store, name).state, "unfinished:" in chartune("ls", "--store", store.root).out) == (
        "interrupted", True,
    )  # fmt: skip
    with pytest.raises(type(error)):
        attempt(error)
    assert not list(attempt(None).path.rglob("failed*"))


def test_another_error_of_a_library_passes_as_it_is(store: Store) -> None:
    def work(_: object) -> Outcome:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        perform(
            LORA, store, nothing_prepared("d0", store), kind="finetune", revision=1, name="x", parts={}, facts={},
            resolved=None, work=work,
        )  # fmt: skip


@pytest.mark.parametrize(("kind", "shown"), [("mimic3", ""), ("made-up", "  step 3: validation auroc 0.9\n")])
def test_of_real_patients_nothing_is_shown_before_the_stage_has_ended(
    kind: str, shown: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_: object) -> Outcome:
        console_sink(Event(3, "auroc", 0.9, "validation"))
        return Outcome({})

    plain = typed({"source": {"kind": kind}}).to_json()
    data = store.obtain("data", "d" * 16, lambda folder: write_json(folder / "dataset.json", plain), {})
    perform(LORA, store, data, kind="finetune", revision=1, name="x", parts={}, facts={}, resolved=None, work=work)
    assert shown in (capsys.readouterr().err or "")
    console_sink(Event(4, "auroc", 0.9, "validation"))
    assert "step 4" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "exact"), [("mimic3", False), ("made-up", True)])
def test_trackers_hear_of_a_run_and_do_not_change_its_name(
    kind: str, exact: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Trackers, str, str, bool]] = []

    @contextmanager
    def following(trackers: Trackers, fingerprint: str, name: str, released: Released) -> Iterator[None]:
        given.append((trackers, fingerprint, name, released.exact))
        yield

    monkeypatch.setattr("chartune.stages.model_stage.following", following)
    tracked = LORA.model_copy(update={"trackers": Trackers(tensorboard=Path("somewhere"))})
    plain = typed({"source": {"kind": kind}}).to_json()
    data = store.obtain("data", "d" * 16, lambda folder: write_json(folder / "dataset.json", plain), {})
    runs = [
        perform(
            stage, store, data, kind="finetune", revision=1, name="x", parts={}, facts={}, resolved=None,
            work=lambda _: Outcome({}),
        )
        for stage in (tracked, LORA)
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert given == [(tracked.trackers, runs[0].fingerprint, "x", exact)]  # found, it is not told of again


@pytest.mark.usefixtures("jumping_date")
def test_what_a_run_took_is_what_all_its_attempts_took(store: Store) -> None:
    state = State(seconds=1003.0, earlier_seconds=1000.0, train_seconds=900.0, resumed=1)
    run = perform(
        LORA, store, nothing_prepared("d0", store), kind="finetune", revision=1, name="x", parts={}, facts={},
        resolved=None, work=lambda _: Outcome({}, state=state),
    )  # fmt: skip
    assert 1000 < (run.cost.seconds or 0) < 2000  # of the last attempt all is timed
    assert run.cost.train_seconds == 900


def named(name: str | None, store: Store) -> Run:
    """A stage that asks the same question, whatever the run is to be called."""
    return perform(
        LORA.model_copy(update={"name": name}), store, nothing_prepared("d0", store), kind="finetune", revision=1,
        name=name or "LoRA r=4", parts={}, facts={}, resolved=None, work=lambda _: Outcome({}),
    )  # fmt: skip


def test_a_finished_run_takes_a_new_name_says_so_and_keeps_the_old_one(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first = named(None, store)
    assert named(None, store).name == "LoRA r=4"
    assert not capsys.readouterr().err
    second = named("clinical [/x]", store)
    output = " ".join(capsys.readouterr().err.split())
    assert f"found: run {first.fingerprint}, until now called 'LoRA r=4'; from now on 'clinical [/x]'" in output
    assert (second.fingerprint, second.name) == (first.fingerprint, "clinical [/x]")
    assert named(None, store).name == "clinical [/x]"
    assert {find_run(store, name).fingerprint for name in ("LoRA r=4", "clinical [/x]")} == {first.fingerprint}
    assert not capsys.readouterr().err


def test_the_perplexity_of_a_unigram_is_that_of_the_hand() -> None:
    train, held = np.asarray([0, 0, 1], dtype=np.int32), np.asarray([0, 1, 2, 2], dtype=np.int32)
    # Counts with one added: 3, 2, 1, 1 of 7. Four held-out tokens of probability 3/7, 2/7, 1/7, 1/7.
    assert np.exp(unigram_nats(train, held, 4).mean()) == pytest.approx((3 * 2 * 1 * 1 / 7**4) ** (-1 / 4), rel=1e-12)


def test_a_unigram_that_has_seen_nothing_is_as_perplexed_as_its_vocabulary_is_large() -> None:
    nothing = np.zeros(0, dtype=np.int32)
    assert np.exp(unigram_nats(nothing, np.asarray([3, 1], dtype=np.int32), 10)) == pytest.approx([10, 10])
