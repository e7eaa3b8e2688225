"""Killed training: taken up again, it ends with the same bytes as a run that nobody disturbed."""

import json
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from chartune.log import MACHINE, EventLog
from chartune.models.backbone import LocalBackbone
from chartune.models.compiled import compiler
from chartune.runs.run import Run
from chartune.testing.chain import steps
from chartune.testing.command_line import chartune, started, wait_until
from chartune.train.gradients import HALVES

OFTEN = ("stopping.evaluations_per_epoch=5", "stopping.patience=999", "optimisation.batch_size=8")
"""Twenty steps are an epoch of the 158 admissions: a checkpoint every fourth step."""
SETTINGS = (*OFTEN, "max_seq_len=64", "stack.layers.0.method.dropout=0.2")
FINETUNE = ("finetune", steps(60, *SETTINGS))
SHORT = ("finetune", steps(24, *SETTINGS))
PRETRAIN = (
    "pretrain",
    steps(60, "stopping.evaluations_per_epoch=200", *OFTEN[1:], "max_seq_len=64", "validation_blocks=4",
          "held_out_blocks=8", "method.dropout=0.2"),
)  # fmt: skip
Stage = tuple[str, list[str]]


@pytest.fixture(scope="module")
def prepared(hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("prepared") / "store"
    assert chartune("prepare", hospital, "--store", store).code == 0
    return store


def command(stage: Stage, hospital: Path, base: LocalBackbone, store: Path) -> list[object]:
    verb, flags = stage
    return [verb, hospital, "--base", base.folder, *flags, "--store", store, "--json"]


def done(words: list[object]) -> Run:
    """Give the command within this process: starting another one costs more than the training."""
    said = chartune(*words)
    assert said.code == 0, said.err
    goes_on = "goes on from a checkpoint" in said.err
    run = Run(Path(json.loads(said.out)["folder"]))
    assert goes_on is bool(run.about.resumed)
    return run


def losses(store: Path) -> int:
    """Optimizer steps that the unfinished run has told of."""
    files = list((store / "runs").glob("*.partial/events.jsonl"))
    return sum(line.count('"loss"') for file in files for line in file.read_text().splitlines())


def weights(run: Run) -> dict[str, bytes]:
    return {p.relative_to(run.path).as_posix(): p.read_bytes() for p in sorted(run.path.rglob("*.safetensors"))}


def kill_at(step: int, words: list[object], store: Path) -> None:
    process = started(*words)
    wait_until(lambda: losses(store) >= step, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def killed_and_taken_up(
    stage: Stage, hospital: Path, base: LocalBackbone, prepared: Path, place: Path, moments: tuple[int, ...]
) -> tuple[Run, Run]:
    """The run that nobody disturbed, and the one that was killed at these steps."""
    stores = [shutil.copytree(prepared, place / name) for name in ("whole", "broken")]
    whole = done(command(stage, hospital, base, stores[0]))
    words = command(stage, hospital, base, stores[1])
    for moment in moments:
        kill_at(moment, words, stores[1])
    return whole, done(words)


def must_be_equal(whole: Run, broken: Run, least_resumed: int) -> None:
    assert whole.fingerprint == broken.fingerprint
    assert weights(whole)
    assert weights(whole) == weights(broken)
    assert whole.scores == broken.scores
    assert (broken.about.resumed or 0) >= least_resumed
    assert whole.about.resumed == 0
    numbers = [[(e.step, e.name, e.value) for e in run.events() if e.split != MACHINE] for run in (whole, broken)]
    assert numbers[0] == numbers[1]
    assert not (broken.path / "checkpoints").exists()


def test_a_fine_tuning_killed_twice_ends_with_the_same_bytes(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path
) -> None:
    whole, broken = killed_and_taken_up(SHORT, hospital, llama, prepared, tmp_path, (7, 22))
    must_be_equal(whole, broken, least_resumed=2)
    assert {"adapter/adapter_model.safetensors", "head.safetensors"} == set(weights(whole))
    assert whole.predictions().equals(broken.predictions())


@pytest.mark.slow  # fine-tuning resumes by the same loop
def test_a_pretraining_killed_in_the_middle_ends_with_the_same_bytes(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path
) -> None:
    whole, broken = killed_and_taken_up(PRETRAIN, hospital, llama, prepared, tmp_path, (29,))
    must_be_equal(whole, broken, least_resumed=1)
    assert {"adapter/adapter_model.safetensors"} == set(weights(whole))


@pytest.fixture
def two_threads() -> Iterator[None]:
    """In this process and in those that are started: so halves of a micro-batch are trained at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(HALVES)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow  # the bits of halves are a rule of every method
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("stage", "moment"), [(FINETUNE, 33), (PRETRAIN, 29)], ids=["finetune", "pretrain"])
def test_a_training_by_two_threads_killed_in_the_middle_ends_with_the_same_bytes(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, stage: Stage, moment: int
) -> None:
    surely = [word.replace("dropout=0.2", "dropout=0.0") for word in stage[1]]
    whole, broken = killed_and_taken_up((stage[0], surely), hospital, llama, prepared, tmp_path, (moment,))
    must_be_equal(whole, broken, least_resumed=1)
    for run in (whole, broken):
        assert "halves of a micro-batch by two threads" in run.environment["precision_reason"]


@pytest.mark.slow
@pytest.mark.skipif(not compiler(), reason="this machine has no C++ compiler")
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the compiler looks for one
def test_a_compiled_pretraining_killed_in_the_middle_ends_with_the_same_bytes_whatever_was_compiled_before(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path
) -> None:
    stage = (PRETRAIN[0], [*PRETRAIN[1], "--set", "numerics.compile=on"])
    whole, broken = killed_and_taken_up(stage, hospital, llama, prepared, tmp_path, (29,))
    must_be_equal(whole, broken, least_resumed=1)
    assert whole.environment["compiled"] is True
    assert "compiled: chosen in the config" in whole.environment["precision_reason"]
    held = json.loads(chartune("clean", "--store", tmp_path / "whole", "--json").out)["holdings"]
    assert [row["sensitivity"] for row in held if row["kind"] == "compiled"] == ["open"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4, 5, 19, 21, 40, 59])
@pytest.mark.parametrize("stage", [FINETUNE, PRETRAIN], ids=lambda stage: stage[0])
def test_the_moment_of_the_kill_does_not_matter(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, stage: Stage, moment: int
) -> None:
    must_be_equal(*killed_and_taken_up(stage, hospital, llama, prepared, tmp_path, (moment,)), least_resumed=0)


@pytest.mark.slow  # leases have tests of their own
def test_a_second_process_is_refused_while_the_first_lives_and_goes_on_when_it_was_interrupted(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(prepared, tmp_path / "store")
    words = command(FINETUNE, hospital, llama, store)
    process = started(*words)
    try:
        wait_until(lambda: losses(store) >= 5, process)
        process.send_signal(signal.SIGSTOP)  # it lives, and cannot end before the other has asked
        refused = chartune(*words)
        assert refused.code == 7
        assert f"is held by process {process.pid}" in refused.err
        running = json.loads(chartune("ls", "--store", store, "--json").out)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted; the same command resumes" in err
    assert err.endswith(f"  {shlex.join(['chartune', *map(str, words)])}\n")  # as it was given
    (partial,) = (store / "runs").glob("*.partial")
    newest = max((partial / "checkpoints").glob("step-*"))
    assert newest.name == f"step-{losses(store):08d}"  # of the last step that was done
    assert "Traceback" not in err
    ended = json.loads(chartune("ls", "--store", store, "--json").out)
    assert (running, ended["runs"]) == (ended, [])
    (name,) = ended["unfinished"]
    (line,) = (line for line in chartune("ls", "--store", store).out.splitlines() if line.startswith(name))
    assert line.split()[1:4] == ["finetune", "mortality", "unfinished:"]
    assert line.endswith("  LoRA r=16 on llama")
    asked = chartune("show", name, "--store", store)
    assert asked.code == 5
    assert "has started but not ended" in asked.err
    assert done(words).fingerprint == name
    events = EventLog.read(store / "runs" / name / "events.jsonl")
    assert [event.step for event in events if event.name == "loss"] == list(range(1, 61))
