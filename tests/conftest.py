"""What all tests share: tiny base models made once per session, an empty store, the worked examples of the docs."""

import functools
import gc
import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from accelerate.utils import is_lomo_available

from chartune.made_up import make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.store import Store
from chartune.testing.twins import twin

os.environ["CHARTUNE_BASELINE"] = "0"  # else each `finetune` fits TF-IDF, too; tests of that say --baseline
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
Examples = Callable[[str], list[ModuleType]]
Listed = Callable[[str, dict[str, str]], Any]


def pytest_collection_finish() -> None:
    """Libraries and tests stay: no later collection of garbage looks at them, and each training asks for one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def not_waiting() -> Iterator[None]:
    """Nothing waits for the disk, few texts are read to be timed, and packages are looked up once.

    Here processes die, and no machine does. A descriptor must still be open when it is synced. Processes that tests
    start do all of it in earnest.
    """
    known = functools.cache(version)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)
        for name, count in {"SAMPLE": 8, "SINGLE": 1, "LEAST": 1}.items():
            patched.setattr(f"chartune.stages.efficiency.{name}", count)
        for stage in ("stage", "facts"):
            patched.setattr(f"chartune.stages.{stage}.version", known)
        for part in ("accelerator", "optimizer"):  # which looks for a package at each step
            patched.setattr(f"accelerate.{part}.is_lomo_available", functools.cache(is_lomo_available))
        yield


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


@pytest.fixture(scope="session")
def in_use(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store and its runs by answer, of TF-IDF, whose notes come later; changed by `chartune monitor` alone."""
    from chartune.testing.in_use import runs_in_use

    return runs_in_use(tmp_path_factory.mktemp("in-use"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A `Served`: runs that all tests of serving share, trained once; not to be changed."""
    from chartune.testing.served_runs import served  # takes seconds: only where it is asked for

    return served(tmp_path_factory.mktemp("served"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").open()


@pytest.fixture
def jumping_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set forward by years, and back by more, with each look at the date."""
    dates = itertools.accumulate(itertools.cycle((3e8, -6e8, 4e8, -2e8)), initial=1.8e9)
    monkeypatch.setattr(time, "time", lambda: next(dates))


def _section(heading: str) -> str:
    return PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Heading of a section → its Python blocks, each executed as a module of a file of its own: pydantic reads it."""

    def executed(heading: str) -> list[ModuleType]:
        modules = []
        for number, block in enumerate(_section(heading).split("```python\n")[1:]):
            modules.append(module := ModuleType("example"))
            file = tmp_path / f"example_{number}.py"
            file.write_text(block.partition("```")[0], encoding="utf-8")
            exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
        return modules

    return executed


@pytest.fixture
def listed_as_on_the_page(examples: Examples, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """Heading of a section, and a catalog → the class of its first block, listed by the line that the section says."""

    def listed(heading: str, catalog: dict[str, str]) -> Any:
        line = re.search(r'`"(.*?)": "(.*?):(.*?)",`', _section(heading))
        assert line
        kind, place, name = line.groups()
        module = examples(heading)[0]
        module.__name__ = place
        monkeypatch.setitem(sys.modules, place, module)
        monkeypatch.setitem(catalog, kind, f"{place}:{name}")
        return getattr(module, name)

    return listed
