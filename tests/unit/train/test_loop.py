"""The loop: what is killed and taken up again ends bit for bit where an undisturbed run ends."""

import json
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from chartune.adapters.lora import LoRA
from chartune.adapters.regime import Regime, Regimes
from chartune.adapters.stack import Attached
from chartune.errors import Diverged, RunError, StoreError
from chartune.log import MACHINE, EventLog
from chartune.quantities import Duration
from chartune.runs.begun import Begun
from chartune.runs.record import RunRecord
from chartune.store import sha256
from chartune.train import scaling
from chartune.train.checkpoint import State
from chartune.train.ending import BrokenOff, Ending
from chartune.train.invariants import Probe
from chartune.train.loop import fit
from chartune.train.objective import Evaluation, Objective
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.scaling import FIRST
from chartune.train.training import Fitted, Training, begin

N, D = 60, 6
RANDOM = np.random.default_rng(0)
INPUTS = torch.from_numpy(RANDOM.normal(size=(N, D)).astype(np.float32))
TARGETS = (INPUTS[:, 0] > 0).long()
LENGTHS = RANDOM.integers(5, 50, N)


class PowerError(RuntimeError):
    """Somebody pulled the plug."""


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Linear(D, 8), nn.Dropout(0.3), nn.Tanh())
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.head(self.body(inputs)), targets, reduction="sum")


def training(
    folder: Path, model: nn.Module, *, fail_at: int | None = None, score: Callable[[], float] = lambda: 0.0,
    patience: int = 99, budget: int = 4096, rate: float = 0.05, targets: Tensor = TARGETS,
) -> Training:  # fmt: skip
    calls = {"n": 0}

    def batch(indices: np.ndarray, step: int) -> dict[str, Tensor]:
        calls["n"] += 1
        if fail_at is not None and calls["n"] > fail_at:
            raise PowerError
        return {"inputs": INPUTS[indices], "targets": targets[indices]}

    folder.mkdir(exist_ok=True)
    choice = Optimisation(
        learning_rate=rate,
        head_learning_rate=rate,
        batch_size=8,
        duration=Duration.epochs(4),
    )
    return Training(
        Objective(model, batch, LENGTHS, np.ones(N)), choice, Stopping(evaluations_per_epoch=2, patience=patience), 11,
        "fp32", folder / "checkpoints", EventLog(folder / "events.jsonl"), lambda: Evaluation(score(), {"s": score()}),
        checkpoint_seconds=0.0, budget=budget,
    )  # fmt: skip


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], Fitted, Path]:
    """Weights and end of a run that nobody disturbed, and its folder; not to be written into."""
    model, folder = Small(), tmp_path_factory.mktemp("trained") / "whole"
    fitted = fit(training(folder, model))
    return weights(model), fitted, folder


@pytest.fixture
def undisturbed(tmp_path: Path, trained: tuple[dict[str, Tensor], Fitted, Path]) -> tuple[dict[str, Tensor], Fitted]:
    """With its folder as `whole` beside that of the test."""
    (tmp_path / "whole").symlink_to(trained[2])
    return trained[:2]


@pytest.mark.parametrize("fail_at", [0, 1, 4, 13, 27])  # 4: just after an evaluation
def test_a_run_that_broke_anywhere_ends_with_the_same_weights(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted], fail_at: int
) -> None:
    with pytest.raises(PowerError):
        fit(training(tmp_path / "broken", Small(), fail_at=fail_at))
    with pytest.raises(PowerError):  # and once more, in the middle of taking it up
        fit(training(tmp_path / "broken", Small(), fail_at=2))
    model = Small()
    fitted = fit(training(tmp_path / "broken", model))
    assert equal(weights(model), undisturbed[0])
    assert fitted.state.step == undisturbed[1].state.step
    assert fitted.state.tokens == undisturbed[1].state.tokens
    assert measured(tmp_path / "broken") == measured(tmp_path / "whole")
    steps = [event.step for event in EventLog.read(tmp_path / "broken" / "events.jsonl") if event.name == "loss"]
    assert steps == list(range(1, 33))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["a step", "an evaluation", "the last evaluation"])
