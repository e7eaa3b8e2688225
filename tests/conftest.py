"""What all tests share: tiny base models made once per session, and an empty store."""

from pathlib import Path

import pytest

from chartune.made_up import make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.store import Store
from chartune.testing.twins import twin


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("twins")


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw tables of a made-up hospital whose every split holds both outcomes; not to be written into."""
    folder = tmp_path_factory.mktemp("hospital") / "raw"
    make_hospital(folder, subjects=220, seed=0, events=False)
    return folder


@pytest.fixture(scope="session")
def llama(twins: Path) -> LocalBackbone:
    return twin(twins, "llama")


@pytest.fixture(scope="session")
def bert(twins: Path) -> LocalBackbone:
    return twin(twins, "bert")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").open()
