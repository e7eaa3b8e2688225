"""One flipped bit in any file of a store: a stage that stands on it refuses it by name, or answers as before."""

import json
from pathlib import Path

import pytest

from chartune.models.backbone import LocalBackbone
from chartune.store import Artefact, Store
from chartune.testing.chain import CLINICAL, FINETUNE, PRETRAIN, steps
from chartune.testing.command_line import Completed, chartune

SHELVES = ("data", "tokens", "runs")


def flipped(file: Path) -> bytes:
    """Flip a bit of a file; returns what it was."""
    whole = file.read_bytes()
    place = len(whole) * 2 // 3
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
    return whole


class Chain:
    """Prepared data, a clinical adapter, and a stage that stands on both."""

    def __init__(self, raw: Path, base: Path, place: Path) -> None:
        self.raw, self.base, self.store = raw, base, Store(place).open()
        assert self.give("pretrain", raw, "--base", base, *steps(2, *PRETRAIN), "--name", CLINICAL).code == 0
        self.sound = self.stacked()
        assert self.sound.code == 0, self.sound.err

    def give(self, *words: object) -> Completed:
        return chartune(*words, "--store", self.store.root)

    def stacked(self) -> Completed:
        """The stage anew, its run removed before."""
        for artefact in self.store.artefacts("runs"):
            if artefact.fingerprint != self.clinical().fingerprint:
                for file in sorted(artefact.path.rglob("*"), reverse=True):
                    file.rmdir() if file.is_dir() else file.unlink()
                artefact.path.rmdir()
        model = ["--base", self.base, *steps(2, *FINETUNE)]
        return self.give("finetune", self.raw, "--task", "mortality", "--clinical", self.clinical().fingerprint,
                         *model, "--json")  # fmt: skip

    def clinical(self) -> Artefact:
        return self.store.artefacts("runs")[0]

    def files(self) -> list[Path]:
        """Every file that the stage may read, by the manifests."""
        kept = [artefact for shelf in SHELVES[:2] for artefact in self.store.artefacts(shelf)]
        return [artefact.path / name for artefact in (*kept, self.clinical()) for name in artefact.manifest().files]


@pytest.fixture(scope="module")
def chain(hospital: Path, llama: LocalBackbone, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(hospital, llama.folder, tmp_path_factory.mktemp("chain") / "store")


@pytest.mark.slow
def test_a_flipped_bit_is_refused_by_name_or_is_of_no_consequence(chain: Chain) -> None:
    scores, refused = json.loads(chain.sound.out)["scores"], set()
    for file in chain.files():
        whole = flipped(file)
        told = chain.stacked()
        assert told.code in (0, 7), (file, told.err)
        if told.code == 7:
            assert str(file) in told.err
            refused.add(file.name)
        else:
            assert json.loads(told.out)["scores"] == scores, file
        file.write_bytes(whole)
    assert refused >= {
        "mortality.parquet", "dataset.json", "ids.npy", "offsets.npy", "adapter_model.safetensors", "chartune.json"
    }  # fmt: skip