def test_a_signal_lets_the_step_end_and_is_kept_in_a_checkpoint(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted], number: signal.Signals, code: int, moment: str
) -> None:
    asked: list[int] = []

    def ask() -> float:
        if not asked and attempt.state.step == step:
            asked.append(step)
            signal.raise_signal(number)
        return 0.0

    def end(*_: object) -> None:
        raise SystemExit(code)

    step = {"a step": 6, "an evaluation": 8, "the last evaluation": 32}[moment]
    attempt = training(tmp_path / "broken", Small(), score=ask)
    attempt.checkpoint_seconds = 3600.0
    if moment == "a step":
        batch = attempt.objective.batch
        attempt.objective = Objective(
            attempt.objective.model,
            lambda indices, step: batch(indices, step) if ask() == 0 else {},
            LENGTHS,
            np.ones(N),
        )
    before = signal.signal(number, end)
    try:
        with pytest.raises(SystemExit, match=str(code)):
            fit(attempt)
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    done = 7 if moment == "a step" else step  # the step under way was done, an evaluation was broken off
    assert (tmp_path / "broken" / "checkpoints" / f"step-{done:08d}").is_dir()
    events = EventLog.read(attempt.events.path)
    assert [event.step for event in events if event.name == "loss"] == list(range(1, done + 1))
    assert max(event.step for event in events if event.name == "s") < step
    model = Small()
    again = training(tmp_path / "broken", model)
    again.checkpoint_seconds = 3600.0
    fitted = fit(again)
    assert equal(weights(model), undisturbed[0])
    assert (fitted.state.best_step, fitted.state.resumed) == (undisturbed[1].state.best_step, 1)
    assert measured(tmp_path / "broken") == measured(tmp_path / "whole")


