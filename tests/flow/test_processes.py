"""Two processes, as torchrun starts them, train what one does, and go on where they were killed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from chartune.log import console
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.testing.chain import steps
from chartune.testing.command_line import chartune, wait_until

EXACTLY = ("numerics.precision=fp32", "optimisation.batch_size=8", "max_seq_len=32")
SHORT = {
    "finetune": steps(8, *EXACTLY, "stopping.evaluations_per_epoch=5", "stopping.patience=999"),
    "pretrain": steps(8, *EXACTLY, "stopping.evaluations_per_epoch=200", "validation_blocks=4", "held_out_blocks=8"),
    "head": steps(8, *EXACTLY, "stack.layers=[]"),
    "adalora": [*steps(8, *EXACTLY, "validation_blocks=4", "held_out_blocks=8"), "--method", "adalora"],
}
VERBS = {"head": "finetune", "adalora": "pretrain"}
SPOKEN = "the first one has ended"


@pytest.fixture(scope="module")
def prepared(hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("prepared") / "store"
    assert chartune("prepare", hospital, "--store", store).code == 0
    return store


def command(kind: str, hospital: Path, base: LocalBackbone, store: Path) -> list[str]:
    words = [VERBS.get(kind, kind), hospital, "--base", base.folder, *SHORT[kind], "--store", store]
    return [str(word) for word in words]


def by_two(words: list[str]) -> subprocess.Popen[str]:
    """Start a command as two processes of one thread each, as torchrun starts them."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CHARTUNE_PROGRESS_SECONDS": "0"}
    return subprocess.Popen([*launcher, "chartune", *words], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def run_of(store: Path) -> Run:
    (folder,) = (path for path in (store / "runs").iterdir() if "." not in path.name)
    return Run(folder)


def weights(run: Run) -> dict[str, NDArray[np.float32]]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for file in sorted(run.path.rglob("*.safetensors")):
        tensors |= {f"{file.relative_to(run.path)} {name}": tensor for name, tensor in load_file(file).items()}
    return tensors


@pytest.mark.parametrize(
    "kind", ["finetune", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("pretrain", "head", "adalora"))]
)
def test_two_processes_train_what_one_does(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, kind: str
) -> None:
    stores = [shutil.copytree(prepared, tmp_path / name) for name in ("one", "two")]
    said = chartune(*command(kind, hospital, llama, stores[0]))
    assert said.code == 0, said.err
    process = by_two(command(kind, hospital, llama, stores[1]))
    out, err = process.communicate()
    assert process.returncode == 0, err
    one, two = map(run_of, stores)
    assert out.count(two.name) == said.out.count(one.name) > 0  # one of them speaks
    assert one.fingerprint == two.fingerprint
    assert two.environment["processes"] == 2
    assert "processes" not in one.environment
    assert [(e.step, e.tokens) for e in one.events() if e.name == "loss"] == [
        (e.step, e.tokens) for e in two.events() if e.name == "loss"
    ]
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.allclose(ours[name], theirs[name], atol=2e-5), name
    assert not list((stores[1] / "runs").glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_two_processes_that_were_ended_go_on_to_the_same_bytes(
    hospital: Path, llama: LocalBackbone, prepared: Path, tmp_path: Path, how: signal.Signals
) -> None:
    stores = [shutil.copytree(prepared, tmp_path / name) for name in ("whole", "broken")]
    words = [
        [*command("finetune", hospital, llama, store), "--set", "optimisation.duration.value=40"] for store in stores
    ]
    whole = by_two(words[0])
    _, err = whole.communicate()
    assert whole.returncode == 0, err
    process = by_two(words[1])

    def trained() -> bool:
        files = list((stores[1] / "runs").glob("*.partial/events.jsonl"))
        return sum(line.count('"loss"') for file in files for line in file.read_text().splitlines()) >= 9

    wait_until(trained, process)
    workers = psutil.Process(process.pid).children(recursive=True)  # torchrun gives them groups of their own
    for ended in workers if how == signal.SIGKILL else [process]:
        ended.send_signal(how)
    process.communicate()
    assert process.returncode != 0
    again = by_two(words[1])
    _, err = again.communicate()
    assert again.returncode == 0, err
    one, two = map(run_of, stores)
    assert two.about.resumed == 1
    assert {name: tensor.tobytes() for name, tensor in weights(one).items()} == {
        name: tensor.tobytes() for name, tensor in weights(two).items()
    }
    assert one.scores == two.scores


@pytest.mark.parametrize("words", [["prepare", "x"], ["study", "run", "x.yaml"], ["search", "x"]])
def test_a_verb_of_one_process_refuses_several(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = chartune(*words)
    assert refused.code == 2
    assert "finetune and pretrain" in refused.err
    assert "WORLD_SIZE is 2" in refused.err


def test_a_bag_of_words_is_fitted_by_one_process(
    hospital: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    store = shutil.copytree(prepared, tmp_path / "store")
    refused = chartune("finetune", hospital, "--task", "mortality", "--method", "tfidf", "--store", store)
    assert refused.code == 2
    assert "pretraining and fine-tuning alone" in refused.err
    assert not (store / "runs").exists() or not list((store / "runs").iterdir())


def test_a_process_that_is_not_the_first_says_only_why_it_ends(
    hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("connection closed by peer")

    monkeypatch.setattr("chartune.runner.run", broken)
    monkeypatch.setattr("chartune.cli.pretrain.say_warnings", lambda *_: console.print("spoken"))
    ended = chartune("pretrain", hospital, "--base", "small-llama", "--store", tmp_path)
    assert ended.code == 5
    assert SPOKEN in ended.err
    assert "spoken" not in ended.out + ended.err
