"""What lies around a run changes while it is unfinished: other data are another run, and another disk is no matter."""

import gzip
import tempfile
from pathlib import Path

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.finetune import Finetune
from chartune.store import Store
from chartune.testing.short_texts import short_texts
from chartune.train.checkpoint import save_checkpoint

OTHER_DISK = Path("/dev/shm")


class PowerError(RuntimeError):
    """Somebody pulled the plug."""


def stage_of(place: Path, base: LocalBackbone) -> Finetune:
    return Finetune.parse(
        {"data": short_texts(place / "raw", place / "lists").model_dump(mode="json"), "task": "mortality",
         "backbone": {"name": str(base.folder)}, "max_seq_len": 32,
         "stack": {"layers": [{"kind": "fresh", "method": {"kind": "lora"}}]},
         "optimisation": {"learning_rate": 1e-2, "duration": {"value": 4, "unit": "steps"}},
         "stopping": {"evaluations_per_epoch": 1}}
    )  # fmt: skip


def weights(made: Run) -> bytes:
    return (made.path / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.mark.slow
def test_data_that_change_under_an_unfinished_run_make_another_and_it_resumes_when_they_are_back(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*arguments: object) -> None:
        save_checkpoint(*arguments)  # type: ignore[arg-type]
        raise PowerError

    store, stage = Store(tmp_path / "store").open(), stage_of(tmp_path, llama)
    with monkeypatch.context() as change:
        change.setattr("chartune.train.loop.save_checkpoint", breaks)
        with pytest.raises(PowerError):
            run(stage, store)
    (partial,) = store.root.glob("runs/*.partial")
    table = tmp_path / "raw" / "NOTEEVENTS.csv.gz"
    before = table.read_bytes()
    table.write_bytes(gzip.compress(gzip.decompress(before).replace(b"stroke number 3", b"stroke number 33")))
    other = run(stage, store)
    assert (other.about.resumed, other.fingerprint == partial.stem) == (0, False)
    table.write_bytes(before)
    resumed, whole = run(stage, store), run(stage, Store(tmp_path / "whole").open())
    assert (resumed.fingerprint, resumed.about.resumed, whole.about.resumed) == (partial.stem, 1, 0)
    assert weights(resumed) == weights(whole) != weights(other)


@pytest.mark.slow
@pytest.mark.skipif(not OTHER_DISK.is_dir(), reason="needs a second file system")
def test_a_store_and_temporary_files_may_lie_on_two_disks(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir=OTHER_DISK) as other:
        if Path(other).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("needs a second file system")
        monkeypatch.setattr(tempfile, "tempdir", other)
        stage = stage_of(tmp_path, llama)
        made = run(stage, Store(tmp_path / "store").open())
        assert list(Path(other).iterdir()) == []
        elsewhere = run(stage, Store(Path(other) / "store").open())
    monkeypatch.undo()
    assert made.path.is_dir()
    assert made.fingerprint == elsewhere.fingerprint
