"""A wheel that installs without make: built as pip builds it, tried outside of the sources; one address everywhere."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import build_meta

import chartune
from chartune.testing.address import FOLLOWING, cloned, follow, stated

ROOT = Path(__file__).parents[3]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "src")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because a build leaves folders beside the sources."""
    copy, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copyfile(ROOT / name, copy / name)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(copy)
        return out / str(build_meta.build_wheel(str(out)))


def outside(folder: Path, *words: str) -> str:
    """What a process says that finds chartune in the folder alone."""
    found = os.environ | {"PYTHONPATH": str(folder)}
    ended = subprocess.run([sys.executable, *words], cwd=folder, env=found, text=True, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_wheel_holds_every_file_of_the_package_but_what_tests_share(wheel: Path) -> None:
    sources = [file for file in (ROOT / "src" / "chartune").rglob("*") if file.is_file() and file.suffix != ".pyc"]
    packaged = {file.relative_to(ROOT / "src").as_posix() for file in sources}
    wanted = {name for name in packaged if not name.startswith("chartune/testing/")}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert {Path(name).suffix for name in held} == {
        ".py",
        ".typed",
        ".css",
        ".jinja",
        ".csv",
        ".yaml",
        ".json",
        ".html",
        ".js",
    }


def test_a_wheel_works_where_there_are_no_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    assert outside(tmp_path, "-m", "chartune", "--version") == f"chartune {chartune.__version__}\n"


READ = """
from pathlib import Path
import chartune.published, chartune.report.render
from chartune.studies.demo import demo_study
chartune.report.render._template()
print(chartune.__file__, chartune.report.render.marks.published_pretraining() is not None)
print(len(demo_study(Path("raw"), range(1), "small-llama").stages) > 1)
"""


@pytest.mark.slow
def test_pip_installs_the_wheel_with_its_command_and_its_data(wheel: Path, tmp_path: Path) -> None:
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)]
    subprocess.run([sys.executable, *words], check=True)
    script = tmp_path / "bin" / "chartune"
    assert outside(tmp_path, str(script), "--version") == f"chartune {chartune.__version__}\n"
    assert outside(tmp_path, "-c", READ).split() == [str(tmp_path / "chartune/__init__.py"), "True", "True"]


def test_one_version_stands_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == chartune.__version__
    assert f"version: {chartune.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"chartune-{chartune.__version__}-py3-none-any.whl" in (ROOT / "docs" / "install.md").read_text()


def test_one_address_stands_everywhere(tmp_path: Path) -> None:
    assert cloned(ROOT) == {stated(ROOT)}
    for name in FOLLOWING:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
        assert stated(ROOT) in (ROOT / name).read_text(), name
    project = tmp_path / "pyproject.toml"
    line = f'Repository = "{stated(ROOT)}"'
    project.write_text(project.read_text().replace(line, 'Repository = "https://git.example.net/somebody/chartune"'))
    assert follow(tmp_path) == list(FOLLOWING)
    assert cloned(tmp_path) == {"https://git.example.net/somebody/chartune"}
    urls = tomllib.loads(project.read_text())["project"]["urls"]
    assert all(url.startswith("https://git.example.net/somebody/chartune") for url in urls.values())
    assert not any(stated(ROOT) in (tmp_path / name).read_text() for name in FOLLOWING)
    assert follow(tmp_path) == []