def test_a_signal_between_two_looks_waits_for_the_next_step_and_its_checkpoint(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = training(tmp_path / "broken", Small())
    attempt.checkpoint_seconds = 3600.0

    def looked(asked: int | None, _: torch.device) -> int | None:
        if attempt.state.step == 5:  # it comes when all processes have just agreed that none has come
            signal.raise_signal(signal.SIGINT)
        return asked

    monkeypatch.setattr("chartune.train.loop.agreed", looked)
    with pytest.raises(KeyboardInterrupt):
        fit(attempt)
    monkeypatch.undo()
    assert (tmp_path / "broken" / "checkpoints" / "step-00000006").is_dir()
    model = Small()
    fit(training(tmp_path / "broken", model))
    assert equal(weights(model), undisturbed[0])


def measured(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of all that does not depend on the machine."""
    events = EventLog.read(folder / "events.jsonl")
    return [(event.step, event.name, event.value) for event in events if event.split != MACHINE]


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    def twice(*_: object) -> float:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    attempt = training(tmp_path / "run", Small())
    attempt.objective = Objective(attempt.objective.model, cast(Any, twice), LENGTHS, np.ones(N))
    with pytest.raises(KeyboardInterrupt):
        fit(attempt)
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_after_the_last_step_is_not_lost() -> None:
    with Ending().noted() as ending:
        assert ending.asked is None
    with pytest.raises(KeyboardInterrupt), Ending().noted():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_evaluation_is_not_begun_when_a_signal_has_come_before_it() -> None:
    with Ending().noted() as ending:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(BrokenOff), ending.breakable():
            raise AssertionError
        ending.asked = None  # else it would end at the end


def test_a_signal_that_would_end_the_process_at_once_is_noted_too() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with Ending().noted():
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    seen: list[object] = []

    def train() -> None:
        with Ending().noted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    def ask() -> float:
        signal.raise_signal(signal.SIGINT)
        return 0.0

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `nohup` and a shell's `&` leave it
    try:
        with Ending().noted() as ending:
            signal.raise_signal(signal.SIGINT)
            assert ending.asked is None
        fit(training(tmp_path / "run", Small(), score=ask))
    finally:
        signal.signal(signal.SIGINT, before)


def test_rate_and_memory_are_measured_beside_the_loss(tmp_path: Path) -> None:
    attempt = training(tmp_path / "run", Small())
    fit(attempt)
    events = EventLog.read(attempt.events.path)
    assert {event.planned for event in events} == {32}
    machine = [event for event in events if event.split == MACHINE]
    assert [event.step for event in machine if event.name == "peak_bytes"] == list(range(4, 33, 4))
    assert all(event.value > 1e6 for event in machine if event.name == "peak_bytes")
    assert all(event.value > 0 for event in machine if event.name == "tokens_per_second")
    assert len(machine) == 16
    heads = training(tmp_path / "heads", Small())
    heads.in_tokens = False
    fit(heads)
    assert {e.name for e in EventLog.read(heads.events.path) if e.split == MACHINE} == {"peak_bytes"}


def test_the_seconds_of_earlier_attempts_count_whatever_became_of_them(tmp_path: Path) -> None:
    spent = [0.0]
    for fail_at in (9, 4, None):
        attempt = training(tmp_path / "broken", Small(), fail_at=fail_at)
        if fail_at is None:
            fit(attempt)
        else:
            with pytest.raises(PowerError):
                fit(attempt)
        assert attempt.state.earlier_seconds == spent[-1]  # a checkpoint after every step has kept them
        assert attempt.state.seconds > spent[-1]
        spent.append(attempt.state.seconds)


def test_a_clock_that_is_set_meanwhile_changes_neither_weights_nor_what_was_measured(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted], jumping_date: None
) -> None:
    model = Small()
    attempt = training(tmp_path / "run", model)
    fitted = fit(attempt)
    assert equal(weights(model), undisturbed[0])
    assert 0 < fitted.state.train_seconds <= fitted.state.seconds < 600  # what the minutes of a search are counted by
    events = EventLog.read(attempt.events.path)
    assert [event.step for event in events if event.name == "loss"] == list(range(1, 33))
    assert all(0 < event.value < 1e9 for event in events if event.name == "tokens_per_second")
    assert len({event.time < events[0].time for event in events}) == 2  # the dates are those of the clock
    left = Begun("f00d", RunRecord(kind="finetune"), "running", "", events[:-9]).seconds_left()
    assert left is not None
    assert 0 <= left < float("inf")


def test_what_was_told_after_the_last_checkpoint_is_told_again_and_once(tmp_path: Path) -> None:
    for fail_at in (6, None):  # a checkpoint after every fourth step
        attempt = training(tmp_path / "broken", Small(), fail_at=fail_at)
        attempt.checkpoint_seconds = 3600.0
        if fail_at is None:
            fit(attempt)
        else:
            with pytest.raises(PowerError):
                fit(attempt)
    steps = [event.step for event in EventLog.read(attempt.events.path) if event.name == "loss"]
    assert steps == list(range(1, 33))


@pytest.mark.parametrize(
    "damage", ["truncate", "flip", "no manifest", "{}", "[]", "no state", "odd state", "a file more"]
)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PowerError):
        fit(training(tmp_path / "broken", Small(), fail_at=17))
    newest = sorted((tmp_path / "broken" / "checkpoints").glob("step-*"))[-1]
    file = newest / "trainable.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[:-7])
    elif damage == "flip":
        content[-3] ^= 1
        file.write_bytes(content)
    elif damage == "no manifest":
        (newest / "manifest.json").unlink()
    elif damage in ("{}", "[]"):  # nothing that is listed differs
        (newest / "manifest.json").write_text(damage)
    elif damage == "a file more":
        (newest / "best.safetensors.2").write_bytes(b"")
    else:
        state = newest / "state.json"
        state.write_text("{}" if damage == "no state" else '{"step": "many"}')
        signed = {**json.loads((newest / "manifest.json").read_text()), "state.json": sha256(state)}
        if damage == "no state":
            state.unlink()
            signed.pop("state.json")
        (newest / "manifest.json").write_text(json.dumps(signed))
    model = Small()
    fit(training(tmp_path / "broken", model))
    assert "damaged" in caplog.text
    assert equal(weights(model), undisturbed[0])


def test_when_every_checkpoint_is_damaged_nothing_starts_silently_from_zero(tmp_path: Path) -> None:
    with pytest.raises(PowerError):
        fit(training(tmp_path / "broken", Small(), fail_at=9))
    for manifest in (tmp_path / "broken" / "checkpoints").glob("*/manifest.json"):
        manifest.unlink()
    with pytest.raises(RunError, match="damaged"):
        fit(training(tmp_path / "broken", Small()))


def test_a_folder_that_vanishes_is_said_and_not_made_anew(tmp_path: Path) -> None:
    def vanish() -> float:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        return 0.0

    made = training(tmp_path / "run", Small(), score=vanish)
    with pytest.raises(StoreError, match=r"run.checkpoints failed: No such file or directory; .* --store"):
        fit(made)
    assert not (tmp_path / "run").exists()


def test_micro_batches_do_not_change_where_training_ends(tmp_path: Path) -> None:
    torch.manual_seed(0)
    models = []
    for budget in (64, 4096):
        model = Small()
        model.body[1] = nn.Identity()  # dropout would be drawn per micro-batch
        fit(training(tmp_path / str(budget), model, budget=budget))
        models.append(weights(model))
    assert all(torch.allclose(models[0][name], models[1][name], atol=1e-5) for name in models[0])


def test_running_out_of_memory_halves_the_micro_batch_and_keeps_the_step(tmp_path: Path) -> None:
    class Hungry(Small):
        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            if len(inputs) > 3:
                raise torch.OutOfMemoryError
            return super().forward(inputs, targets)

    models = Hungry(), Small()
    for model in models:
        model.body[1] = nn.Identity()  # dropout would be drawn per micro-batch
    fitted, _ = (fit(training(tmp_path / type(model).__name__, model)) for model in models)
    assert fitted.state.step == 32
    assert fitted.state.micro_batch_tokens < 4096
    ours, theirs = map(weights, models)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)


def test_memory_that_runs_out_as_a_batch_is_made_halves_it_too(tmp_path: Path) -> None:
    made = training(tmp_path / "run", Small())
    batch = made.objective.batch

    def hungry(indices: np.ndarray, step: int) -> dict[str, Tensor]:
        if len(indices) > 3:
            raise MemoryError  # of numpy, before torch is asked for any
        return batch(indices, step)

    made.objective = Objective(made.objective.model, hungry, LENGTHS, np.ones(N))
    assert fit(made).state.micro_batch_tokens < 4096


def test_memory_that_does_not_suffice_for_one_example_is_said_with_what_helps(tmp_path: Path) -> None:
    class Starved(Small):
        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            if self.training and torch.is_grad_enabled():
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
            return super().forward(inputs, targets)

    with pytest.raises(RunError, match=r"one example \(\d+ tokens\) must fit into memory, .* shorten max_seq_len"):
        fit(training(tmp_path / "starved", Starved()))


def test_what_learns_but_gets_no_gradient_is_noticed_at_the_first_step(tmp_path: Path) -> None:
    class Aside(Small):
        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            with torch.no_grad():
                read = self.body(inputs)
            return nn.functional.cross_entropy(self.head(read), targets, reduction="sum")

    with pytest.raises(RunError, match=r"after the first step none of 2 tensors .* not in the forward pass"):
        fit(training(tmp_path / "aside", Aside()))
    assert not list((tmp_path / "aside").glob("checkpoints/*"))
    alone = Aside()
    alone.body.requires_grad_(False)
    assert fit(training(tmp_path / "alone", alone)).state.step == 32  # a head alone is asked for
    with pytest.raises(RunError, match="all are frozen"):
        fit(training(tmp_path / "frozen", Small().requires_grad_(False)))


def test_the_best_weights_are_kept_and_patience_ends_training(tmp_path: Path) -> None:
    model, seen = Small(), []
    scores = iter([0.5, 0.9, 0.6, 0.7, 0.8, 0.2])

    def look() -> Evaluation:
        seen.append(weights(model))
        value = next(scores)
        return Evaluation(value, {"s": value})

    task = training(tmp_path / "patient", model, patience=3)
    task.evaluate = look
    fitted = fit(task)
    assert fitted.stopped_early
    assert len(seen) == 5  # the best was the second; three without a better one
    assert equal(weights(model), seen[1])


def test_an_equal_score_is_no_better_one(tmp_path: Path) -> None:
    fitted = fit(training(tmp_path / "level", Small(), patience=2))
    assert (fitted.state.best_step, fitted.state.step, fitted.stopped_early) == (4, 12, True)


def test_every_step_drops_out_anew_and_a_second_training_alike(tmp_path: Path) -> None:
    class Watched(Small):
        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            masks.append(nn.functional.dropout(torch.ones(32), 0.5, training=self.training).tolist())
            return super().forward(inputs, targets)

    seen = []
    for name in ("one", "two"):
        masks: list[list[float]] = []
        fit(training(tmp_path / name, Watched()))
        seen.append(masks)
    assert seen[0] == seen[1]
    assert len({tuple(mask) for mask in seen[0]}) == 32


def test_where_a_training_stands_is_what_the_first_process_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = State(best_score=0.3, bad=1)  # this process has read 0.1 before anything has learnt
    monkeypatch.setattr("chartune.train.loop.shared", lambda value: first if isinstance(value, State) else value)
    attempt = training(tmp_path / "two", Small(), score=lambda: 0.2, patience=2)
    begin(attempt, Evaluation(0.1, {}))
    fitted = fit(attempt)
    assert (fitted.state.best_score, fitted.state.bad, fitted.stopped_early) == (0.3, 2, True)


def test_a_loss_that_is_no_number_stops_and_names_the_way_out(tmp_path: Path) -> None:
    class Mad(Small):
        calls = 0

        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(inputs, targets) * (float("nan") if self.calls > self.sane else 1)

        def __init__(self, sane: int) -> None:
            super().__init__()
            self.sane = sane

    with pytest.raises(Diverged, match=r"at step 1, before anything has learnt, it is nan: the base model, or an adap"):
        fit(training(tmp_path / "mad", Mad(0)))
    with pytest.raises(Diverged, match=r"at step \d+ they are nan .*learning_rate .*0\.05"):
        fit(training(tmp_path / "late", Mad(8)))


def test_a_gradient_that_is_no_number_leaves_the_last_good_checkpoint(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted]
) -> None:
    model = Small()
    attempt = training(tmp_path / "late", model)
    cast(Any, model.head.weight).register_hook(
        lambda gradient: gradient * float("inf") if attempt.state.step == 9 else gradient
    )
    with pytest.raises(Diverged, match=r"step 10 they are 0\.4\d* and (inf|nan);") as caught:
        fit(attempt)
    assert caught.value.tokens == attempt.state.tokens > 0  # a search counts them as spent
    assert caught.value.seconds == attempt.state.seconds > 0
    assert max((tmp_path / "late" / "checkpoints").iterdir()).name == "step-00000009"
    again = Small()
    fit(training(tmp_path / "late", again))
    assert equal(weights(again), undisturbed[0])


class Loud(Small):
    """A model whose gradients are too large for fp16 at the first scale."""

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return super().forward(inputs, targets) * 100


def in_fp16(folder: Path, model: nn.Module, fail_at: int | None = None) -> Training:
    made = training(folder, model, fail_at=fail_at)
    made.precision, made.checkpoint_seconds = "fp16", 3600.0
    return made


def test_in_fp16_a_step_that_overflows_is_computed_again_and_none_is_lost(tmp_path: Path) -> None:
    fitted = fit(in_fp16(tmp_path / "fp16", half := Loud()))
    whole = fit(training(tmp_path / "fp32", full := Loud()))
    assert (fitted.state.step, fitted.state.tokens) == (whole.state.step, whole.state.tokens)
    assert 1 < fitted.state.loss_scale < FIRST
    assert whole.state.loss_scale == 1
    events = [EventLog.read(tmp_path / name / "events.jsonl") for name in ("fp16", "fp32")]
    losses = [[event.value for event in each if event.name == "loss"] for each in events]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)  # as it is, and not scaled
    assert all(torch.allclose(weights(half)[name], weights(full)[name], atol=0.02) for name in weights(full))


def test_a_run_in_fp16_that_broke_ends_with_the_same_weights_and_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "GROWING_STEPS", 5)
    whole = fit(in_fp16(tmp_path / "whole", undisturbed := Loud()))
    with pytest.raises(PowerError):
        fit(in_fp16(tmp_path / "broken", Loud(), fail_at=23))
    with pytest.raises(PowerError):
        fit(again := in_fp16(tmp_path / "broken", Loud(), fail_at=0))
    assert again.state.step > 0
    assert again.state.loss_scale < FIRST / 2
    fitted = fit(in_fp16(tmp_path / "broken", model := Loud()))
    assert equal(weights(model), weights(undisturbed))
    states = [(fit_.state.loss_scale, fit_.state.scaled_steps) for fit_ in (fitted, whole)]
    assert states[0] == states[1]
    assert measured(tmp_path / "broken") == measured(tmp_path / "whole")


def test_in_fp16_what_no_scale_can_help_is_divergence_with_fp32_as_a_way_out(tmp_path: Path) -> None:
    made = in_fp16(tmp_path / "run", model := Small())
    cast(Any, model.head.weight).register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(Diverged, match=r"step 1 .* lower optimisation\.learning_rate .* numerics\.precision=fp32"):
        fit(made)
    assert made.state.loss_scale == 1


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_a_step_is_taken_with_a_gradient_no_longer_than_its_bound(tmp_path: Path, scale: float) -> None:
    class Scaled(Small):
        def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
            return super().forward(inputs, targets) * scale

    lengths: list[float] = []

    def look(optimizer: Optimizer, *_: object) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        lengths.append(float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt()))

    model = Scaled()
    watching = register_optimizer_step_pre_hook(look)
    try:
        fit(training(tmp_path / "loud", model))
    finally:
        watching.remove()
    assert len(lengths) == 32
    if scale > 1:
        assert lengths == pytest.approx([1.0] * 32, rel=1e-3)  # max_grad_norm
    else:
        assert 0 < max(lengths) < 1e-3  # a short one is left as it is


def test_training_without_examples_is_refused(tmp_path: Path) -> None:
    task = training(tmp_path / "none", Small())
    task.objective = Objective(task.objective.model, task.objective.batch, np.zeros(0, np.int64), np.zeros(0))
    with pytest.raises(RunError, match="one example"):
        fit(task)


class Watched(Regime):
    """A regime that pulls a model's weights to zero and notes what it is told."""

    def __init__(self, model: nn.Module, counting: int = 0) -> None:
        self.model, self.counting, self.told = model, counting, Tensor([0])

    def penalty(self) -> Tensor:
        return sum((p.square().sum() for p in self.model.parameters()), torch.zeros(()))

    def stepped(self, step: int) -> None:
        assert all(p.grad is not None for p in self.model.parameters())
        assert int(self.told) == step
        self.told += 1

    def may_be_best(self, steps: int) -> bool:
        return steps >= self.counting

    def memory(self) -> dict[str, Tensor]:
        return {"told": self.told}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        self.told = memory["told"]


class Layers:
    """Stands for the layers of a stack."""

    def __init__(self, regime: Watched) -> None:
        self.regime = regime

    def placed(self) -> list[tuple[int, Any, str]]:
        return []

    def regimes(self, steps: int) -> Regimes:
        assert steps == 32
        return Regimes({"layer0": self.regime})

    def undecayed(self) -> list[nn.Parameter]:
        return []

    def rate_ratios(self) -> dict[nn.Parameter, float]:
        return {}


def with_layers(
    folder: Path, counting: int = 0, scores: Callable[[], float] = lambda: 0.0, **further: Any
) -> tuple[Training, Watched]:
    model = Small()
    made, watched = training(folder, model, score=scores, **further), Watched(model, counting)
    made.attached, made.checkpoint_seconds = cast(Attached, Layers(watched)), 3600.0
    return made, watched


def test_a_layer_s_penalty_counts_once_in_a_step_however_it_is_cut(
    tmp_path: Path, undisturbed: tuple[dict[str, Tensor], Fitted]
) -> None:
    whole, pieces = (with_layers(tmp_path / f"{budget}", budget=budget)[0] for budget in (4096, 60))
    for made in (whole, pieces):
        cast(Any, made.objective.model).body[1].p = 0.0  # it draws anew for each piece
        fit(made)
    one, two = (weights(made.objective.model) for made in (whole, pieces))
    assert not torch.allclose(one["head.weight"], undisturbed[0]["head.weight"], atol=0.1)
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    losses = [e.value for e in EventLog.read(whole.events.path) if e.name == "loss"]
    assert losses[0] < 1.0  # the penalty is no part of the loss that is shown


def test_a_layer_is_told_of_every_step_once_also_when_it_was_killed(tmp_path: Path) -> None:
    whole, watched = with_layers(tmp_path / "whole")
    fit(whole)
    assert int(watched.told) == 32
    for fail_at in (13, None):
        made, watched = with_layers(tmp_path / "broken", fail_at=fail_at)
        if fail_at:
            with pytest.raises(PowerError):
                fit(made)
        else:
            fit(made)
    assert int(watched.told) == 32
    assert equal(weights(made.objective.model), weights(whole.objective.model))


def test_a_model_that_does_not_count_yet_is_neither_the_best_nor_a_reason_to_stop(tmp_path: Path) -> None:
    falling = iter(range(100, 0, -1))
    made, _ = with_layers(tmp_path / "run", counting=17, scores=lambda: float(next(falling)), patience=2)
    fitted = fit(made)
    assert (fitted.state.best_step, fitted.state.step) == (20, 28)


class Placed(Layers):
    """Two layers of a small model: what its body learns, and something that stands aside."""

    def __init__(self, model: Any, *states: str) -> None:
        super().__init__(Watched(model))
        self.parts, self.states = (model.body[0].weight, nn.Parameter(torch.ones(2))), states
        self.methods = [LoRA()] * 2

    def placed(self) -> list[tuple[int, Any, str]]:
        return [(index, None, state) for index, state in enumerate(self.states)]

    def tensors(self, index: int) -> dict[str, Tensor]:
        return {"weight": self.parts[index].detach()}

    def parameters(self, index: int) -> list[nn.Parameter]:
        return [self.parts[index]]

    def regimes(self, steps: int) -> Regimes:
        return Regimes({})


def with_states(folder: Path, *states: str, **further: Any) -> Training:
    model = Small()
    made = training(folder, model, **further)
    made.attached = cast(Attached, Placed(model, *states))
    return made


def test_layers_are_checked_at_every_evaluation(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"layer 1 of the stack \(LoRA r=16\) has changed by step 4"):
        fit(with_states(tmp_path / "thawed", "frozen", "frozen"))
    with pytest.raises(RunError, match=r"after 4 steps layer 2 of the stack .* not in the forward pass.*active: false"):
        fit(with_states(tmp_path / "aside", "fresh", "fresh"))
    made = with_states(tmp_path / "right", "trainable", "frozen")
    fit(made)
    assert (made.invariants.moved, made.invariants.reached) == ({0}, {0})


def test_a_layer_that_no_step_could_move_is_no_error_and_one_that_was_moved_before_a_kill_has_moved(
    tmp_path: Path,
) -> None:
    made = with_states(tmp_path / "one", "fresh", "fresh")
    made.optimisation = made.optimisation.model_copy(update={"duration": Duration.steps(1)})
    fit(made)
    broken = with_states(tmp_path / "broken", "fresh", fail_at=30)
    with pytest.raises(PowerError):
        fit(broken)
    again = with_states(tmp_path / "broken", "fresh")
    fit(again)
    assert again.invariants.moved == {0}
    assert again.invariants.steps < again.state.step


def test_what_is_measured_of_layers_stands_in_the_events_as_often_as_asked(tmp_path: Path) -> None:
    made = with_states(tmp_path / "run", "fresh")
    made.probe = Probe(8, lambda: {"contribution of layer 1": 0.5})
    fit(made)
    read = [e for e in EventLog.read(made.events.path) if e.name == "contribution of layer 1"]
    assert [(e.step, e.value, e.split) for e in read] == [(step, 0.5, "train") for step in (8, 16, 24, 32)]
