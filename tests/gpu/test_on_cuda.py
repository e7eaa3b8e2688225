"""On a CUDA device: both stages train in bf16 and fp16 and on quantised bases, are killed, go on, score and predict."""

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


@pytest.mark.parametrize(("precision", "quantisation"), [("bf16", "none"), ("fp16", "none"), ("bf16", "nf4"),
                                                         ("bf16", "int8")])  # fmt: skip
@pytest.mark.parametrize(("verb", "metric", "flags"), [FINETUNE, PRETRAIN], ids=["finetune", "pretrain"])
def test_a_stage_on_the_device_goes_on_after_a_break_scores_and_predicts(
    hospital: Path, llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, metric: str,
    flags: list[str], precision: str, quantisation: str,
) -> None:  # fmt: skip
    if quantisation != "none":
        pytest.importorskip("bitsandbytes", reason="the extra gpu is not installed")

    def words(store: Path) -> list[object]:
        computed = ["--set", f"numerics.precision={precision}", "--set", f"numerics.quantisation={quantisation}"]
        return [verb, hospital, "--base", llama.folder, *flags, *computed, "--store", store, "--json"]

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
    assert (one.environment["device"], one.environment["precision"]) == ("cuda", precision)
    assert one.environment.get("quantisation", "none") == quantisation
    assert one.cost.peak_bytes
    assert (one.about.resumed, two.about.resumed) == (1, 0)
    estimates = [run.scores["test"][metric].value for run in (one, two)]
    # Kernels on a device may add in another order: near, not equal.
    assert estimates[0] == pytest.approx(estimates[1], rel=0.02)
    if verb == "finetune":
        asked = ["predict", one.fingerprint, hospital, "--out", tmp_path / "rows.csv", "--store", tmp_path / "broken"]
        predicted = chartune(*asked)
        assert predicted.code == 0, predicted.err
        assert len((tmp_path / "rows.csv").read_text().splitlines()) > 100
