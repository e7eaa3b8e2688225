"""On a CUDA device: both stages train, are killed, go on, and score."""

import json
from pathlib import Path

import pytest
import torch

from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run
from chartune.testing.chain import steps
from chartune.testing.command_line import chartune
from chartune.train.checkpoint import save_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
OFTEN = ("stopping.evaluations_per_epoch=5", "stopping.patience=999", "optimisation.batch_size=8", "max_seq_len=64")
FINETUNE = ("finetune", "auroc", steps(30, *OFTEN))
PRETRAIN = ("pretrain", "perplexity", steps(30, *OFTEN, "validation_blocks=4", "held_out_blocks=8"))


class PowerError(RuntimeError):
    """Somebody pulled the plug."""


@pytest.mark.parametrize(("verb", "metric", "flags"), [FINETUNE, PRETRAIN], ids=["finetune", "pretrain"])
def test_a_stage_on_the_device_goes_on_after_a_break_and_scores(
    hospital: Path, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, metric: str,
    flags: list[str],
) -> None:  # fmt: skip
    def words(store: Path) -> list[object]:
        return [verb, hospital, "--base", llama.folder, *flags, "--store", store, "--json"]

    def breaks(*arguments: object) -> None:
        save_checkpoint(*arguments)  # type: ignore[arg-type]
        raise PowerError

    with monkeypatch.context() as patched:
        patched.setattr("chartune.train.loop.save_checkpoint", breaks)
        with pytest.raises(PowerError):
            chartune(*words(tmp_path / "broken"))
    broken, whole = (chartune(*words(tmp_path / name)) for name in ("broken", "whole"))
    assert (broken.code, whole.code) == (0, 0), broken.err + whole.err
    one, two = (Run(Path(json.loads(said.out)["folder"])) for said in (broken, whole))
    assert one.environment["device"] == "cuda"
    assert one.cost.peak_bytes
    assert (one.about.resumed, two.about.resumed) == (1, 0)
    estimates = [run.scores["test"][metric].value for run in (one, two)]
    # Kernels on a device may add in another order: near, not equal.
    assert estimates[0] == pytest.approx(estimates[1], rel=0.02)
